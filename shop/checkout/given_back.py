"""Settling refunds: what Stripe says of one becomes its row, the order's sums, stock, timeline and mail. The one writer.

Called by the call's own answer, the webhook, replays, the sweep and the reconciler, in any order, as often as they like.
"""

from collections import Counter
from datetime import datetime

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.catalog import stock
from shop.checkout.alerts import raise_flag
from shop.checkout.owed import is_given_back, settled_by_refund, tell_buyer
from shop.checkout.settle import WAITS, Settled
from shop.db import now
from shop.languages import gettext_noop
from shop.mail.outbox import post
from shop.money import spoken
from shop.orders.facts import note_money, tell_of_money
from shop.orders.locking import lock_where
from shop.orders.models import Order, OrderLine
from shop.payments.models import Refund, RefundLine
from shop.payments.refunds import NOTHING, TAKEN, UNDER_WAY
from shop.payments.told import ChargeRefunded, RefundTold

log = structlog.get_logger(__name__)

# How far a refund has come. What is told later and ranks lower is old news; a bank may still send back what had arrived.
RANKS = {"creating": 0, "refused": 0, "pending": 1, "requires_action": 1, "succeeded": 2, "failed": 3, "canceled": 3}
NEEDS_BUYER = gettext_noop(
    "Your money cannot go back the way it came. Stripe has sent you an e-mail: please tell them there where to send it."
)


def settle_refund(session: Session, told: RefundTold, source: str, at: datetime) -> Settled:
    """Record what `told` says of a refund; `at` is the moment for which Stripe said it, in UTC. Never commits.

    Running it twice equals running it once. The row is found by Stripe's id, or by the metadata that our own refunds carry;
    a refund that was made in Stripe's dashboard gets one. A payment that no order knows yet leaves nothing behind: the
    caller keeps the event waiting. Raises ValueError for a status that Stripe has invented since.
    """
    if told.status not in RANKS or told.status in {"creating", "refused"}:
        raise ValueError(f"refund {told.id} is {told.status[:40]!r}, which this release does not know")
    order = _lock_order(session, told)
    if order is None:
        return Settled(None, changed=False, reason=WAITS)
    currency = (order.unmatched_currency or order.currency) if order.paid_at is None else order.currency
    if told.currency != currency:
        changed = raise_flag(session, order, f"refund {told.id} is in {told.currency.upper()}", source)
        return Settled(order.id, changed, "not the currency of the payment")
    row = _row_of(session, order, told)
    if row.amount_minor != told.amount_minor:
        wrong = f"refund {told.id} is over {told.amount_minor}, not {row.amount_minor}"
        return Settled(order.id, raise_flag(session, order, wrong, source), wrong)
    taken = row.stripe_id is None
    row.stripe_id = told.id
    stepped = _step(session, order, row, told, at)
    if taken:
        _restock(session, order, row)
    recount(session, order)
    if stepped:
        _tell(session, order, row, source)
    settled_by_refund(session, order, source)
    return Settled(order.id, changed=taken or stepped)


def refuse(session: Session, refund_id: int, reason: str, *, is_heard: bool) -> None:
    """Stripe has said no for good: nothing was given back. Unless it has been told otherwise since. Never commits.

    `is_heard` says that whoever asked for it is told at once; if not, somebody waits for money that will not come.
    """
    order = lock_where(session, Order.id == select(Refund.order_id).where(Refund.id == refund_id).scalar_subquery())
    assert order is not None
    row = session.get_one(Refund, refund_id, populate_existing=True)
    if row.status != "creating":
        return
    row.status = "refused"
    row.failure_reason = reason[:400]
    recount(session, order)
    _tell(session, order, row, "Stripe")
    if not is_heard and not is_given_back(order):
        amount = spoken(row.amount_minor, row.currency)
        raise_flag(session, order, f"refund {row.id} of {amount} was refused: nothing was given back", "Stripe")


def recount(session: Session, order: Order) -> None:
    """The sums of a locked order and of its lines follow from its refunds. Never commits.

    What is only being asked for gives way to what Stripe is known to have done: it will refuse the rest. A payment that
    the order had not asked for was never its money, and neither is what goes back of it.
    """
    session.flush()
    sums = session.execute(
        select(Refund.status, func.sum(Refund.amount_minor)).where(Refund.order_id == order.id).group_by(Refund.status)
    )
    by_status: Counter[str] = Counter({status: int(minor) for status, minor in sums})
    done = by_status["succeeded"] if order.paid_at is not None else 0
    under_way = sum(by_status[status] for status in UNDER_WAY)
    note_money(order, refunded=done, pending=min(under_way, order.paid_minor - done))
    rows = session.execute(
        select(RefundLine.order_line_id, RefundLine.quantity)
        .join(Refund, Refund.id == RefundLine.refund_id)
        .where(Refund.order_id == order.id, Refund.status.not_in(NOTHING))
    )
    pieces = stock.summed((line_id, quantity) for line_id, quantity in rows)
    for line in session.scalars(select(OrderLine).where(OrderLine.order_id == order.id)):
        line.refunded_quantity = pieces.get(line.id, 0)
    session.flush()


