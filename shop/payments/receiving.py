"""Taking in Stripe's events: have we had it, what became of it, and when do we try again."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import stripe
import structlog
from sqlalchemy import Table, UpdateBase, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from shop.crashing import die_at
from shop.db import Database, now
from shop.errors import ShopError
from shop.payments.models import StripeEvent
from shop.prepared import Prepared

log = structlog.get_logger(__name__)

# What applying an event may end with, beside a verdict. Anything else is a fault that must not be mistaken for an outcome.
FAULTS = (ShopError, SQLAlchemyError, ValueError, KeyError, TypeError, AttributeError, OverflowError)

# How long after an event came the shop tries it again by itself: as long as Stripe does (docs.stripe.com/webhooks#retries).
TRIES = tuple(
    timedelta(**length)
    for length in (
        {"minutes": 1},
        {"minutes": 5},
        {"minutes": 15},
        {"hours": 1},
        {"hours": 6},
        {"days": 1},
        {"days": 2},
        {"days": 3},
    )
)
NO_ORDER = "no order of this shop"
# Within one of its named releases Stripe only adds to what it sends; from one to the next it takes away and renames
# (docs.stripe.com/api/versioning).
RELEASE = stripe.api_version.partition(".")[2]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an event led to: applied, ignored, waiting or failed, the order it belongs to if any, and why.

    `due_at` is when one that waits is looked at, if that is not for `TRIES` to say.
    """

    state: str
    order_id: int | None = None
    reason: str = ""
    due_at: datetime | None = None


def receive(database: Database, event: Mapping[str, Any], apply: Callable[[Session, Any], Verdict]) -> Verdict:
    """Store a verified event under its unique id and apply it, in one transaction; a second delivery finds it and does nothing.

    A delivery of the same event that runs at this moment waits at the unique key, then sees what became of it. If
    applying fails, its transaction is rolled back, the event is kept as failed with the reason in a transaction of its
    own, and the error is raised again so that the door answers 500 and Stripe tries again.
    """
    row = _row(event)
    try:
        with database.transaction() as session:
            verdict = _receive(session, event, row, apply)
            die_at("webhook.applied")
        die_at("webhook.committed")
    except FAULTS as error:
        _keep_failure(database, row, error)
        raise
    log.info("event", event_id=event["id"], type=event["type"], state=verdict.state, reason=verdict.reason)
    return verdict


# What the inbox need not know to be of use: it is in the order, or at Stripe.
PERSONAL = frozenset(
    {
        "customer_details",
        "shipping_details",
        "collected_information",
        "billing_details",
        "shipping",
        "customer_email",
        "receipt_email",
        # A bank account that a refund went to, and whatever a dispute's evidence says of its buyer.
        "destination_details",
        "evidence",
        "payment_method_details",
        # What opens something: the order's own page, the payment page, a payment.
        "success_url",
        "cancel_url",
        "return_url",
        "receipt_url",
        "url",
        "client_secret",
    }
)


_COMPACT = json.JSONEncoder(separators=(",", ":"))


def redacted(event: Any) -> str:
    """The event's JSON without the buyer's name, addresses and e-mail, and without what opens an order or a payment."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: "[removed]"
                if key in PERSONAL and inner
                # Nearly all that an event holds are texts and numbers: a call for each would cost more than storing it.
                else (strip(inner) if type(inner) in {dict, list} else inner)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [strip(inner) for inner in value]
        return value

    return _COMPACT.encode(strip(event))


def is_in_our_words(event: Mapping[str, Any]) -> bool:
    """Whether an event was written in the release of Stripe's API that is spoken here. Others may mean something else."""
    return str(event.get("api_version") or "").partition(".")[2] == RELEASE


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    moment = now()
    return {
        "stripe_id": event["id"],
        "type": event["type"][:80],
        "api_version": str(event.get("api_version") or "")[:40],
        "livemode": event["livemode"],
        "object_id": str(event["data"]["object"]["id"])[:255],
        "payload": redacted(event),
        "created_at": datetime.fromtimestamp(event["created"], UTC),
        "received_at": moment,
        "state": "applied",
        "reason": "",
        "attempts": 1,
        "applied_at": moment,
        "due_at": None,
    }


