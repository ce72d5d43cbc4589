"""What is given back and taken back: the shop's own rows held against each other, and against Stripe's books."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.catalog.models import StockMovement
from shop.mail.models import OutboxMessage
from shop.orders.models import Order, OrderLine
from shop.payments.models import Dispute, Refund, RefundLine

UNDER_WAY = {"creating", "pending", "requires_action"}
NOTHING = {"failed", "canceled", "refused"}
OPEN = {
    "needs_response",
    "under_review",
    "warning_needs_response",
    "warning_under_review",
    "appeal_needs_response",
    "appeal_under_review",
}


def broken_books(session: Session) -> list[str]:
    """The promises about refunds and disputes that do not hold now, each in words; an empty list is good."""
    wrong: list[str] = []
    refunds: dict[int, list[Refund]] = defaultdict(list)
    for refund in session.scalars(select(Refund).execution_options(populate_existing=True)):
        refunds[refund.order_id].append(refund)
    disputes: dict[int, list[Dispute]] = defaultdict(list)
    for dispute in session.scalars(select(Dispute).execution_options(populate_existing=True)):
        disputes[dispute.order_id].append(dispute)
    told = Counter(session.scalars(select(OutboxMessage.dedupe_key).where(OutboxMessage.kind == "refunded")))
    for order in session.scalars(select(Order).execution_options(populate_existing=True)):
        name, own = order.number, refunds[order.id]
        # What a buyer paid that the order had not asked for goes back without ever having been the order's money.
        counted = own if order.paid_at is not None else []
        done = sum(r.amount_minor for r in counted if r.status == "succeeded")
        under_way = sum(r.amount_minor for r in counted if r.status in UNDER_WAY)
        if order.refunded_minor != done:
            wrong.append(f"{name}: refunded {order.refunded_minor}, its refunds say {done}")
        if order.refund_pending_minor != min(under_way, order.paid_minor - done):
            wrong.append(f"{name}: {order.refund_pending_minor} under way, its refunds say {under_way}")
        taken = sum(d.withdrawn_minor - d.reinstated_minor for d in disputes[order.id] if d.currency == order.currency)
        if order.disputed_minor != max(taken, 0):
            wrong.append(f"{name}: disputed {order.disputed_minor}, its disputes say {taken}")
        if order.dispute_state != _state_of(disputes[order.id]):
            wrong.append(f"{name}: dispute {order.dispute_state!r}, its disputes say {_state_of(disputes[order.id])!r}")
    wrong += _lines(session) + _restocked(session)
    wrong += [f"{key}: told {times} times" for key, times in told.items() if times > 1]
    return wrong


def _state_of(disputes: Sequence[Dispute]) -> str:
    statuses = {dispute.status for dispute in disputes}
    if statuses & OPEN:
        return "open"
    if "lost" in statuses:
        return "lost"
    return "won" if statuses else ""


def _lines(session: Session) -> list[str]:
    rows = session.execute(
        select(RefundLine.order_line_id, func.sum(RefundLine.quantity))
        .join(Refund)
        .where(Refund.status.not_in(NOTHING))
        .group_by(RefundLine.order_line_id)
    )
    given_back = {line_id: pieces for line_id, pieces in rows}  # noqa: C416  dict() would want tuples, which rows are by now
    return [
        f"line {line.id}: {line.refunded_quantity} pieces given back, its refunds say {given_back.get(line.id, 0)}"
        for line in session.scalars(select(OrderLine).execution_options(populate_existing=True))
        if line.refunded_quantity != given_back.get(line.id, 0)
    ]


def _restocked(session: Session) -> list[str]:
    """Goods come back onto the shelf once, with the refund that says so, whatever becomes of its money later."""
    due: Counter[tuple[int, str]] = Counter()
    for variant_id, refund_id, quantity in session.execute(
        select(OrderLine.variant_id, Refund.id, RefundLine.quantity)
        .join(RefundLine, RefundLine.order_line_id == OrderLine.id)
        .join(Refund, Refund.id == RefundLine.refund_id)
        .where(Refund.restock, Refund.stripe_id.is_not(None))
    ):
        due[variant_id, f"refund-{refund_id}"] += quantity
    moved: Counter[tuple[int, str]] = Counter()
    for row in session.scalars(select(StockMovement).where(StockMovement.kind == "restock")):
        moved[row.variant_id, str(row.reference)] += row.pieces
    return [] if moved == due else [f"restocked {dict(moved)}, refunds say {dict(due)}"]


def money_disagreements(
    session: Session, refunds: Sequence[Any], disputes: Sequence[Any], *, everything_told: bool = False
) -> list[str]:
    """Where the shop's refunds and disputes and those at Stripe, in its own form, contradict each other, in words.

    What Stripe has and the shop does not may be on its way, unless `everything_told`; what the shop has, Stripe must have.
    """
    wrong: list[str] = []
    ours = {order.payment_intent: order for order in session.scalars(select(Order)) if order.payment_intent}
    rows = {row.stripe_id: row for row in session.scalars(select(Refund)) if row.stripe_id}
    at_stripe = {told["id"]: told for told in refunds if told["payment_intent"] in ours}
    wrong += [f"{key}: a refund that Stripe does not have" for key in rows.keys() - at_stripe.keys()]
    for key, told in at_stripe.items():
        row = rows.get(key)
        if row is None:
            if everything_told:
                wrong.append(f"{key}: a refund of {told['amount']} that the shop has not heard of")
            continue
        if (row.amount_minor, row.currency) != (told["amount"], told["currency"]):
            wrong.append(f"{key}: {row.amount_minor}, Stripe says {told['amount']}")
        if everything_told and row.status != told["status"]:
            wrong.append(f"{key}: {row.status}, Stripe says {told['status']}")
    kept = {row.stripe_id: row for row in session.scalars(select(Dispute))}
    known = {told["id"]: told for told in disputes if told["payment_intent"] in ours}
    wrong += [f"{key}: a dispute that Stripe does not have" for key in kept.keys() - known.keys()]
    for key, told in known.items():
        dispute = kept.get(key)
        if dispute is None:
            if everything_told:
                wrong.append(f"{key}: a dispute that the shop has not heard of")
            continue
        taken = -sum(line["amount"] for line in told["balance_transactions"])
        thinks = dispute.withdrawn_minor - dispute.reinstated_minor
        if everything_told and (dispute.status, thinks) != (told["status"], taken):
            wrong.append(f"{key}: {dispute.status}, {thinks} taken; Stripe says {told['status']}, {taken}")
    if everything_told:
        wrong += [
            f"refund {row.id} is still being asked for"
            for row in session.scalars(select(Refund).where(Refund.status == "creating"))
        ]
    return wrong


def money_held(session: Session) -> dict[str, int]:
    """What the account must hold by the shop's books, before fees: currency -> minor units.

    All that buyers paid, less the refunds that Stripe has made and what disputes have taken.
    """
    held: Counter[str] = Counter()
    for order in session.scalars(select(Order).execution_options(populate_existing=True)):
        held[order.currency] += order.paid_minor - order.disputed_minor
        if order.unmatched_minor and order.unmatched_currency:
            held[order.unmatched_currency] += order.unmatched_minor
    # What a dispute takes in another currency than the order's, it takes of a payment that was not the order's.
    foreign = select(Dispute).join(Order, Order.id == Dispute.order_id).where(Dispute.currency != Order.currency)
    for dispute in session.scalars(foreign.execution_options(populate_existing=True)):
        held[dispute.currency] -= dispute.withdrawn_minor - dispute.reinstated_minor
    for refund in session.scalars(select(Refund).execution_options(populate_existing=True)):
        if refund.stripe_id and refund.status not in NOTHING:
            held[refund.currency] -= refund.amount_minor
    return {currency: minor for currency, minor in held.items() if minor}
