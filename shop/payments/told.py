"""What Stripe tells, in the shop's own words: a Checkout Session, a refund, a dispute, each from an answer or from an event.

An answer is an object of the SDK, an event's may be plain JSON; both are read by key. Amounts are in minor units, moments in
UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# Of the intent under a session that was completed with a delayed method: the bank has said no
# (docs.stripe.com/payments/payment-intents/verifying-status).
FAILED = ("requires_payment_method", "canceled")


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """What the shop reads of a Checkout Session. Amounts in minor units, moments in UTC.

    `status` is open, complete or expired; `payment_status` is paid, unpaid or no_payment_required; `payment_failed` is known
    of a session that was asked for, not of one in an event. `order_id` is ours, from the session's metadata, with
    `order_number` beside it; `address` has name, line1, line2, city, state, postal_code, country.
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


@dataclass(frozen=True, slots=True)
class RefundTold:
    """What the shop reads of a refund. `status` is pending, requires_action, succeeded, failed or canceled.

    `refund_id` and `order_number` are ours, from the metadata that the shop's own refunds carry; None and empty for one that
    was made in Stripe's dashboard.
    """

    id: str
    amount_minor: int
    currency: str
    status: str
    reason: str
    failure_reason: str
    payment_intent: str | None
    charge: str | None
    refund_id: int | None
    order_number: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeTold:
    """What the shop reads of a dispute. `status` is Stripe's own word.

    `withdrawn_minor` and `reinstated_minor` are what the balance has lost and got back by it so far, without the bank's fee.
    """

    id: str
    amount_minor: int
    currency: str
    status: str
    reason: str
    payment_intent: str | None
    charge: str | None
    evidence_due_at: datetime | None
    evidence_submitted: bool
    withdrawn_minor: int
    reinstated_minor: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ChargeRefunded:
    """What charge.refunded says: `refunded_minor` is everything that has ever been given back of the charge and has not
    failed, not what this one refund has added.
    """

    id: str
    refunded_minor: int
    currency: str
    payment_intent: str | None


def read_session(session: Any) -> CheckoutSession:
    """Translate the SDK's Checkout Session, from an answer or from an event."""
    shipping = maybe(session, "shipping_cost")
    details = maybe(session, "customer_details")
    collected = maybe(session, "collected_information")
    shipping_details = maybe(collected, "shipping_details") or maybe(session, "shipping_details")
    address = maybe(shipping_details, "address") or maybe(details, "address")
    intent = maybe(session, "payment_intent")
    rate = maybe(shipping, "shipping_rate")
    metadata = maybe(session, "metadata")
    lines = {
        part: str(maybe(address, part) or "") for part in ("line1", "line2", "city", "state", "postal_code", "country")
    }
    return CheckoutSession(
        id=session["id"],
        status=maybe(session, "status") or "",
        payment_status=session["payment_status"],
        amount_total=int(session["amount_total"] or 0),
        amount_subtotal=int(session["amount_subtotal"] or 0),
        shipping_minor=int(maybe(shipping, "amount_total") or 0),
        shipping_rate=rate if isinstance(rate, str) else str(maybe(rate, "id") or ""),
        currency=str(session["currency"] or "").lower(),
        livemode=bool(session["livemode"]),
        order_id=own_id(metadata, "order_id"),
        order_number=str(maybe(metadata, "order_number") or ""),
        payment_intent=id_of(intent),
        payment_failed=not isinstance(intent, str) and maybe(intent, "status") in FAILED,
        url=maybe(session, "url"),
        expires_at=datetime.fromtimestamp(session["expires_at"], UTC),
        email=str(maybe(details, "email") or ""),
        name=str(maybe(shipping_details, "name") or maybe(details, "name") or ""),
        address={"name": str(maybe(shipping_details, "name") or ""), **lines} if address is not None else {},
    )


def read_refund(refund: Any) -> RefundTold:
    """Translate Stripe's refund. A status that Stripe leaves out is one that it does not know yet."""
    metadata = maybe(refund, "metadata")
    return RefundTold(
        id=refund["id"],
        amount_minor=int(refund["amount"]),
        currency=str(refund["currency"]).lower(),
        status=str(maybe(refund, "status") or "pending"),
        reason=str(maybe(refund, "reason") or ""),
        failure_reason=str(maybe(refund, "failure_reason") or ""),
        payment_intent=id_of(maybe(refund, "payment_intent")),
        charge=id_of(maybe(refund, "charge")),
        refund_id=own_id(metadata, "refund_id"),
        order_number=str(maybe(metadata, "order_number") or ""),
        created_at=datetime.fromtimestamp(refund["created"], UTC),
    )


def read_dispute(dispute: Any) -> DisputeTold:
    """Translate Stripe's dispute. What it took and brought back is in its balance transactions, below and above zero."""
    details = maybe(dispute, "evidence_details")
    due_by = maybe(details, "due_by")
    amount, currency = int(dispute["amount"]), str(dispute["currency"]).lower()
    moved = [_moved(line, amount, currency) for line in maybe(dispute, "balance_transactions") or ()]
    return DisputeTold(
        id=dispute["id"],
        amount_minor=amount,
        currency=currency,
        status=dispute["status"],
        reason=str(maybe(dispute, "reason") or ""),
        payment_intent=id_of(maybe(dispute, "payment_intent")),
        charge=id_of(maybe(dispute, "charge")),
        evidence_due_at=datetime.fromtimestamp(due_by, UTC) if due_by else None,
        evidence_submitted=bool(maybe(details, "submission_count")),
        withdrawn_minor=-sum(minor for minor in moved if minor < 0),
        reinstated_minor=sum(minor for minor in moved if minor > 0),
        created_at=datetime.fromtimestamp(dispute["created"], UTC),
    )


def _moved(line: Any, amount: int, currency: str) -> int:
    """A balance is kept in the account's own currency; then the whole amount has moved, in the dispute's."""
    minor = int(line["amount"])
    if str(line["currency"]).lower() == currency:
        return minor
    return amount if minor > 0 else -amount


def read_charge_refunded(charge: Any) -> ChargeRefunded:
    return ChargeRefunded(
        id=charge["id"],
        refunded_minor=int(maybe(charge, "amount_refunded") or 0),
        currency=str(charge["currency"]).lower(),
        payment_intent=id_of(maybe(charge, "payment_intent")),
    )


def own_id(metadata: Any, name: str) -> int | None:
    """One of our ids from metadata; None for what is none, for other shops on the account write there, too."""
    text = str(maybe(metadata, name) or "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def id_of(named: Any) -> str | None:
    """The id of what Stripe names by its id, or shows whole where it was asked to."""
    return named if isinstance(named, str) else maybe(named, "id")


def maybe(container: Any, key: str) -> Any:
    """`container[key]`, or None where either is absent: StripeObject has no `get`."""
    if container is None or key not in container:
        return None
    return container[key]
