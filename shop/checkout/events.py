"""Which of Stripe's events mean what to the shop."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from shop.checkout.alerts import raise_flag
from shop.checkout.disputes import settle_dispute
from shop.checkout.given_back import compare_charge, settle_refund
from shop.checkout.settle import WAITS, Settled, settle
from shop.db import now
from shop.orders.locking import lock_where
from shop.orders.models import Order
from shop.payments.receiving import NO_ORDER, Verdict, is_in_our_words
from shop.payments.told import (
    ChargeRefunded,
    CheckoutSession,
    DisputeTold,
    RefundTold,
    read_charge_refunded,
    read_dispute,
    read_refund,
    read_session,
)

Told = TypeVar("Told", RefundTold, DisputeTold)

SESSIONS = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
)
REFUNDS = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
CHARGES = ("charge.refunded",)
DISPUTES = (
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
HANDLED = SESSIONS + REFUNDS + CHARGES + DISPUTES
UNHANDLED = "not a kind of event that the shop acts on"


def apply_event(session: Session, event: Mapping[str, Any]) -> Verdict:
    """Apply a verified event inside the inbox's transaction. Never commits.

    The event's name never decides whether an order is paid; the session's own `payment_status` does. What another version of
    Stripe's API has written is not read at all: the worker asks Stripe for the thing itself, in the version that is spoken here.
    """
    kind, thing = event["type"], event["data"]["object"]
    if kind not in HANDLED:
        return Verdict("ignored", reason=UNHANDLED)
    if not is_in_our_words(event):
        version = event.get("api_version") or "unknown"
        return Verdict("waiting", reason=f"of API version {version}: Stripe is asked anew", due_at=now())
    source, at = f"webhook {event['id']}", datetime.fromtimestamp(event["created"], UTC)
    if kind in SESSIONS:
        return apply_session(session, kind, read_session(thing), source)
    if kind in REFUNDS:
        return apply_money(session, settle_refund, read_refund(thing), source, at, livemode=event["livemode"])
    if kind in DISPUTES:
        return apply_money(session, settle_dispute, read_dispute(thing), source, at, livemode=event["livemode"])
    return apply_charge(session, read_charge_refunded(thing))


def apply_session(session: Session, kind: str, told: CheckoutSession, source: str) -> Verdict:
    """Settle a Checkout Session, which an event of `kind` told of. Never commits."""
    failed = kind == "checkout.session.async_payment_failed"
    return _verdict(settle(session, told, source, async_failed=failed))


def apply_money(
    session: Session,
    settle_it: Callable[[Session, Told, str, datetime], Settled],
    told: Told,
    source: str,
    at: datetime,
    *,
    livemode: bool,
) -> Verdict:
    """Settle a refund or a dispute as Stripe told of it at `at`, in live mode or not. Never commits.

    If no order is known for its payment, the event may be ahead of the payment's own: it waits.
    """
    order = _of_other_mode(session, told.payment_intent, livemode=livemode)
    if order is not None:
        raise_flag(session, order, f"{told.id} is of the wrong mode (test and live do not match)", source)
        return Verdict("applied", order.id, "livemode does not match")
    return _verdict(settle_it(session, told, source, at))


def apply_charge(session: Session, told: ChargeRefunded) -> Verdict:
    """charge.refunded says how much has been given back in all, and not by which refunds: if that is more than the shop knows
    of, the refunds themselves are asked for. Never commits.
    """
    settled = compare_charge(session, told)
    if settled.order_id is None and settled.reason != WAITS:
        return Verdict("waiting", reason=settled.reason, due_at=now())
    return _verdict(settled)


def _of_other_mode(session: Session, payment_intent: str | None, *, livemode: bool) -> Order | None:
    if payment_intent is None:
        return None
    return lock_where(session, (Order.payment_intent == payment_intent) & (Order.livemode != livemode))


def _verdict(settled: Settled) -> Verdict:
    if settled.order_id is not None:
        return Verdict("applied", settled.order_id, "" if settled.changed else settled.reason or "said nothing new")
    return Verdict("waiting" if settled.reason == WAITS else "ignored", reason=settled.reason or NO_ORDER)
