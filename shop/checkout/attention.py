"""What staff do about an order that waits for them: say that it is dealt with, backorder it, give a wrong payment back."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.catalog import stock
from shop.checkout.release import owed_pieces, release_stock
from shop.db import Database
from shop.errors import InvalidChange, NotFound, OutOfStock
from shop.mail.languages import gettext_noop
from shop.mail.outbox import post
from shop.orders.facts import dealt_with, record, tell
from shop.orders.models import Order
from shop.payments.gateway import Gateway
from shop.payments.models import Refund
from shop.staff import audit

# How the reason begins that `settle` gives for an order whose goods somebody else had by the time that it was paid.
GONE = "paid for what is gone"
BACKORDERED = gettext_noop(
    "Something that you ordered has sold out. It is on order, and leaves for you when it is here."
)
GIVEN_BACK = gettext_noop(
    "What was paid is not what this order costs. All of it goes back to you, and the order is cancelled."
)


def deal_with(database: Database, number: str, *, note: str, actor: str) -> None:
    """Somebody has looked at a flagged order; `note` says what came of it. One transaction; a second click does nothing.

    Raises NotFound, and InvalidChange without a note or for an order that holds a buyer's money which is not its own.
    """
    note = note.strip()
    if not note:
        raise InvalidChange("note", "Say what came of it, so that it can be understood later.")
    with database.transaction() as session:
        order = _lock(session, number)
        if not order.attention:
            return
        if still_here(session, order) > 0:
            raise InvalidChange("note", "A payment that is not this order's is still here. Give it back first.")
        said = order.attention
        dealt_with(session, order, actor, note)
        audit.record(
            session, actor, "order.deal_with", f"order {number}", {"attention": (said, None), "note": ("", note)}
        )


def backorder(database: Database, number: str, *, actor: str) -> None:
    """The goods of a paid order are gone and will be there again: it waits for them, and its buyer is told so.

    Goods that are there by now are taken at once, and nobody is told anything. One transaction; a second click does nothing.
    Raises NotFound, and InvalidChange for an order that is not paid or has been refunded.
    """
    with database.transaction() as session:
        order = _lock(session, number)
        if order.paid_at is None:
            raise InvalidChange("", "This order has not been paid; nothing is owed for it.")
        if _is_given_back(order):
            raise InvalidChange("", "This order has been refunded.")
        if order.stock_state != "owed" or GONE not in (order.attention or ""):
            return
        said = order.attention
        try:
            take_owed(session, order, actor)
        except OutOfStock as refusal:
            note = f"Backordered: {refusal}"
            _tell_buyer(session, order, "backorder", BACKORDERED)
        else:
            note = "The goods were there again, and are this order's now."
        dealt_with(session, order, actor, note, about=GONE)
        audit.record(session, actor, "order.backorder", f"order {number}", {"attention": (said, order.attention)})


def take_owed(session: Session, order: Order, actor: str) -> None:
    """Take what a locked order is owed off the shelf, as a sale; nothing if it has its goods. Never commits.

    Pieces that have been refunded are not taken. Raises OutOfStock, and then nothing has been taken.
    """
    if order.stock_state != "owed":
        return
    pieces = owed_pieces(session, order)
    with session.begin_nested():
        stock.reserve(session, pieces)
    stock.sell(session, pieces, order.number)
    order.stock_state = "sold"
    tell(session, order, "goods_taken", actor, note="what had been gone when the payment came")


def settled_by_refund(session: Session, order: Order, actor: str) -> None:
    """A refund of a locked order has changed, and its sums are right: what waited for that needs nobody any more.

    A payment that was not the order's and has gone back leaves a cancelled order, whose goods are free; what was paid for
    goods that are gone and has gone back is owed nothing. Never commits; running it twice equals running it once.
    """
    if order.unmatched_minor is not None and still_here(session, order) <= 0:
        release_stock(session, order)
        if record(
            session, order, "cancelled", actor, note="what was paid is not what it costs, and has been given back"
        ):
            dealt_with(session, order, actor, "The whole payment has been given back.")
            _tell_buyer(session, order, "given-back", GIVEN_BACK)
    if order.stock_state == "owed" and _is_given_back(order):
        dealt_with(session, order, actor, "The whole order has been refunded.", about=GONE)


def give_back_unmatched(database: Database, gateway: Gateway, number: str, *, actor: str, press: str) -> int:
    raise NotImplementedError


def _lock(session: Session, number: str) -> Order:
    order = session.scalars(select(Order).where(Order.number == number).with_for_update()).one_or_none()
    if order is None:
        raise NotFound("order")
    return order


def _tell_buyer(session: Session, order: Order, occasion: str, reason: str) -> None:
    if order.email:
        key = f"order_needs_you:{order.number}:{occasion}"
        post(session, "order_needs_you", order.email, key, order_id=order.id, context={"reason": reason})


def _is_given_back(order: Order) -> bool:
    return 0 < order.paid_minor <= order.refunded_minor + order.refund_pending_minor


def still_here(session: Session, order: Order) -> int:
    """Minor units of a payment that is not the order's, less what has gone back of it or is on its way."""
    if order.unmatched_minor is None:
        return 0
    gone = session.scalar(
        select(func.sum(Refund.amount_minor)).where(
            Refund.order_id == order.id,
            Refund.currency == order.unmatched_currency,
            Refund.status.in_(("pending", "requires_action", "succeeded")),
        )
    )
    return order.unmatched_minor - int(gone or 0)
