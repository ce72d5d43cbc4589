"""What staff do about an order that waits for them: say that it is dealt with, backorder it, give a wrong payment back."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.checkout.owed import is_given_back, let_go, still_here, take_owed, tell_buyer
from shop.checkout.refund_plan import Plan
from shop.checkout.refund_row import key_of, store
from shop.checkout.refunding import ask
from shop.checkout.settle import GONE
from shop.db import Database
from shop.errors import InvalidChange, OutOfStock, PaymentRefused
from shop.languages import gettext_noop
from shop.money import spoken
from shop.orders.facts import dealt_with
from shop.orders.locking import lock_by_number
from shop.orders.models import Order
from shop.payments.gateway import Gateway
from shop.payments.models import Refund
from shop.payments.refunds import NOTHING
from shop.staff import audit

BACKORDERED = gettext_noop(
    "Something that you ordered has sold out. We are getting more, and send your order as soon as it is here."
)


def deal_with(database: Database, number: str, *, note: str, actor: str) -> None:
    """Somebody has looked at a flagged order; `note` says what came of it. One transaction; a second click does nothing.

    Raises NotFound, and InvalidChange without a note or while a payment is here that is not what the order costs.
    """
    note = note.strip()
    if not note:
        raise InvalidChange("note", "Say what came of it, so that it can be understood later.")
    with database.transaction() as session:
        order = lock_by_number(session, number)
        if not order.attention:
            return
        here = still_here(session, order)
        if here > 0:
            amount = spoken(here, order.unmatched_currency or order.currency)
            raise InvalidChange("note", f"{amount} are here that this order does not cost. Give them back first.")
        said = order.attention
        dealt_with(session, order, actor, note)
        let_go(session, order, actor)
        audit.record(
            session, actor, "order.deal_with", f"order {number}", {"attention": (said, None), "note": ("", note)}
        )


def backorder(database: Database, number: str, *, actor: str) -> None:
    """The goods of a paid order are gone and will be there again: it waits for them, and its buyer is told so.

    Goods that are there by now are taken at once, and nobody is told anything. One transaction; a second click does nothing.
    Raises NotFound, and InvalidChange for an order that is not paid or has been refunded.
    """
    with database.transaction() as session:
        order = lock_by_number(session, number)
        if order.paid_at is None:
            raise InvalidChange("", "This order has not been paid; nothing is owed for it.")
        if is_given_back(order):
            raise InvalidChange("", "This order has been refunded.")
        if order.stock_state != "owed" or GONE not in (order.attention or ""):
            return
        said = order.attention
        try:
            take_owed(session, order, actor)
        except OutOfStock as refusal:
            note = f"Backordered: {refusal}"
            tell_buyer(session, order, "backorder", BACKORDERED)
        else:
            note = "The goods were there again, and are this order's now."
        dealt_with(session, order, actor, note, about=GONE)
        audit.record(session, actor, "order.backorder", f"order {number}", {"attention": (said, order.attention)})


def give_back_unmatched(database: Database, gateway: Gateway, number: str, *, actor: str, press: str) -> int:
    """Refund the whole of a payment that is not what its order costs; the order is cancelled and its goods are free then.

    Returns the refund's id. `press` names the showing of the form; whoever comes second, by a double click or at another
    desk, gets the refund that is there. Owns its transactions, as `refunding.refund`, and raises as that does; when Stripe
    does not answer, the refund waits for the sweep, which cancels the order then.
    """
    with database.transaction() as session:
        order = lock_by_number(session, number)
        if order.unmatched_minor is None:
            raise InvalidChange("", "What was paid for this order is what it costs.")
        row, is_new = _refund_of_all(session, order, actor, press)
    if row.status == "refused":
        raise PaymentRefused(row.failure_reason)
    if row.status == "creating":
        ask(database, gateway, row.id, is_new=is_new)
    return row.id


def _refund_of_all(session: Session, order: Order, actor: str, press: str) -> tuple[Refund, bool]:
    """The refund of what is left of a locked order's unmatched payment, and whether this call has stored it."""
    key = key_of(order, f"unmatched {press}")
    rows = session.scalars(select(Refund).where(Refund.order_id == order.id).order_by(Refund.id)).all()
    for row in rows:
        if row.idempotency_key == key or row.status == "creating":
            return row, False
    left = still_here(session, order)
    if left > 0:
        return store(session, order, Plan(left, 0, {}), key, actor=actor), True
    under_way = [row for row in rows if row.status not in NOTHING]
    if not under_way:
        raise InvalidChange("", "Nothing of this payment is left to give back.")
    return under_way[-1], False
