"""Trying an event again: Stripe is asked for the thing that it was about, as it is now, and that is settled.

What the inbox keeps of an event has no buyer in it and may be of another version of Stripe's API; Stripe itself has neither
fault. So a retry is also safe when much has happened since.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from shop.checkout.disputes import settle_dispute
from shop.checkout.events import CHARGES, DISPUTES, HANDLED, SESSIONS, UNHANDLED, apply_money, apply_session
from shop.checkout.given_back import settle_refund
from shop.checkout.settle import WAITS
from shop.db import Database, now
from shop.errors import NotFound, PaymentRefused, PaymentUnavailable
from shop.orders.models import Order
from shop.payments.gateway import Gateway
from shop.payments.models import StripeEvent
from shop.payments.receiving import FAULTS, NO_ORDER, Verdict, conclude, said_of
from shop.staff import audit

log = structlog.get_logger(__name__)

# Nobody else tries an event for as long as this after somebody has begun to: the gateway's time-outs and retries together.
TAKEN = timedelta(minutes=2)
AT_ONCE = 50
UNFINISHED = {"waiting", "failed"}


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many events ended as what."""

    applied: int = 0
    ignored: int = 0
    waiting: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Event:
    id: int
    stripe_id: str
    type: str
    object_id: str
    payment_intent: str
    livemode: bool
    state: str
    reason: str


def retry_due(database: Database, gateway: Gateway, limit: int = AT_ONCE) -> Replayed:
    """Try again what waits or has failed and is due: the worker does this by itself, as long as Stripe does, three days.

    Owns its transactions, one event at a time; none is open while Stripe is called. Several workers may do this at once:
    what one has taken up no other tries.
    """
    outcomes = []
    for event in _take_due(database, limit):
        if event.reason == WAITS and not _is_paid_for(database, event):
            # Another shop's on the same account, most likely; Stripe need not be asked about every one of its refunds.
            verdict = _conclude(database, event, Verdict("waiting", reason=WAITS))
        else:
            verdict = _try(database, gateway, event, f"webhook {event.stripe_id}, asked anew")
        outcomes.append(verdict.state)
    return _counted(outcomes)


def has_due(database: Database) -> bool:
    """Whether an event is to be tried again now. One cheap statement."""
    with database.reading() as session:
        return bool(session.scalar(select(exists().where(StripeEvent.due_at <= now()))))


def replay(database: Database, gateway: Gateway, stripe_id: str, *, actor: str) -> Verdict:
    """Try one event again, whatever became of it, because `actor` of the staff says so; with a line in the audit trail.

    Settling twice equals settling once, so that it does no harm, and what has been applied stays so if it goes wrong now.
    Owns its transactions; none is open while Stripe is called. Raises NotFound.
    """
    return _try(database, gateway, _find(database, stripe_id), f"replay of {stripe_id}", again=True, actor=actor)


def replay_failed(database: Database, gateway: Gateway, *, actor: str, limit: int | None = None) -> Replayed:
    """Try all events again that have failed, or `limit` of them, the oldest first. Owns its transactions."""
    with database.reading() as session:
        failed = session.scalars(
            select(StripeEvent.stripe_id).where(StripeEvent.state == "failed").order_by(StripeEvent.id).limit(limit)
        ).all()
    return _counted([replay(database, gateway, stripe_id, actor=actor).state for stripe_id in failed])


def _find(database: Database, stripe_id: str) -> _Event:
    with database.reading() as session:
        row = session.scalars(select(StripeEvent).where(StripeEvent.stripe_id == stripe_id)).one_or_none()
    if row is None:
        raise NotFound("event")
    return _event(row)


def _event(row: StripeEvent) -> _Event:
    thing = json.loads(row.payload).get("data", {}).get("object", {})
    intent = thing.get("payment_intent") if isinstance(thing, dict) else None
    named = intent if isinstance(intent, str) else ""
    return _Event(row.id, row.stripe_id, row.type, row.object_id, named, row.livemode, row.state, row.reason)


