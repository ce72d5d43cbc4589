"""Refunds as pages show them, and what of an order can still be given back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.money import Money
from shop.payments.models import Refund, RefundLine

UNDER_WAY = frozenset({"creating", "pending", "requires_action"})
# Stripe has taken these, and they have not come to nothing.
TAKEN = frozenset({"pending", "requires_action", "succeeded"})
# The buyer gets nothing by these, so that what they were of may be given back once more.
NOTHING = frozenset({"failed", "canceled", "refused"})

LABELS = {
    "creating": "Being asked for",
    "pending": "On its way",
    "requires_action": "Waits for the buyer",
    "succeeded": "Refunded",
    "failed": "Failed",
    "canceled": "Cancelled",
    "refused": "Refused by Stripe",
}


@dataclass(frozen=True, slots=True)
class RefundLineView:
    """Pieces of an order's line that a refund pays back."""

    order_line_id: int
    quantity: int
    amount: Money


@dataclass(frozen=True, slots=True)
class RefundView:
    """A refund of an order. `stripe_id` is empty until Stripe is known to have taken it; `shipping` is a part of `amount`."""

    id: int
    stripe_id: str
    status: str
    amount: Money
    shipping: Money
    reason: str
    note: str
    restock: bool
    actor: str
    failure_reason: str
    created_at: datetime
    told_at: datetime | None
    lines: tuple[RefundLineView, ...]

    @property
    def status_label(self) -> str:
        return LABELS[self.status]

    @property
    def is_known_to_the_buyer(self) -> bool:
        """One that Stripe has not taken is nothing that the buyer could wait for."""
        return self.status not in {"creating", "refused"}


def refunds_of(session: Session, order_id: int) -> tuple[RefundView, ...]:
    """The refunds of an order, the oldest first. Two statements."""
    rows = session.scalars(select(Refund).where(Refund.order_id == order_id).order_by(Refund.id)).all()
    currency = {row.id: row.currency for row in rows}
    lines: dict[int, list[RefundLineView]] = {row.id: [] for row in rows}
    if rows:
        for line in session.scalars(
            select(RefundLine).where(RefundLine.refund_id.in_(currency)).order_by(RefundLine.id)
        ):
            amount = Money(line.amount_minor, currency[line.refund_id])
            lines[line.refund_id].append(RefundLineView(line.order_line_id, line.quantity, amount))
    return tuple(
        RefundView(
            id=row.id,
            stripe_id=row.stripe_id or "",
            status=row.status,
            amount=Money(row.amount_minor, row.currency),
            shipping=Money(row.shipping_minor, row.currency),
            reason=row.reason.replace("_", " "),
            note=row.note,
            restock=row.restock,
            actor=row.actor,
            failure_reason=row.failure_reason,
            created_at=row.created_at,
            told_at=row.told_at,
            lines=tuple(lines[row.id]),
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class Refundable:
    """What can still be given back: pieces of each order line by its id, the shipping, and in total.

    The total is the last word: after a refund by amount it is less than the pieces and the shipping are worth.
    """

    lines: Mapping[int, int]
    shipping: Money
    total: Money


class LineSold(Protocol):
    """A line of an order, as far as refunds go."""

    @property
    def id(self) -> int: ...
    @property
    def quantity(self) -> int: ...
    @property
    def refunded_quantity(self) -> int: ...


class OrderPaid(Protocol):
    """An order, as far as refunds go; `shop.orders` shows orders so."""

    @property
    def id(self) -> int: ...
    @property
    def paid(self) -> Money: ...
    @property
    def refunded(self) -> Money: ...
    @property
    def refund_pending(self) -> Money: ...
    @property
    def disputed(self) -> Money: ...
    @property
    def shipping(self) -> Money: ...
    @property
    def lines(self) -> Sequence[LineSold]: ...


def refundable(session: Session, order: OrderPaid) -> Refundable:
    """What of `order` neither has been given back, nor is being given back, nor was taken by a dispute. One statement."""
    total = order.paid - order.refunded - order.refund_pending - order.disputed
    return left_of(session, order.id, total, order.shipping, order.lines)


def left_of(session: Session, order_id: int, total: Money, shipping: Money, lines: Sequence[LineSold]) -> Refundable:
    """As `refundable`, of an order that is locked: `total` is what is left of its money, `shipping` what the buyer paid."""
    given = session.scalar(
        select(func.coalesce(func.sum(Refund.shipping_minor), 0)).where(
            Refund.order_id == order_id, Refund.status.not_in(NOTHING)
        )
    )
    total = Money(max(total.minor, 0), total.currency)
    left = min(shipping.minor - int(given or 0), total.minor)
    return Refundable(
        lines={line.id: line.quantity - line.refunded_quantity for line in lines},
        shipping=Money(max(left, 0), total.currency),
        total=total,
    )
