"""What is owed: goods that were gone when the payment came, and a payment that is not what its order costs."""

from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.catalog import stock
from shop.catalog.models import StockMovement
from shop.checkout.release import owed_pieces, pieces_of, release_stock
from shop.checkout.settle import GONE
from shop.languages import gettext_noop
from shop.mail.outbox import post
from shop.orders.facts import dealt_with, record, tell
from shop.orders.models import Order
from shop.payments.models import Dispute, Refund
from shop.payments.refunds import TAKEN

GIVEN_BACK = gettext_noop(
    "What was paid is not what this order costs. All of it goes back to you, and the order is cancelled."
)


def take_owed(session: Session, order: Order, actor: str) -> None:
    """Take what a locked order is owed off the shelf, as a sale; nothing if it has its goods. Never commits.

    Goods are owed that were gone when the payment came, and those that a refund has put back before it came to nothing.
    Pieces that have been refunded are not taken. Raises OutOfStock, and then nothing has been taken.
    """
    if order.stock_state not in {"owed", "sold"}:
        return
    first = order.stock_state == "owed"
    pieces = dict(Counter(owed_pieces(session, order)) - away(session, order))
    if not first and not pieces:
        return
    with session.begin_nested():
        stock.reserve(session, pieces)
    stock.sell(session, pieces, order.number if first else _again(order))
    order.stock_state = "sold"
    note = "what had been gone when the payment came" if first else "what a refund that came to nothing had put back"
    tell(session, order, "goods_taken", actor, note=note)


def _again(order: Order) -> str:
    """The ledger's name for a second sale of an order; the order's number is that of the first."""
    return f"{order.number}-again"


def away(session: Session, order: Order) -> Counter[int]:
    """Variant id -> pieces of a locked order that have left the shelf and, by the ledger, have not come back to it."""
    made = session.scalars(select(Refund.id).where(Refund.order_id == order.id))
    causes = [order.number, _again(order), *(f"refund-{refund_id}" for refund_id in made)]
    pieces = func.sum(-StockMovement.pieces)
    rows = session.execute(
        select(StockMovement.variant_id, pieces)
        .where(StockMovement.variant_id.in_(pieces_of(session, order)), StockMovement.reference.in_(causes))
        .group_by(StockMovement.variant_id)
    )
    return Counter({variant_id: int(left) for variant_id, left in rows})


def settled_by_refund(session: Session, order: Order, actor: str) -> None:
    """A refund of a locked order has changed, and the order's sums are right: what waited for that needs nobody any more.

    What was paid for goods that are gone and has gone back leaves nothing owed. Never commits; twice equals once.
    """
    let_go(session, order, actor)
    if order.stock_state == "owed" and is_given_back(order):
        dealt_with(session, order, actor, "The whole order has been refunded.", about=GONE)


def let_go(session: Session, order: Order, actor: str) -> None:
    """Cancel a locked order whose payment was not what it costs and is here no more; its goods are free. Never commits."""
    if order.unmatched_minor is None or still_here(session, order) > 0:
        return
    release_stock(session, order)
    if record(session, order, "cancelled", actor, note="what was paid is not what it costs, and is here no more"):
        dealt_with(session, order, actor, "The payment is here no more.")
        tell_buyer(session, order, "given-back", GIVEN_BACK)


def still_here(session: Session, order: Order) -> int:
    """Minor units of a payment that is not what its order costs, less what refunds and disputes have taken of it."""
    if order.unmatched_minor is None:
        return 0
    refunded = session.scalar(
        select(func.sum(Refund.amount_minor)).where(
            Refund.order_id == order.id, Refund.currency == order.unmatched_currency, Refund.status.in_(TAKEN)
        )
    )
    disputed = session.scalar(
        select(func.sum(Dispute.withdrawn_minor - Dispute.reinstated_minor)).where(
            Dispute.order_id == order.id, Dispute.currency == order.unmatched_currency
        )
    )
    return max(order.unmatched_minor - int(refunded or 0) - int(disputed or 0), 0)


def is_given_back(order: Order) -> bool:
    """Whether all that was paid for an order has gone back, or is on its way."""
    return 0 < order.paid_minor <= order.refunded_minor + order.refund_pending_minor


def tell_buyer(session: Session, order: Order, occasion: str, reason: str) -> None:
    """Mail to the buyer of a locked order, once for each occasion, that it needs them. Never commits."""
    if order.email:
        key = f"order_needs_you:{order.number}:{occasion}"
        post(session, "order_needs_you", order.email, key, order_id=order.id, context={"reason": reason})
