"""What Stripe says of disputes: a buyer's bank takes a payment back, and brings it back if the shop wins.

Called by the webhook, by replays and by the reconciler, in any order, as often as they like. docs.stripe.com/disputes tells
the states.
"""

from datetime import datetime

import structlog
from babel.dates import format_date
from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.checkout.alerts import alert
from shop.checkout.settle import WAITS, Settled
from shop.db import insert_once
from shop.money import spoken
from shop.orders.facts import note_money, tell_of_money
from shop.orders.locking import lock_where
from shop.orders.models import Order
from shop.payments.disputes import CLOSED, RANKS, UNKNOWN_RANK
from shop.payments.models import Dispute
from shop.payments.told import DisputeTold

log = structlog.get_logger(__name__)

# A status: its line in the timeline, and what the staff who look after money are told.
STEPS = {
    "warning_needs_response": ("inquiry_opened", "The buyer's bank asks about {what}. Answer it at Stripe{due}."),
    "warning_under_review": ("inquiry_answered", "The bank reads the answer about {what}."),
    "warning_closed": ("inquiry_closed", "The bank asks no more about {what}; the order may go on."),
    "needs_response": ("dispute_opened", "The buyer's bank takes back {what}. Send evidence to Stripe{due}."),
    "under_review": ("dispute_answered", "The bank reads the evidence about {what}."),
    "appeal_needs_response": ("appeal_possible", "The bank has decided against {what}. Appeal at Stripe{due}."),
    "appeal_under_review": ("dispute_appealed", "The appeal about {what} is being read."),
    "prevented": ("dispute_prevented", "A dispute of {what} was prevented before it began."),
    "won": ("dispute_won", "The shop has won {what}; the order may go on."),
    "lost": ("dispute_lost", "The shop has lost {what}; nothing must leave for this order."),
}
UNKNOWN_STEP = ("dispute_changed", "Stripe has news of {what}. Look at it there{due}.")


def settle_dispute(session: Session, told: DisputeTold, source: str, at: datetime) -> Settled:
    """Record what `told` says of a dispute; `at` is the moment for which Stripe said it, in UTC. Never commits.

    Running it twice equals running it once. Whatever the order of the tellings, a dispute that has ended is not opened again
    by what was said before, and its money only moves on: Stripe adds to the list of what a dispute took and brought back, and
    takes nothing off it. A payment that no order knows yet leaves nothing behind; the caller keeps the event waiting.
    """
    if not told.payment_intent:
        return Settled(None, changed=False, reason="not a payment of a checkout")
    order = lock_where(session, Order.payment_intent == told.payment_intent)
    if order is None:
        return Settled(None, changed=False, reason=WAITS)
    new = insert_once(session, Dispute, _opening(order, told, at))
    row = session.scalars(
        select(Dispute).where(Dispute.stripe_id == told.id).execution_options(populate_existing=True)
    ).one()
    later = new or _is_later(row, told, at)
    stepped = new or (later and told.status[:40] != row.status)
    if later:
        _take_over(row, told, at)
    if stepped:
        _tell_step(session, order, row, source)
    moved = _move_funds(session, order, row, told, source)
    _recount(session, order)
    if stepped:
        log.warning("dispute", order=order.number, status=row.status)
    return Settled(order.id, changed=stepped or moved)


def _opening(order: Order, told: DisputeTold, at: datetime) -> dict[str, object]:
    return {
        "order_id": order.id,
        "stripe_id": told.id,
        "amount_minor": told.amount_minor,
        "currency": told.currency,
        "status": told.status[:40],
        "opened_at": told.created_at,
        "told_at": at,
    }


def _is_later(row: Dispute, told: DisputeTold, at: datetime) -> bool:
    """Whether `told` is not behind what is known. Events are dated to the second, so the step counts before the moment.

    Only an appeal takes up again what was lost, and only if it was told of afterwards.
    """
    if row.status == "lost" and told.status.startswith("appeal_"):
        return at > row.told_at
    known, now_told = RANKS.get(row.status, UNKNOWN_RANK), RANKS.get(told.status, UNKNOWN_RANK)
    return now_told > known or (now_told == known and at >= row.told_at)


def _take_over(row: Dispute, told: DisputeTold, at: datetime) -> None:
    row.status = told.status[:40]
    row.amount_minor = told.amount_minor
    row.reason = told.reason[:60]
    row.evidence_due_at = told.evidence_due_at
    row.evidence_submitted = row.evidence_submitted or told.evidence_submitted
    row.told_at = max(at, row.told_at)
    row.closed_at = (row.closed_at or at) if row.status in CLOSED else None


def _move_funds(session: Session, order: Order, row: Dispute, told: DisputeTold, source: str) -> bool:
    """Both sums only grow, so of two tellings the larger one is the later."""
    taken, back = told.withdrawn_minor - row.withdrawn_minor, told.reinstated_minor - row.reinstated_minor
    if taken > 0:
        row.withdrawn_minor = told.withdrawn_minor
        _tell(session, order, "dispute_took", source, taken, row)
    if back > 0:
        row.reinstated_minor = told.reinstated_minor
        _tell(session, order, "dispute_brought_back", source, back, row)
    return taken > 0 or back > 0


def _tell_step(session: Session, order: Order, row: Dispute, source: str) -> None:
    step, sentence = STEPS.get(row.status, UNKNOWN_STEP)
    due = ""
    if row.evidence_due_at is not None and row.status not in CLOSED and not row.status.endswith("under_review"):
        due = f" by {format_date(row.evidence_due_at, format='long', locale='en')}"
    why = row.reason.replace("_", " ") or "no reason given"
    _tell(session, order, step, source, row.amount_minor, row, f", {why}{due and ', answer' + due}")
    amount = spoken(row.amount_minor, row.currency)
    alert(session, order, sentence.format(what=f"{amount} ({why}, {row.stripe_id})", due=due), kind="staff_dispute")


def _tell(session: Session, order: Order, step: str, source: str, minor: int, row: Dispute, more: str = "") -> None:
    """A line of the timeline about a dispute."""
    tell_of_money(session, order, step, source, minor, row.currency, f"{row.stripe_id}{more}")


def _recount(session: Session, order: Order) -> None:
    """The order's sum and state follow from all its disputes. Money of another currency was never the order's."""
    session.flush()
    disputes = session.scalars(select(Dispute).where(Dispute.order_id == order.id)).all()
    taken = sum(each.withdrawn_minor - each.reinstated_minor for each in disputes if each.currency == order.currency)
    statuses = {each.status for each in disputes}
    state = "open" if statuses - CLOSED else "lost" if "lost" in statuses else "won"
    note_money(order, disputed=max(taken, 0), state=state)
    session.flush()
