"""Runs of the reconciler: one at a time, seen while they go on, and known for what they were when they have ended."""

import fcntl
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from shop.checkout.alerts import alert
from shop.db import Database, now
from shop.errors import RunningAlready
from shop.orders.models import Order
from shop.payments.discrepancies import Found, write_down
from shop.payments.models import Discrepancy, ReconcileRun

log = structlog.get_logger(__name__)

# The number of PostgreSQL's advisory lock; any will do that nothing else in this database uses.
RECONCILING = 7_043_118_003
OVERLAP = timedelta(days=1)
FARTHEST_BACK = timedelta(days=30)
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
DIED = "its process ended before it had finished"
# Of one run, so that a key of the wrong account does not send a mail for each order of a month; the list has them all.
MOST_MAILS = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: its stage, and how much it has looked at, mended and found so far."""

    stage: str
    looked_at: int
    mended: int
    found: int


@contextmanager
def alone(database: Database) -> Iterator[None]:
    """Be the only run on this database, or raise RunningAlready. A process that dies lets go of its turn by that.

    PostgreSQL ties the lock to a connection, with no transaction open; SQLite's is the system's lock on a file beside it.
    """
    if database.is_sqlite:
        with Path(f"{database.engine.url.database}-reconcile").open("a") as turn:
            try:
                fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunningAlready from None
            yield
        return
    with database.engine.connect() as connection:
        got = connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": RECONCILING}).scalar_one()
        connection.commit()
        if not got:
            raise RunningAlready
        try:
            yield
        finally:
            try:
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": RECONCILING})
                connection.commit()
            except SQLAlchemyError:
                connection.invalidate()  # the lock goes with its connection


@dataclass
class Run:
    """One run: it writes down page by page how far it has come, and tells `tell`."""

    database: Database
    id: int
    since: datetime
    started_at: datetime
    tell: Callable[[Progress], None]
    looked_at: int = 0
    mended: int = 0
    found: set[tuple[str, str]] = field(default_factory=set)
    mails: int = 0

    def note(self, stage: str, *, looked_at: int = 0, mended: int = 0, found: Sequence[Found] = ()) -> None:
        """One page is done. One transaction: what was found, mail about what is new, and the counts."""
        self.looked_at += looked_at
        self.mended += mended
        self.found.update((each.kind, each.subject) for each in found)
        with self.database.transaction() as session:
            for each in write_down(session, found, now()):
                log.error("discrepancy", kind=each.kind, subject=each.subject, cause=each.cause)
                self._mail(session, each)
            session.execute(
                update(ReconcileRun)
                .where(ReconcileRun.id == self.id)
                .values(stage=stage, looked_at=self.looked_at, mended=self.mended, found=len(self.found))
            )
        self.tell(Progress(stage, self.looked_at, self.mended, len(self.found)))

    def _mail(self, session: Session, found: Found) -> None:
        if found.order_id is None or self.mails >= MOST_MAILS:
            return
        order = session.get(Order, found.order_id)
        # Whoever was told why an order needs somebody need not be told again that it still does.
        if order is not None and not order.attention:
            alert(session, order, found.cause, kind="staff_books")
            self.mails += 1

    def end(self, error: str = "") -> None:
        """Finished, or given up because of `error`. One transaction."""
        with self.database.transaction() as session:
            session.execute(
                update(ReconcileRun)
                .where(ReconcileRun.id == self.id)
                .values(finished_at=None if error else now(), error=error[:400])
            )


def begin(database: Database, since: datetime, tell: Callable[[Progress], None]) -> Run:
    """A new run, for whoever is `alone`: a run that has not ended belongs to a process that has. One transaction."""
    with database.transaction() as session:
        session.execute(
            update(ReconcileRun)
            .where(ReconcileRun.finished_at.is_(None), ReconcileRun.error == "")
            .values(error=DIED)
            .execution_options(synchronize_session=False)
        )
        row = ReconcileRun(since=since, started_at=now())
        session.add(row)
        session.flush()
        return Run(database, row.id, since, row.started_at, tell)


def usual_since(session: Session) -> datetime:
    """From where a run goes on unless told otherwise: a day before the last one that finished, 30 days back at most."""
    farthest = now() - FARTHEST_BACK
    last = session.scalars(
        select(ReconcileRun.started_at)
        .where(ReconcileRun.finished_at.is_not(None))
        .order_by(ReconcileRun.started_at.desc())
        .limit(1)
    ).one_or_none()
    return farthest if last is None else max(last - OVERLAP, farthest)


def asked_since(text: str, moment: datetime) -> datetime:
    """What a person means by 2026-11-01, 2026-11-01T08:00 (UTC unless it says otherwise) or 90m, 12h, 3d, 2w ago.

    Raises ValueError for anything else, and for what lies ahead of `moment`.
    """
    age = re.fullmatch(r"(\d{1,4})([mhdw])", text.strip().lower())
    if age:
        return moment - int(age[1]) * UNITS[age[2]]
    since = datetime.fromisoformat(text.strip())
    since = since.astimezone(UTC) if since.tzinfo else since.replace(tzinfo=UTC)
    if since > moment:
        raise ValueError("it lies in the future")
    return since


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as staff see it. Without `finished_at` and `error` it is under way. Moments in UTC."""

    id: int
    since: datetime
    started_at: datetime
    finished_at: datetime | None
    stage: str
    looked_at: int
    mended: int
    found: int
    error: str

    @property
    def state(self) -> str:
        if self.error:
            return "failed"
        return "running" if self.finished_at is None else "finished"


def latest_runs(session: Session, limit: int = 10) -> tuple[RunView, ...]:
    """The latest runs, the newest first. One statement."""
    rows = session.scalars(select(ReconcileRun).order_by(ReconcileRun.id.desc()).limit(limit))
    return tuple(
        RunView(r.id, r.since, r.started_at, r.finished_at, r.stage, r.looked_at, r.mended, r.found, r.error)
        for r in rows
    )


@dataclass(frozen=True, slots=True)
class DiscrepancyView:
    """A discrepancy as staff see it; `order_number` is empty where there is no order of ours. Moments in UTC."""

    kind: str
    subject: str
    order_number: str
    cause: str
    found_at: datetime
    seen_at: datetime


def open_discrepancies(session: Session, limit: int = 200) -> tuple[DiscrepancyView, ...]:
    """What is not resolved, the newest first. One statement."""
    rows = session.execute(
        select(Discrepancy, Order.number)
        .outerjoin(Order, Order.id == Discrepancy.order_id)
        .where(Discrepancy.resolved_at.is_(None))
        .order_by(Discrepancy.found_at.desc(), Discrepancy.id.desc())
        .limit(limit)
    )
    return tuple(DiscrepancyView(d.kind, d.subject, number or "", d.cause, d.found_at, d.seen_at) for d, number in rows)