def compare_charge(session: Session, told: ChargeRefunded) -> Settled:
    """Whether the shop knows of all that `told` says has been given back. It is a sum: nothing is ever added from it.

    Settled without an order while it does not, so that the caller has the refunds read anew.
    """
    if told.payment_intent is None:
        return Settled(
            None, changed=False, reason=WAITS
        )  # as a refund of such a charge, and not the first unpaid order's
    order_id = session.scalar(select(Order.id).where(Order.payment_intent == told.payment_intent))
    if order_id is None:
        return Settled(None, changed=False, reason=WAITS)
    known = session.scalar(
        select(func.sum(Refund.amount_minor)).where(Refund.order_id == order_id, Refund.status.in_(TAKEN))
    )
    if int(known or 0) < told.refunded_minor:
        return Settled(None, changed=False, reason="tells of a refund that is not known yet")
    return Settled(order_id, changed=False)


def _lock_order(session: Session, told: RefundTold) -> Order | None:
    """A payment has one order. Refunds of old ways to pay name no payment, and may be known already."""
    if told.payment_intent is not None:
        ours = Order.payment_intent == told.payment_intent
    else:
        ours = Order.id == select(Refund.order_id).where(Refund.stripe_id == told.id).scalar_subquery()
    return lock_where(session, ours)


def _row_of(session: Session, order: Order, told: RefundTold) -> Refund:
    rows = session.scalars(
        select(Refund).where(Refund.order_id == order.id).execution_options(populate_existing=True)
    ).all()
    for row in rows:
        if row.stripe_id == told.id:
            return row
    for row in rows:
        # Before the answer to our own call: the event is faster, or the answer was lost.
        if row.stripe_id is None and row.id == told.refund_id and told.order_number == order.number:
            return row
    row = Refund(
        order_id=order.id,
        stripe_id=told.id,
        amount_minor=told.amount_minor,
        currency=told.currency,
        reason=told.reason[:40],
        created_at=told.created_at,
    )
    session.add(row)
    session.flush()
    return row


def _step(session: Session, order: Order, row: Refund, told: RefundTold, at: datetime) -> bool:
    """Move the row on, never back. True if its status has changed."""
    status = told.status
    waits = False
    if status == "succeeded" and row.status != "succeeded" and not _fits(session, order, row):
        # More has arrived than was paid: an earlier refund has failed since, and nobody has told. Stripe is asked.
        status, waits = "pending", True
    ahead = RANKS[status] - RANKS[row.status]
    if ahead > 0 or (ahead == 0 and status != row.status and RANKS[status] == 1 and at >= (row.told_at or at)):
        row.status = status
        row.failure_reason = told.failure_reason[:400]
        stepped = True
    else:
        stepped = False
    row.told_at = max(at, row.told_at or at)
    row.looked_at = None if waits else now()
    return stepped


def _fits(session: Session, order: Order, row: Refund) -> bool:
    if order.paid_at is None:
        return True
    others = session.scalar(
        select(func.sum(Refund.amount_minor)).where(
            Refund.order_id == order.id, Refund.status == "succeeded", Refund.id != row.id
        )
    )
    return int(others or 0) + row.amount_minor <= order.paid_minor


def _restock(session: Session, order: Order, row: Refund) -> None:
    """Once, when Stripe has taken the refund; the goods are here again, whatever becomes of the money."""
    if not row.restock:
        return
    rows = session.execute(
        select(OrderLine.variant_id, RefundLine.quantity)
        .join(RefundLine, RefundLine.order_line_id == OrderLine.id)
        .where(RefundLine.refund_id == row.id)
    )
    pieces = stock.summed((variant_id, quantity) for variant_id, quantity in rows)
    stock.restock(session, pieces, f"refund-{row.id}", reason=f"returned from order {order.number}", actor=row.actor)


def _tell(session: Session, order: Order, row: Refund, source: str) -> None:
    """A line of the timeline, and whoever must know: the buyer that money has arrived, the staff that it has not."""
    about = row.stripe_id or f"refund {row.id}"
    why = f", {row.failure_reason.replace('_', ' ')}" if row.failure_reason else ""
    what = f"refund_{row.status}"
    tell_of_money(session, order, what, source, row.amount_minor, row.currency, f"{about}{why}")
    log.info("refund", order=order.number, refund=row.id, status=row.status)
    if row.status == "failed":
        amount = spoken(row.amount_minor, row.currency)
        raise_flag(session, order, f"refund of {amount} failed ({about}{why}): the money is here again", source)
    if not order.email:
        return
    if row.status == "succeeded" and row.currency == order.currency:
        key = f"refunded:{order.number}:{row.id}"
        post(session, "refunded", order.email, key, order_id=order.id, context={"amount_minor": row.amount_minor})
    if row.status == "requires_action":
        tell_buyer(session, order, f"refund-{row.id}", NEEDS_BUYER)
