"""T1 of a refund: its row, with the key and the parameters of the call that will be made for it."""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.checkout.given_back import recount
from shop.checkout.origin import origins
from shop.checkout.owed import away
from shop.checkout.refund_plan import Plan
from shop.errors import InvalidChange
from shop.money import spoken
from shop.orders.facts import tell
from shop.orders.models import Order, OrderLine
from shop.payments.models import Refund, RefundLine
from shop.staff import audit


def key_of(order: Order, press: str) -> str:
    """The idempotency key of one press on an order's button."""
    return f"refund-{order.number}-{hashlib.sha256(press.encode()).hexdigest()[:32]}"


def store(
    session: Session,
    order: Order,
    wanted: Plan,
    key: str,
    *,
    restock: bool = False,
    reason: str = "",
    note: str = "",
    actor: str,
) -> Refund:
    """T1 of a refund of a locked order: its row, the sums that count it, timeline and audit trail. Never commits.

    Raises InvalidChange for pieces that are to be put on the shelf and stand there already.
    """
    # What has never left the stock room cannot come back to it.
    returns = restock and bool(wanted.lines) and order.stock_state == "sold"
    if returns:
        _check_away(session, order, wanted)
    currency = (order.unmatched_currency or order.currency) if order.paid_at is None else order.currency
    row = Refund(
        order_id=order.id,
        idempotency_key=key,
        amount_minor=wanted.amount_minor,
        shipping_minor=wanted.shipping_minor,
        currency=currency,
        status="creating",
        reason=reason,
        note=note.strip()[:400],
        restock=returns,
        actor=actor[:120],
    )
    session.add(row)
    session.flush()
    row.params = _params(order, row, _origins(session, wanted))
    session.add_all(
        RefundLine(refund_id=row.id, order_line_id=line_id, quantity=quantity, amount_minor=minor)
        for line_id, (quantity, minor) in sorted(wanted.lines.items())
    )
    recount(session, order)
    amount = wanted.amount_minor if currency == order.currency else None
    tell(session, order, "refund_asked", actor, amount_minor=amount, note=row.note)
    audit.record(
        session,
        actor,
        "order.refund",
        f"order {order.number}",
        {"refund": (None, spoken(wanted.amount_minor, currency)), "restock": (None, returns)},
    )
    return row


def _check_away(session: Session, order: Order, wanted: Plan) -> None:
    """A refund that came to nothing may have brought its pieces back, and they are given back once more."""
    left = away(session, order)
    for line in session.scalars(select(OrderLine).where(OrderLine.id.in_(wanted.lines))):
        if line.variant_id is not None:
            left[line.variant_id] -= wanted.lines[line.id][0]
    if any(pieces < 0 for pieces in left.values()):
        raise InvalidChange(
            "restock", "An earlier refund has put some of these pieces back on the shelf already; leave this out."
        )


def is_same(
    session: Session, row: Refund, wanted: Mapping[int, int], *, shipping: bool, amount_minor: int | None
) -> bool:
    """Whether a form that was sent before says now what it said then; the Back button brings it up to be filled in anew."""
    stored = session.execute(
        select(RefundLine.order_line_id, RefundLine.quantity).where(RefundLine.refund_id == row.id)
    )
    pieces = {line_id: quantity for line_id, quantity in wanted.items() if quantity}
    return (
        {line_id: quantity for line_id, quantity in stored} == pieces  # noqa: C416  dict() would want tuples
        and shipping == (row.shipping_minor > 0)
        and amount_minor in {None, row.amount_minor}
    )


def _origins(session: Session, wanted: Plan) -> Mapping[str, str]:
    """Which stories' lines are paid back, as far as it is told in pieces."""
    if not wanted.lines:
        return {}
    lines = session.scalars(select(OrderLine).where(OrderLine.id.in_(wanted.lines)).order_by(OrderLine.id))
    return origins((line, line.article_url, wanted.lines[line.id][0]) for line in lines)


def _params(order: Order, row: Refund, told: Mapping[str, str]) -> dict[str, Any]:
    """What Stripe is sent, stored so that a retry says the same. The metadata leads an event back to the row."""
    ours = {"order_id": str(order.id), "order_number": order.number, "refund_id": str(row.id), **told}
    named = {"reason": row.reason} if row.reason else {}
    return {"payment_intent": order.payment_intent, "amount": row.amount_minor, "metadata": ours, **named}
