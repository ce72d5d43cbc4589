"""The inbox of Stripe's webhooks: is it Stripe's, have we had it, what became of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe
import structlog
from sqlalchemy import or_, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from shop.crashing import die_at
from shop.db import Database, insert_once, now
from shop.errors import BadSignature, ShopError
from shop.payments.models import PaymentAttempt, StripeEvent

log = structlog.get_logger(__name__)

MAX_BODY = 512 * 1024
# Year 9999 in Unix seconds: what lies beyond is no moment.
LAST_MOMENT = 253_402_300_800


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an event led to: applied or ignored, the order it belongs to if any, and why it was ignored."""

    state: str
    order_id: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EventView:
    """An event as staff see it."""

    stripe_id: str
    type: str
    state: str
    reason: str
    attempts: int
    created_at: datetime
    received_at: datetime
    applied_at: datetime | None


def verify(body: bytes, signature: str, secrets: tuple[str, ...]) -> Any:
    """The event in `body`, if one of `secrets` signed these very bytes within the last five minutes.

    Two secrets are valid while one is being rolled. Raises BadSignature for everything else: forged, stale, empty, not
    UTF-8, not JSON, a signed body that is no event. Source: docs.stripe.com/webhooks#verify-official-libraries.
    """
    if not body or len(body) > MAX_BODY:
        raise BadSignature("the body is empty or too large")
    reason = "the signature does not match"
    for secret in secrets:
        try:
            event = stripe.Webhook.construct_event(body, signature, secret)
        except stripe.SignatureVerificationError:
            continue
        except (UnicodeDecodeError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
            # The SDK parses before and after verifying, and each of these comes out of it for some malformed body.
            reason = "the body is not an event"
            continue
        if _is_event(event):
            return event
        reason = "the body is not an event"
    raise BadSignature(reason)


def _is_event(event: Any) -> bool:
    try:
        return bool(
            event["object"] == "event"
            and _is_name(event["id"])
            and _is_name(event["type"])
            and isinstance(event["created"], int)
            and 0 <= event["created"] < LAST_MOMENT
            and isinstance(event["livemode"], bool)
            and _is_name(str(event["data"]["object"]["id"]))
        )
    except (KeyError, TypeError):
        return False


def _is_name(value: Any) -> bool:
    """Whether both databases can store it as an id: PostgreSQL takes no NUL, and neither takes half a character."""
    return isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable()


def receive(database: Database, event: Any, body: bytes, apply: Callable[[Session, Any], Verdict]) -> Verdict:
    """Store an event under its unique id and apply it, in one transaction; a second delivery finds it and does nothing.

    A delivery of the same event that runs at this moment waits at the unique key, then sees what became of it. If
    applying fails, its transaction is rolled back, the event is kept as failed with the reason in a transaction of its
    own, and the error is raised again so that the door answers 500 and Stripe tries again.
    """
    try:
        with database.transaction() as session:
            verdict = _receive(session, event, body, apply)
            die_at("webhook.applied")
        die_at("webhook.committed")
    except (ShopError, SQLAlchemyError, ValueError, KeyError, TypeError, AttributeError) as error:
        _keep_failure(database, event, body, error)
        raise
    log.info("event", event_id=event["id"], type=event["type"], state=verdict.state, reason=verdict.reason)
    return verdict


def _row(event: Any, body: bytes) -> dict[str, Any]:
    return {
        "stripe_id": event["id"],
        "type": event["type"][:80],
        "api_version": str(event["api_version"] if "api_version" in event else "")[:40],  # noqa: SIM401  a StripeObject has no get
        "livemode": event["livemode"],
        "object_id": str(event["data"]["object"]["id"])[:255],
        "payload": redacted(body),
        "created_at": datetime.fromtimestamp(event["created"], UTC),
    }


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
    }
)


def redacted(body: bytes) -> str:
    """The event's JSON without the buyer's name, addresses and e-mail."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: ("[removed]" if key in PERSONAL and inner else strip(inner)) for key, inner in value.items()}
        if isinstance(value, list):
            return [strip(inner) for inner in value]
        return value

    return json.dumps(strip(json.loads(body)), separators=(",", ":"))


def _receive(session: Session, event: Any, body: bytes, apply: Callable[[Session, Any], Verdict]) -> Verdict:
    new = insert_once(session, StripeEvent, {**_row(event, body), "state": "ignored", "reason": "being applied"})
    die_at("webhook.stored")
    row = session.scalars(
        select(StripeEvent)
        .where(StripeEvent.stripe_id == event["id"])
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if not new:
        row.attempts += 1
        if row.state != "failed":
            return Verdict("duplicate", row.order_id, row.reason)
    verdict = apply(session, event)
    row.state = verdict.state
    row.reason = verdict.reason[:400]
    row.order_id = verdict.order_id
    row.applied_at = now() if verdict.state == "applied" else None
    session.flush()
    return verdict


def _keep_failure(database: Database, event: Any, body: bytes, error: Exception) -> None:
    reason = _told(error)
    log.error("event_failed", event_id=event["id"], type=event["type"], reason=reason)
    try:
        with database.transaction() as session:
            if not insert_once(session, StripeEvent, {**_row(event, body), "state": "failed", "reason": reason}):
                row = session.scalars(
                    select(StripeEvent).where(StripeEvent.stripe_id == event["id"]).with_for_update()
                ).one()
                row.attempts += 1
                if row.state == "failed":
                    row.reason = reason
    except SQLAlchemyError as second:
        # The database itself is gone: Stripe's retry is what is left, and the 500 asks for it.
        log.error("event_not_kept", event_id=event["id"], reason=type(second).__name__)


def _told(error: Exception) -> str:
    """What went wrong, for staff to read. A database repeats the row it refused from the second line on: names, addresses."""
    sentence = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return f"{type(error).__name__}: {sentence.splitlines()[0] if sentence else ''}"[:400]


def events_of_order(session: Session, order_id: int) -> tuple[EventView, ...]:
    """The events behind an order, in the order in which they came. One statement.

    An event that could not be applied knows no order; the session that it is about does.
    """
    about = select(PaymentAttempt.session_id).where(PaymentAttempt.order_id == order_id)
    rows = session.scalars(
        select(StripeEvent)
        .where(or_(StripeEvent.order_id == order_id, StripeEvent.object_id.in_(about)))
        .order_by(StripeEvent.id)
    )
    return tuple(
        EventView(r.stripe_id, r.type, r.state, r.reason, r.attempts, r.created_at, r.received_at, r.applied_at)
        for r in rows
    )
