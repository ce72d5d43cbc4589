"""Disputes as pages show them, and how far each of Stripe's states is on its way (docs.stripe.com/disputes)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.money import Money
from shop.payments.models import Dispute

# An inquiry that was closed may still become a dispute, and a dispute may be appealed before it ends.
RANKS = {
    "warning_needs_response": 0,
    "warning_under_review": 1,
    "warning_closed": 2,
    "needs_response": 3,
    "under_review": 4,
    "appeal_needs_response": 5,
    "appeal_under_review": 6,
    "prevented": 7,
    "won": 7,
    "lost": 7,
}
# A state that Stripe has invented since is taken for an open dispute: nothing is sent before somebody has looked.
UNKNOWN_RANK = RANKS["needs_response"]
CLOSED = frozenset({"warning_closed", "prevented", "won", "lost"})


@dataclass(frozen=True, slots=True)
class DisputeView:
    """A dispute as staff see it. `due_at` is only there while Stripe waits for an answer."""

    stripe_id: str
    status: str
    reason: str
    amount: Money
    withdrawn: Money
    reinstated: Money
    due_at: datetime | None
    evidence_submitted: bool
    opened_at: datetime
    closed_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.status not in CLOSED

    @property
    def is_inquiry(self) -> bool:
        """The bank only asks; no money has been taken."""
        return self.status.startswith("warning_")

    @property
    def status_label(self) -> str:
        return self.status.removeprefix("warning_").replace("_", " ").capitalize()


def is_charged_back(session: Session, order_id: int) -> bool:
    """Whether a dispute of the order is open that is more than an inquiry: its bank has the money. One statement."""
    harmless = CLOSED | {status for status in RANKS if status.startswith("warning_")}
    found = select(Dispute.id).where(Dispute.order_id == order_id, Dispute.status.not_in(harmless)).limit(1)
    return session.scalar(found) is not None


def disputes_of(session: Session, order_id: int) -> tuple[DisputeView, ...]:
    """The disputes of an order, the oldest first. One statement."""
    rows = session.scalars(select(Dispute).where(Dispute.order_id == order_id).order_by(Dispute.id))
    return tuple(
        DisputeView(
            stripe_id=row.stripe_id,
            status=row.status,
            reason=row.reason.replace("_", " "),
            amount=Money(row.amount_minor, row.currency),
            withdrawn=Money(row.withdrawn_minor, row.currency),
            reinstated=Money(row.reinstated_minor, row.currency),
            due_at=row.evidence_due_at if row.status.endswith("needs_response") else None,
            evidence_submitted=row.evidence_submitted,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
        )
        for row in rows
    )
