"""Reconcile: Stripe's books held against the shop's, page by page. What was missed is settled, the rest is told to staff.

docs/stripe.md says what is compared. Nothing here decides by itself that money was paid or given back: the functions that
events call do, and run twice they equal one run.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy import select

from shop.checkout.books import Books, Compared, added, own_address
from shop.checkout.charged import compare_charges, look_for, missing_charges
from shop.checkout.events import HANDLED
from shop.checkout.missed import compare_intents, compare_sessions, look_at
from shop.checkout.returned import compare_disputes, compare_refunds, look_again, missing_at_stripe
from shop.checkout.runs import (
    DiscrepancyView,
    Progress,
    Run,
    RunView,
    alone,
    asked_since,
    begin,
    latest_runs,
    open_discrepancies,
    usual_since,
)
from shop.db import Database
from shop.errors import PaymentRefused, PaymentUnavailable
from shop.payments.discrepancies import resolve
from shop.payments.gateway import Gateway
from shop.payments.listing import PAGE, EventTold, Listing
from shop.payments.models import Discrepancy, Dispute, Refund, StripeEvent

__all__ = [
    "DiscrepancyView",
    "Progress",
    "Reconciled",
    "RunView",
    "asked_since",
    "latest_runs",
    "open_discrepancies",
    "reconcile",
    "usual_since",
]

log = structlog.get_logger(__name__)

T = TypeVar("T")

# A session lives for a day at most, so a charge of the time compared has its session in this much more.
SESSION_LIVES = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A run that has finished: how many objects it looked at, how many it mended, how many discrepancies it found."""

    run_id: int
    looked_at: int
    mended: int
    found: int


def reconcile(
    database: Database,
    gateway: Gateway,
    since: datetime | None = None,
    tell: Callable[[Progress], None] = lambda _: None,
    page: int = PAGE,
) -> Reconciled:
    """Compare what was made at Stripe since a moment (UTC; `usual_since` unless given) with what the shop holds.

    `tell` hears of each page, and the run's row says the same. Owns its transactions, none open while Stripe is asked.
    Raises RunningAlready while another run is under way, and PaymentUnavailable or PaymentRefused when Stripe does not
    answer or will not: what has been mended until then stays, the run's row keeps the reason, and the next run begins anew.
    """
    with alone(database):
        with database.reading() as session:
            since = since or usual_since(session)
            address = own_address(session)
        run = begin(database, since, tell)
        try:
            _compare(run, Books(database, gateway, Listing(gateway, page), since, address))
        except BaseException as error:
            # Ctrl-C, too: whoever looks at the runs sees why this one has no end.
            said = "stopped by hand" if isinstance(error, KeyboardInterrupt) else _said(error)
            log.error("reconcile_failed", run=run.id, reason=said)
            run.end(said)
            raise
        run.end()
    log.info("reconciled", looked_at=run.looked_at, mended=run.mended, found=len(run.found))
    return Reconciled(run.id, run.looked_at, run.mended, len(run.found))


def _said(error: BaseException) -> str:
    if isinstance(error, PaymentUnavailable):
        return "Stripe did not answer"
    if isinstance(error, PaymentRefused):
        return f"Stripe refused: {error.reason}"
    return type(error).__name__


def _compare(run: Run, books: Books) -> None:
    """Payments first, for what is given back or disputed must find its order paid; charges last, when all is mended."""
    listing, since = books.listing, books.since

    def each(stage: str, pages: Iterable[Sequence[T]], compare: Callable[[Books, Sequence[T]], Compared]) -> None:
        run.note(stage)
        for page in pages:
            done = compare(books, page)
            run.note(stage, looked_at=len(page), mended=done.mended, found=done.found)

    each("sessions", listing.sessions(since - SESSION_LIVES), compare_sessions)
    each("payment intents", listing.intents(since), compare_intents)
    each("refunds", listing.refunds(since), compare_refunds)
    each("disputes", listing.disputes(since), compare_disputes)
    each("events", listing.events(since, HANDLED), _compare_events)
    each("charges", listing.charges(since), compare_charges)
    for missing in (missing_charges, missing_at_stripe):
        done = missing(books)
        run.note("missing", mended=done.mended, found=done.found)
    _look_at_open_ones(run, books)


def _compare_events(books: Books, page: Sequence[EventTold]) -> Compared:
    """Of what an event tells that never came: the objects are older than the time compared, and have changed in it.

    One statement. An event that came and could not be applied is the inbox's to try again, and what happens to a charge is
    told of its refunds and disputes as well.
    """
    with books.database.reading() as session:
        came = set(
            session.scalars(select(StripeEvent.stripe_id).where(StripeEvent.stripe_id.in_([e.id for e in page])))
        )
    lost = {event.about: event.kind for event in page if event.id not in came and event.about not in books.seen}
    done = []
    for about, kind in lost.items():
        books.seen.add(about)
        if kind == "checkout.session":
            done.append(look_at(books, about, None))
        elif kind == "refund":
            done.append(look_again(books, Refund, about))
        elif kind == "dispute":
            done.append(look_again(books, Dispute, about))
    return added(done)


def _look_at_open_ones(run: Run, books: Books) -> None:
    """What earlier runs found and this one has not: asked about one by one, whenever it was made, and resolved if it is over."""
    with books.database.reading() as session:
        rows = session.execute(
            select(Discrepancy.kind, Discrepancy.subject, Discrepancy.order_id).where(
                Discrepancy.resolved_at.is_(None), Discrepancy.seen_at < run.started_at
            )
        ).all()
    run.note("open discrepancies")
    answered = set()
    for kind, subject, order_id in rows:
        try:
            done = Compared() if subject in books.seen | books.taken else _again(books, kind, subject, order_id)
        except PaymentRefused as refusal:
            if refusal.of_key:
                raise
            continue  # Stripe says nothing of it, so it stays as it is
        answered.add(subject)
        run.note("open discrepancies", looked_at=1, mended=done.mended, found=done.found)
    with books.database.transaction() as session:
        resolve(session, answered, run.started_at)


def _again(books: Books, kind: str, subject: str, order_id: int | None) -> Compared:
    """Look once more at what a discrepancy is about; Stripe's ids say what they name."""
    match subject.partition("_")[0]:
        case "cs":
            return look_at(books, subject, order_id)
        case "pi":
            return look_for(books, subject)
        case "re" | "pyr":
            return look_again(books, Refund, subject)
        case "du" | "dp":
            return look_again(books, Dispute, subject)
    charge = books.listing.charge(subject)
    if kind == "no_order" and charge.payment_intent:
        books.orphans.add(charge.payment_intent)
    return compare_charges(books, [charge])
