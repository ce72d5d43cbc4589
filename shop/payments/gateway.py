"""Stripe's API as the shop needs it: open a Checkout Session, look at one, expire one; give money back.

Whoever calls sees what `shop.payments.told` makes of an answer, never an object of the SDK. No call goes out while this
thread has a database transaction open: a slow answer would hold locks that other buyers wait for.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import stripe
import structlog

from shop.config import Settings
from shop.db import open_transactions
from shop.errors import PaymentRefused, PaymentUnavailable
from shop.payments.told import CheckoutSession, DisputeTold, RefundTold, read_dispute, read_refund, read_session

log = structlog.get_logger(__name__)

# The SDK would write a telemetry file into the home directory.
stripe.enable_telemetry = False


class CallInsideTransaction(RuntimeError):
    """A programming error: Stripe was called while a database transaction was open."""


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
        with asking():
            session = self._client.v1.checkout.sessions.create(
                params=cast(Any, dict(params)), options={"idempotency_key": idempotency_key}
            )
        return read_session(session)

    def get_session(self, session_id: str) -> CheckoutSession:
        """The session as Stripe knows it now, and whether its payment has failed. Raises as `open_session`."""
        with asking():
            session = self._client.v1.checkout.sessions.retrieve(session_id, params={"expand": ["payment_intent"]})
        return read_session(session)

    def expire_session(self, session_id: str) -> CheckoutSession:
        """Make sure that the session can no longer be paid, and say how it ended: expired, or complete if that came first.

        Stripe refuses to expire a session that is no longer open; then the session is read again. Raises as `open_session`.
        """
        with asking():
            try:
                session = self._client.v1.checkout.sessions.expire(session_id)
            except stripe.InvalidRequestError:
                return self.get_session(session_id)
        return read_session(session)

    def create_refund(self, params: Mapping[str, Any], idempotency_key: str) -> RefundTold:
        """Make the refund that `params` describe, or get the one that this key has made before. Raises as `open_session`."""
        with asking():
            refund = self._client.v1.refunds.create(
                params=cast(Any, dict(params)), options={"idempotency_key": idempotency_key}
            )
        return read_refund(refund)

    def get_refund(self, refund_id: str) -> RefundTold:
        """The refund as Stripe knows it now. Raises as `open_session`."""
        with asking():
            return read_refund(self._client.v1.refunds.retrieve(refund_id))

    def refunds_of(self, payment_intent: str) -> tuple[RefundTold, ...]:
        """Every refund of a payment as Stripe knows it now, oldest first. Raises as `open_session`."""
        with asking():
            pages = self._client.v1.refunds.list(params={"payment_intent": payment_intent, "limit": 100})
            return tuple(read_refund(refund) for refund in pages.auto_paging_iter())[::-1]

    def get_dispute(self, dispute_id: str) -> DisputeTold:
        """The dispute as Stripe knows it now. Raises as `open_session`."""
        with asking():
            return read_dispute(self._client.v1.disputes.retrieve(dispute_id))


@contextmanager
def asking() -> Iterator[None]:
    """Around each call: none goes out within a transaction, and what the SDK raises becomes an error of ours.

    Raises CallInsideTransaction, PaymentUnavailable, PaymentRefused.
    """
    if open_transactions():
        raise CallInsideTransaction("a database transaction is open in this thread; commit it before calling Stripe")
    try:
        yield
    except stripe.StripeError as error:
        raise _translated(error) from error


def _translated(error: stripe.StripeError) -> PaymentUnavailable | PaymentRefused:
    """A definite refusal says that nothing was created; everything else leaves that open."""
    status = error.http_status
    log.warning("stripe_error", kind=type(error).__name__, status=status, code=error.code, request_id=error.request_id)
    of_key = isinstance(error, (stripe.AuthenticationError, stripe.PermissionError))
    definite = isinstance(error, stripe.InvalidRequestError) and not isinstance(error, stripe.IdempotencyError)
    if of_key or definite:
        return PaymentRefused(f"{type(error).__name__}: {error.user_message or error.code or status}", of_key=of_key)
    return PaymentUnavailable()
