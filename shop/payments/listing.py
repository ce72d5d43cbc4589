"""Stripe's books, page by page: what was made there since a moment, newest first, as the reconciler compares it.

A page is asked for when the one before has been dealt with, and never while this thread has a database transaction open.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import stripe

from shop.db import in_batches
from shop.payments.gateway import Gateway, asking
from shop.payments.told import (
    CheckoutSession,
    DisputeTold,
    RefundTold,
    id_of,
    maybe,
    own_id,
    read_dispute,
    read_refund,
    read_session,
)

T = TypeVar("T")

# Stripe answers at most this many at once (docs.stripe.com/api/pagination).
PAGE = 100
# Seconds between tries of what came too fast for Stripe. The SDK tries again after time-outs and failures, not after a 429.
PAUSES = (0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A Checkout Session, with the address that its buyer was to come back to: it tells shops on one account apart."""

    told: CheckoutSession
    success_url: str


@dataclass(frozen=True, slots=True)
class IntentTold:
    """What the reconciler reads of a payment intent. `order_id` and `order_number` are ours, from its metadata."""

    id: str
    status: str
    order_id: int | None
    order_number: str


@dataclass(frozen=True, slots=True)
class ChargeTold:
    """What the reconciler reads of a charge. Amounts in minor units of `currency`, moments in UTC.

    `refunded_minor` is all that Stripe has given back or is giving back of it.
    """

    id: str
    status: str
    amount_minor: int
    refunded_minor: int
    currency: str
    disputed: bool
    livemode: bool
    payment_intent: str | None
    order_id: int | None
    order_number: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EventTold:
    """That something happened at Stripe, and to what: `about` is the object's id, `kind` what sort of object it is."""

    id: str
    type: str
    about: str
    kind: str


class Listing:
    """Lists of one account. Every method raises PaymentUnavailable and PaymentRefused as the gateway does."""

    def __init__(self, gateway: Gateway, page: int = PAGE) -> None:
        self._v1 = gateway._client.v1
        self._page = page

    def sessions(self, since: datetime) -> Iterator[tuple[ListedSession, ...]]:
        """Of each session it is known whether its payment has failed."""
        return self._pages(
            self._v1.checkout.sessions.list, _since(since) | {"expand": ["data.payment_intent"]}, _read_listed
        )

    def intents(self, since: datetime) -> Iterator[tuple[IntentTold, ...]]:
        return self._pages(self._v1.payment_intents.list, _since(since), _read_intent)

    def charges(self, since: datetime) -> Iterator[tuple[ChargeTold, ...]]:
        return self._pages(self._v1.charges.list, _since(since), _read_charge)

    def charges_of(self, payment_intent: str) -> Iterator[tuple[ChargeTold, ...]]:
        return self._pages(self._v1.charges.list, {"payment_intent": payment_intent}, _read_charge)

    def charge(self, charge_id: str) -> ChargeTold:
        return _read_charge(self._ask(self._v1.charges.retrieve, charge_id))

    def refunds(self, since: datetime) -> Iterator[tuple[RefundTold, ...]]:
        return self._pages(self._v1.refunds.list, _since(since), read_refund)

    def disputes(self, since: datetime) -> Iterator[tuple[DisputeTold, ...]]:
        return self._pages(self._v1.disputes.list, _since(since), read_dispute)

    def disputes_of(self, payment_intent: str) -> Iterator[tuple[DisputeTold, ...]]:
        return self._pages(self._v1.disputes.list, {"payment_intent": payment_intent}, read_dispute)

    def events(self, since: datetime, types: Sequence[str]) -> Iterator[tuple[EventTold, ...]]:
        """Events of these types. Stripe keeps them for 30 days (docs.stripe.com/api/events)."""
        # Stripe takes twenty types at most in one question.
        for some in in_batches(types, 20):
            yield from self._pages(self._v1.events.list, _since(since) | {"types": list(some)}, _read_event)

    def _pages(
        self, listed: Callable[..., Any], params: Mapping[str, Any], read: Callable[[Any], T]
    ) -> Iterator[tuple[T, ...]]:
        asked = {**params, "limit": self._page}
        while True:
            answer = self._ask(listed, params=asked)
            yield tuple(read(item) for item in answer.data)
            if not answer.has_more or not answer.data:
                return
            asked["starting_after"] = answer.data[-1].id

    def _ask(self, call: Callable[..., Any], *words: Any, **named: Any) -> Any:
        with asking():
            for pause in PAUSES:
                try:
                    return call(*words, **named)
                except stripe.RateLimitError:
                    time.sleep(pause)
            return call(*words, **named)


def _since(moment: datetime) -> dict[str, Any]:
    return {"created": {"gte": max(0, int(moment.timestamp()))}}


def _read_listed(session: Any) -> ListedSession:
    return ListedSession(read_session(session), str(maybe(session, "success_url") or ""))


def _read_intent(intent: Any) -> IntentTold:
    order_id, order_number = _order_of(intent)
    return IntentTold(intent["id"], intent["status"], order_id, order_number)


def _read_charge(charge: Any) -> ChargeTold:
    order_id, order_number = _order_of(charge)
    return ChargeTold(
        id=charge["id"],
        status=charge["status"],
        amount_minor=int(charge["amount"]),
        refunded_minor=int(maybe(charge, "amount_refunded") or 0),
        currency=str(charge["currency"]).lower(),
        disputed=bool(maybe(charge, "disputed")),
        livemode=bool(charge["livemode"]),
        payment_intent=id_of(maybe(charge, "payment_intent")),
        order_id=order_id,
        order_number=order_number,
        created_at=datetime.fromtimestamp(charge["created"], UTC),
    )


def _read_event(event: Any) -> EventTold:
    about = event["data"]["object"]
    return EventTold(event["id"], event["type"], str(about["id"]), str(about["object"]))


def _order_of(told: Any) -> tuple[int | None, str]:
    metadata = maybe(told, "metadata")
    return own_id(metadata, "order_id"), str(maybe(metadata, "order_number") or "")