_EVENTS = cast("Table", StripeEvent.__table__)
_CHANGED = update(_EVENTS).where(_EVENTS.c.id == bindparam("event"))


def _storing(dialect: str) -> UpdateBase:
    """Insert an event unless it is there."""
    insert = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(_EVENTS)
    values: dict[str, Any] = {name: bindparam(name) for name in _EVENTS.c.keys() if name not in {"id", "order_id"}}  # noqa: SIM118
    return insert.values(values).on_conflict_do_nothing(index_elements=["stripe_id"]).returning(_EVENTS.c.id)


_STORE = Prepared(_storing)


def _receive(
    session: Session, event: Mapping[str, Any], row: dict[str, Any], apply: Callable[[Session, Any], Verdict]
) -> Verdict:
    # Nearly all events end as applied, and nobody sees the row before this transaction has ended: so it says that from the
    # start, and is corrected if it is not so. The order of a session's event is the session's own. To name it here would
    # hold a share of its row, and two events that arrive together would each wait for the other's.
    event_id = _STORE.run(session.connection(), row).scalar()
    die_at("webhook.stored")
    if event_id is None:
        return _receive_again(session, event, apply)
    verdict = apply(session, event)
    of_session = event["data"]["object"].get("object") == "checkout.session"
    if verdict.state == "applied" and not verdict.reason and (of_session or verdict.order_id is None):
        return verdict
    return conclude(session, event_id, row["received_at"], verdict)


def _receive_again(session: Session, event: Mapping[str, Any], apply: Callable[[Session, Any], Verdict]) -> Verdict:
    """A second delivery counts, and is tried only if the first came to nothing so far."""
    known = session.execute(
        update(_EVENTS)
        .where(_EVENTS.c.stripe_id == event["id"])
        .values(attempts=_EVENTS.c.attempts + 1)
        .returning(_EVENTS.c.id, _EVENTS.c.state, _EVENTS.c.order_id, _EVENTS.c.reason, _EVENTS.c.received_at)
    ).one()
    if known.state not in {"failed", "waiting"}:
        return Verdict("duplicate", known.order_id, known.reason)
    return conclude(session, known.id, known.received_at, apply(session, event))


def conclude(session: Session, event_id: int, received_at: datetime, verdict: Verdict) -> Verdict:
    """Write down what became of an event, and when it is tried again; returns what was written. Never commits.

    After three days nobody tries again: who has waited so long for a payment is another shop's on the same account.
    """
    moment = now()
    due_at = None
    if verdict.state in {"waiting", "failed"}:
        due_at = verdict.due_at or next((received_at + after for after in TRIES if received_at + after > moment), None)
    if verdict.state == "waiting" and due_at is None:
        verdict = Verdict("ignored", verdict.order_id, NO_ORDER)
    session.connection().execute(
        _CHANGED,
        {
            "event": event_id,
            "state": verdict.state,
            "reason": verdict.reason[:400],
            "order_id": verdict.order_id,
            "applied_at": moment if verdict.state == "applied" else None,
            "due_at": due_at,
        },
    )
    return verdict


def _keep_failure(database: Database, row: dict[str, Any], error: Exception) -> None:
    reason = said_of(error)
    log.error("event_failed", event_id=row["stripe_id"], type=row["type"], reason=reason)
    failed = row | {"state": "failed", "reason": reason, "applied_at": None, "due_at": row["received_at"] + TRIES[0]}
    try:
        with database.transaction() as session:
            if _STORE.run(session.connection(), failed).scalar() is not None:
                return
            known = session.scalars(
                select(StripeEvent).where(StripeEvent.stripe_id == row["stripe_id"]).with_for_update()
            ).one()
            known.attempts += 1
            if known.state in {"failed", "waiting"}:
                conclude(session, known.id, known.received_at, Verdict("failed", known.order_id, reason))
    except SQLAlchemyError as second:
        # The database itself is gone: Stripe's retry is what is left, and the 500 asks for it.
        log.error("event_not_kept", event_id=row["stripe_id"], reason=type(second).__name__)


def said_of(error: Exception) -> str:
    """What went wrong, for staff to read. A database repeats the row it refused from the second line on: names, addresses."""
    sentence = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return f"{type(error).__name__}: {sentence.splitlines()[0] if sentence else ''}"[:400]
