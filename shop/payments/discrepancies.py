"""Where the shop's books and Stripe's differ and nobody but a person may decide: written down, found again, resolved."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from shop.db import changed_rows, insert_once, now
from shop.payments.models import Discrepancy, StripeEvent


@dataclass(frozen=True, slots=True)
class Found:
    """A difference: its kind, the id at Stripe of what differs, our order if there is one, and a sentence for staff."""

    kind: str
    subject: str
    order_id: int | None
    cause: str


def write_down(session: Session, found: Iterable[Found], moment: datetime) -> list[Found]:
    """Store what was found; the same kind of the same subject is one row, which opens again if it was resolved.

    Returns what staff have not been told of: the new ones and those that have come back. `moment` is when it was seen, in
    UTC. Never commits. One statement to look, and one for each that is new.
    """
    wanted = {(each.kind, each.subject): each for each in found}
    if not wanted:
        return []
    subjects = {subject for _, subject in wanted}
    rows = session.scalars(select(Discrepancy).where(Discrepancy.subject.in_(subjects)).with_for_update())
    known = {(row.kind, row.subject): row for row in rows}
    untold = []
    for key, each in wanted.items():
        row = known.get(key)
        if row is None:
            fresh = {"kind": each.kind, "subject": each.subject, "order_id": each.order_id, "cause": each.cause[:400]}
            if insert_once(session, Discrepancy, fresh | {"found_at": moment, "seen_at": moment}):
                untold.append(each)
            continue
        if row.resolved_at is not None:
            row.resolved_at, row.found_at = None, moment
            untold.append(each)
        row.seen_at, row.cause, row.order_id = moment, each.cause[:400], each.order_id
    session.flush()
    return untold


def resolve(session: Session, subjects: Collection[str], before: datetime) -> int:
    """What was open about these subjects and has not been found since `before` is no more. Returns how many. Never commits."""
    if not subjects:
        return 0
    return changed_rows(
        session,
        update(Discrepancy)
        .where(Discrepancy.subject.in_(subjects), Discrepancy.resolved_at.is_(None), Discrepancy.seen_at < before)
        .values(resolved_at=now())
        .execution_options(synchronize_session=False),
    )


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What of Stripe's tellings waits for a person: events that failed, and differences in the books."""

    events: int
    differences: int


def unsettled(session: Session) -> Unsettled:
    """How much there is of it now. One statement."""
    failed = select(func.count()).where(StripeEvent.state == "failed").scalar_subquery()
    different = select(func.count()).where(Discrepancy.resolved_at.is_(None)).scalar_subquery()
    return Unsettled(*session.execute(select(failed, different)).one())
