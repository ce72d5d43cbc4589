"""Which of Stripe's events mean what to the shop."""

from typing import Any

from sqlalchemy.orm import Session

from shop.checkout.settle import settle
from shop.payments.gateway import read_session
from shop.payments.inbox import Verdict

HANDLED = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
)


def apply_event(session: Session, event: Any) -> Verdict:
    """Apply a verified event inside the inbox's transaction. Never commits.

    The event's name never decides whether an order is paid; the session's own `payment_status` does.
    """
    if event["type"] not in HANDLED:
        return Verdict("ignored", reason="not a kind of event that the shop acts on")
    told = read_session(event["data"]["object"])
    settled = settle(
        session,
        told,
        f"webhook {event['id']}",
        async_failed=event["type"] == "checkout.session.async_payment_failed",
    )
    if settled.order_id is None:
        return Verdict("ignored", reason=settled.reason)
    return Verdict("applied", settled.order_id, "" if settled.changed else settled.reason or "said nothing new")
