"""Stripe's API as the shop needs it: open a Checkout Session, look at one, expire one.

Nothing but this module and `inbox` sees an object of the SDK; everybody else sees `CheckoutSession`. No call goes out while
this thread has a database transaction open: a slow answer would hold locks that other buyers wait for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import stripe
import structlog

from shop.config import Settings
from shop.db import open_transactions
from shop.errors import PaymentRefused, PaymentUnavailable

log = structlog.get_logger(__name__)

# Of the intent under a session that was completed with a delayed method: the bank has said no
# (docs.stripe.com/payments/payment-intents/verifying-status).
FAILED = ("requires_payment_method", "canceled")

# The SDK would write a telemetry file into the home directory.
stripe.enable_telemetry = False


class CallInsideTransaction(RuntimeError):
    """A programming error: Stripe was called while a database transaction was open."""


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """What the shop reads of a Checkout Session. Amounts in minor units, moments in UTC.

    `status` is open, complete or expired; `payment_status` is paid, unpaid or no_payment_required; `payment_failed` is known
    of a session that was asked for, not of one in an event. `order_id` is ours, from the session's metadata, with `order_number` beside it; `address` has name, line1, line2, city, state, postal_code, country.
    """

    id: str
    status: str
    payment_status: str
    amount_total: int
    amount_subtotal: int
    shipping_minor: int
    shipping_rate: str
    currency: str
    livemode: bool
    order_id: int | None
    order_number: str
    payment_intent: str | None
    payment_failed: bool
    url: str | None
    expires_at: datetime
    email: str
    name: str
    address: Mapping[str, str]

    @property
    def is_paid(self) -> bool:
        """Stripe's rule: anything but unpaid may be fulfilled (docs.stripe.com/checkout/fulfillment)."""
        return self.payment_status != "unpaid"


class Gateway:
    """One for each process; safe between threads."""

    def __init__(self, settings: Settings, time_out: tuple[float, float] = (3.0, 10.0), retries: int = 2) -> None:
        base = settings.stripe_api_base
        self._client = stripe.StripeClient(
            settings.stripe_secret_key.get_secret_value(),
            base_addresses={"api": base} if base else None,
            max_network_retries=retries,
            http_client=stripe.RequestsClient(timeout=time_out),
        )
        self.livemode = settings.livemode

    def open_session(self, params: Mapping[str, Any], idempotency_key: str) -> CheckoutSession:
        """Create the session that `params` describe, or get the one that this key has created before.

        Raises PaymentUnavailable when it is not known whether the session exists (time-out, 5xx, 429), so that the same key
        and parameters must be sent again; PaymentRefused when Stripe said no for good.
        """
        self._outside_transaction()
        try:
            session = self._client.v1.checkout.sessions.create(
                params=cast(Any, dict(params)), options={"idempotency_key": idempotency_key}
            )
        except stripe.StripeError as error:
            raise _translated(error) from error
        return read_session(session)

    def get_session(self, session_id: str) -> CheckoutSession:
        """The session as Stripe knows it now, and whether its payment has failed. Raises as `open_session`."""
        self._outside_transaction()
        try:
            session = self._client.v1.checkout.sessions.retrieve(session_id, params={"expand": ["payment_intent"]})
        except stripe.StripeError as error:
            raise _translated(error) from error
        return read_session(session)

    def expire_session(self, session_id: str) -> CheckoutSession:
        """Make sure that the session can no longer be paid, and say how it ended: expired, or complete if that came first.

        Stripe refuses to expire a session that is no longer open; then the session is read again. Raises as `open_session`.
        """
        self._outside_transaction()
        try:
            session = self._client.v1.checkout.sessions.expire(session_id)
        except stripe.InvalidRequestError:
            return self.get_session(session_id)
        except stripe.StripeError as error:
            raise _translated(error) from error
        return read_session(session)

    def _outside_transaction(self) -> None:
        if open_transactions():
            raise CallInsideTransaction(
                "a database transaction is open in this thread; commit it before calling Stripe"
            )


def _translated(error: stripe.StripeError) -> PaymentUnavailable | PaymentRefused:
    """A definite refusal says that nothing was created; everything else leaves that open."""
    status = error.http_status
    log.warning("stripe_error", kind=type(error).__name__, status=status, code=error.code, request_id=error.request_id)
    of_key = isinstance(error, (stripe.AuthenticationError, stripe.PermissionError))
    definite = isinstance(error, stripe.InvalidRequestError) and not isinstance(error, stripe.IdempotencyError)
    if of_key or definite:
        return PaymentRefused(f"{type(error).__name__}: {error.user_message or error.code or status}", of_key=of_key)
    return PaymentUnavailable()


def read_session(session: Any) -> CheckoutSession:
    """Translate the SDK's Checkout Session, from an answer or from an event."""
    shipping = _maybe(session, "shipping_cost")
    details = _maybe(session, "customer_details")
    collected = _maybe(session, "collected_information")
    shipping_details = _maybe(collected, "shipping_details") or _maybe(session, "shipping_details")
    address = _maybe(shipping_details, "address") or _maybe(details, "address")
    intent = _maybe(session, "payment_intent")
    rate = _maybe(shipping, "shipping_rate")
    metadata = _maybe(session, "metadata")
    order_id = str(_maybe(metadata, "order_id") or "")
    lines = {
        part: str(_maybe(address, part) or "") for part in ("line1", "line2", "city", "state", "postal_code", "country")
    }
    return CheckoutSession(
        id=session["id"],
        status=_maybe(session, "status") or "",
        payment_status=session["payment_status"],
        amount_total=int(session["amount_total"] or 0),
        amount_subtotal=int(session["amount_subtotal"] or 0),
        shipping_minor=int(_maybe(shipping, "amount_total") or 0),
        shipping_rate=rate if isinstance(rate, str) else str(_maybe(rate, "id") or ""),
        currency=str(session["currency"] or "").lower(),
        livemode=bool(session["livemode"]),
        order_id=int(order_id) if order_id.isascii() and order_id.isdecimal() and len(order_id) < 10 else None,
        order_number=str(_maybe(metadata, "order_number") or ""),
        payment_intent=intent if isinstance(intent, str) else _maybe(intent, "id"),
        payment_failed=not isinstance(intent, str) and _maybe(intent, "status") in FAILED,
        url=_maybe(session, "url"),
        expires_at=datetime.fromtimestamp(session["expires_at"], UTC),
        email=str(_maybe(details, "email") or ""),
        name=str(_maybe(shipping_details, "name") or _maybe(details, "name") or ""),
        address={"name": str(_maybe(shipping_details, "name") or ""), **lines} if address is not None else {},
    )


def _maybe(container: Any, key: str) -> Any:
    """`container[key]`, or None where either is absent: StripeObject has no `get`."""
    if container is None or key not in container:
        return None
    return container[key]