def _take_due(database: Database, limit: int) -> list[_Event]:
    """The events that are due, each taken by the one UPDATE whose guard finds it still due."""
    moment = now()
    with database.transaction() as session:
        due = session.scalars(
            select(StripeEvent)
            .where(StripeEvent.due_at <= moment)
            .order_by(StripeEvent.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        if due:
            session.execute(
                update(StripeEvent)
                .where(StripeEvent.id.in_([row.id for row in due]))
                .values(due_at=moment + TAKEN, attempts=StripeEvent.attempts + 1)
                .execution_options(synchronize_session=False)
            )
        return [_event(row) for row in due]


def _is_paid_for(database: Database, event: _Event) -> bool:
    with database.reading() as session:
        return bool(session.scalar(select(exists().where(Order.payment_intent == event.payment_intent))))


def _try(
    database: Database, gateway: Gateway, event: _Event, source: str, *, again: bool = False, actor: str = ""
) -> Verdict:
    """`again`: even if it has been applied."""
    if event.type not in HANDLED:
        return Verdict("ignored", reason=UNHANDLED)
    try:
        settle_it = _ask(gateway, event, source)
        with database.transaction() as session:
            row = _lock(session, event)
            if row.state not in UNFINISHED and not again:
                return Verdict(row.state, row.order_id, row.reason)
            verdict = conclude(session, row.id, row.received_at, settle_it(session))
            _note(session, event, verdict, actor)
    except FAULTS as error:
        reason = error.reason if isinstance(error, PaymentRefused) else said_of(error)
        reason = "Stripe did not answer" if isinstance(error, PaymentUnavailable) else reason
        log.error("event_failed", event_id=event.stripe_id, type=event.type, reason=reason)
        return _conclude(database, event, Verdict("failed", reason=reason), actor)
    log.info("event", event_id=event.stripe_id, type=event.type, state=verdict.state, reason=verdict.reason)
    return verdict


def _ask(gateway: Gateway, event: _Event, source: str) -> Callable[[Session], Verdict]:
    """Ask Stripe, and return what settles its answer within a transaction."""
    at = now()
    if event.type in SESSIONS:
        told = gateway.get_session(event.object_id)
        return lambda session: apply_session(session, event.type, told, source)
    if event.type in DISPUTES:
        dispute = gateway.get_dispute(event.object_id)
        return lambda session: apply_money(session, settle_dispute, dispute, source, at, livemode=gateway.livemode)
    if event.type in CHARGES:
        refunds = gateway.refunds_of(event.payment_intent) if event.payment_intent else ()
    else:
        refunds = (gateway.get_refund(event.object_id),)

    def settle_each(session: Session) -> Verdict:
        verdict = Verdict("ignored", reason=NO_ORDER)
        for refund in refunds:
            verdict = apply_money(session, settle_refund, refund, source, at, livemode=gateway.livemode)
        return verdict

    return settle_each


def _conclude(database: Database, event: _Event, verdict: Verdict, actor: str = "") -> Verdict:
    with database.transaction() as session:
        row = _lock(session, event)
        if row.state in UNFINISHED:
            verdict = conclude(session, row.id, row.received_at, replace(verdict, order_id=row.order_id))
        _note(session, event, verdict, actor)
    return verdict


def _lock(session: Session, event: _Event) -> StripeEvent:
    return session.scalars(select(StripeEvent).where(StripeEvent.id == event.id).with_for_update()).one()


def _note(session: Session, event: _Event, verdict: Verdict, actor: str) -> None:
    if actor:
        audit.record(
            session, actor, "event.replay", f"event {event.stripe_id}"[:120], {"state": (event.state, verdict.state)}
        )


def _counted(outcomes: list[str]) -> Replayed:
    return Replayed(*(outcomes.count(state) for state in ("applied", "ignored", "waiting", "failed")))
