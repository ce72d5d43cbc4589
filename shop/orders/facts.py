"""The facts of an order, and the one function that says which status follows from them.

A fact is set once and never taken back, so events may come twice, late or in any order. Nothing but `record` writes a
fact, and nothing but `record` writes `Order.status`.
"""

from datetime import datetime
from typing import cast

from sqlalchemy import Table, bindparam, insert, select
from sqlalchemy.orm import Session

from shop.db import now
from shop.money import spoken
from shop.orders.models import Order, OrderEntry
from shop.prepared import Prepared

FACTS = ("processing", "paid", "payment_failed", "expired", "cancelled", "shipped")

LABELS = {
    "pending": "Waiting for payment",
    "processing": "Payment on its way",
    "paid": "Paid",
    "shipped": "Shipped",
    "partly_refunded": "Partly refunded",
    "payment_failed": "Payment failed",
    "expired": "Not paid in time",
    "cancelled": "Cancelled",
    "refunded": "Refunded",
    "disputed": "Disputed",
    "attention": "Being checked",
}


# Nobody changes an entry afterwards, so nothing needs an object of it.
_ENTRY = Prepared(
    insert(cast("Table", OrderEntry.__table__)).values(
        {name: bindparam(name) for name in ("order_id", "what", "source", "amount_minor", "note")}
    )
)


def status_of(order: Order) -> str:
    """The status that the order's facts imply. Later stages outrank earlier ones, whatever came first.

    Money that is given back counts once it has reached the buyer; a dispute that was won has left nothing behind.
    """
    if order.attention:
        return "attention"
    if order.dispute_state == "open":
        return "disputed"
    if order.paid_at is not None and 0 < order.paid_minor <= order.refunded_minor:
        return "refunded"
    if order.dispute_state == "lost":
        return "disputed"
    if order.refunded_minor > 0:
        return "partly_refunded"
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
    tell(session, order, fact, source, amount_minor=amount_minor, note=note)
    return True


def flag(session: Session, order: Order, reason: str, source: str) -> bool:
    """Say that staff must look at a locked order, and why. Further reasons are added.

    The same reason is said once, even after staff have dealt with it: events and looks at Stripe repeat themselves.
    """
    said = select(OrderEntry.id).where(
        OrderEntry.order_id == order.id, OrderEntry.what == "attention", OrderEntry.note == reason[:400]
    )
    if session.scalars(said.limit(1)).first() is not None:
        return False
    order.attention = f"{order.attention}\n{reason}" if order.attention else reason
    order.status = status_of(order)
    tell(session, order, "attention", source, note=reason)
    return True


def dealt_with(session: Session, order: Order, actor: str, note: str, *, about: str = "") -> bool:
    """Staff have looked at a locked order that asked for it, and `note` says what came of it. True if it did ask.

    With `about` only the reasons that begin so are dealt with; the others still stand.
    """
    left = [reason for reason in (order.attention or "").splitlines() if not reason.startswith(about)]
    if not order.attention or len(left) == len(order.attention.splitlines()):
        return False
    order.attention = "\n".join(left) or None
    order.status = status_of(order)
    tell(session, order, "dealt_with", actor, note=note)
    return True


def tell(
    session: Session, order: Order, what: str, source: str, *, amount_minor: int | None = None, note: str = ""
) -> None:
    """Add a line to the timeline about something that is no fact of the order itself: a refund, a dispute, a message."""
    session.flush()
    entry = {"order_id": order.id, "what": what, "source": source, "amount_minor": amount_minor, "note": note[:400]}
    _ENTRY.run(session.connection(), entry)


def tell_of_money(session: Session, order: Order, what: str, source: str, minor: int, currency: str, note: str) -> None:
    """As `tell`, with an amount: that of the line if it is in the order's currency, else written out before the `note`."""
    if currency == order.currency:
        tell(session, order, what, source, amount_minor=minor, note=note)
    else:
        tell(session, order, what, source, note=f"{spoken(minor, currency)}, {note}")


def note_money(
    order: Order,
    *,
    refunded: int | None = None,
    pending: int | None = None,
    disputed: int | None = None,
    state: str | None = None,
) -> None:
    """Write the sums over a locked order's refunds (`refunded`, `pending`) or disputes (`disputed`, and their `state`).

    Minor units of the order's currency. The schema refuses more refunds than were paid.
    """
    if refunded is not None:
        order.refunded_minor = refunded
    if pending is not None:
        order.refund_pending_minor = pending
    if disputed is not None:
        order.disputed_minor = disputed
    if state is not None:
        order.dispute_state = state
    order.status = status_of(order)


def close(order: Order) -> None:
    """No further payment can be begun for this order: its cart may be checked out anew."""
    order.open_cart_id = None
    if order.closed_at is None:
        order.closed_at = now()
