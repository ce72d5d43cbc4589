"""The facts of an order, and the one function that says which status follows from them.

A fact is set once and never taken back, so events may come twice, late or in any order. Nothing but `record` writes a
fact, and nothing but `record` writes `Order.status`.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from shop.db import now
from shop.orders.models import Order, OrderEntry

FACTS = ("processing", "paid", "payment_failed", "expired", "cancelled", "shipped")

LABELS = {
    "pending": "Waiting for payment",
    "processing": "Payment on its way",
    "paid": "Paid",
    "shipped": "Shipped",
    "payment_failed": "Payment failed",
    "expired": "Not paid in time",
    "cancelled": "Cancelled",
    "refunded": "Refunded",
    "attention": "Being checked",
}


def status_of(order: Order) -> str:
    """The status that the order's facts imply. Later stages outrank earlier ones, whatever came first."""
    if order.attention and order.shipped_at is None:
        return "attention"
    if order.paid_at is not None and 0 < order.paid_minor <= order.refunded_minor:
        return "refunded"
    if order.shipped_at is not None:
        return "shipped"
    if order.paid_at is not None:
        return "paid"
    if order.cancelled_at is not None:
        return "cancelled"
    if order.payment_failed_at is not None:
        return "payment_failed"
    if order.expired_at is not None:
        return "expired"
    if order.processing_at is not None:
        return "processing"
    return "pending"


def record(
    session: Session,
    order: Order,
    fact: str,
    source: str,
    *,
    at: datetime | None = None,
    amount_minor: int | None = None,
    note: str = "",
) -> bool:
    """Set a fact of a locked `order` unless it is set already, with a line in the timeline. True if it was new.

    `source` names who said so ("webhook evt_...", "return page", "sweep", a member of staff). Never commits.
    """
    if fact not in FACTS:
        raise ValueError(f"{fact} is not a fact of an order")
    column = f"{fact}_at"
    if getattr(order, column) is not None:
        return False
    setattr(order, column, at or now())
    if fact in {"paid", "payment_failed", "expired", "cancelled"}:
        close(order)
    elif fact == "processing":
        # The buyer has finished with the payment page: the cart is free, though the money is still on its way.
        order.open_cart_id = None
    order.status = status_of(order)
    session.add(OrderEntry(order_id=order.id, what=fact, source=source, amount_minor=amount_minor, note=note[:400]))
    session.flush()
    return True


def flag(session: Session, order: Order, reason: str, source: str) -> bool:
    """Say that staff must look at a locked order, and why. Further reasons are added, the same one only once."""
    if order.attention and reason in order.attention:
        return False
    order.attention = f"{order.attention}\n{reason}" if order.attention else reason
    order.status = status_of(order)
    session.add(OrderEntry(order_id=order.id, what="attention", source=source, note=reason[:400]))
    session.flush()
    return True


def close(order: Order) -> None:
    """No further payment can be begun for this order: its cart may be checked out anew."""
    order.open_cart_id = None
    if order.closed_at is None:
        order.closed_at = now()
