"""Refunds: money given back, never more than was taken, at once or after a while, and sometimes not at all."""

from typing import Any

import stripe

from shop.sandbox import balance, events, refundable
from shop.sandbox.cards import BY_LAST4
from shop.sandbox.metadata import change_metadata, check_metadata, stored_metadata
from shop.sandbox.refusals import Body, Refusal, not_played
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction
from shop.sandbox.texts import EMAIL

KIND = "refund"
DAY = 24 * 60 * 60
BANK_TAKES = 3 * DAY
"""Seconds of the sandbox's clock until a refund that takes time has come to its end by itself."""
BUYER_HAS = 45 * DAY
"""Seconds that a buyer has to say where the money should go; then the refund has failed."""


def create(tx: Transaction, params: Body) -> Body:
    """A refund of a charge, named itself or by its payment intent: the rest of it unless `amount` says how much.

    Raises Refusal when nothing is left, or less than is asked for, and while the payment is disputed.
    """
    check_metadata(params.get("metadata"))
    charge = refundable.charge_of(tx, params)
    amount = refundable.amount_of(charge, params)
    begun, ends = _beginning(tx, charge, params)
    refund = completed(
        {
            "id": tx.new_id("re_" if charge["id"].startswith("ch_") else "pyr_"),
            "object": KIND,
            "amount": amount,
            "charge": charge["id"],
            "created": tx.now,
            "currency": charge["currency"],
            "destination_details": _destination(charge),
            "metadata": stored_metadata(params.get("metadata")),
            "payment_intent": charge["payment_intent"],
            "payment_method": charge["payment_method"],
            "reason": params.get("reason"),
            **begun,
        }
    )
    refund["balance_transaction"] = balance.of_refund(tx, refund)
    tx.insert(refund, ends)
    before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    _count(tx, charge, amount)
    changed = {name: value for name, value in before.items() if charge[name] != value}
    events.record(tx, "refund.created", refund)
    events.record(tx, "charge.refunded", charge, changed)
    return refund


def update(tx: Transaction, key: str, params: Body) -> Body:
    """Changes the metadata of a refund, and tells it."""
    refund = tx.get(KIND, key, "refund")
    before = refund["metadata"]
    if change_metadata(refund, params):
        _tell_change(tx, refund, {"metadata": before})
    return refund


def cancel(tx: Transaction, key: str) -> Body:
    """Takes back a refund that waits for the buyer. Raises Refusal for any other: those are on their way."""
    return _reverse(tx, _waiting_for_its_buyer(tx, key, "be canceled"), "canceled", "merchant_request")


def expire(tx: Transaction, key: str) -> Body:
    """Stripe's test helper: the buyer has not said in time where the money should go."""
    return _reverse(tx, _waiting_for_its_buyer(tx, key, "expire"), "failed", "unknown")


def _waiting_for_its_buyer(tx: Transaction, key: str, verb: str) -> Body:
    refund = tx.get(KIND, key, "refund")
    if refund["status"] != "requires_action":
        message = f"Refund {key} has a status of {refund['status']}: only one that requires action can {verb}."
        raise Refusal(message, param="refund", executed=True)
    return refund


def settle(tx: Transaction, key: str, *, ok: bool, reason: str = "expired_or_canceled_card") -> Body:
    """The bank's last word on a refund. Not `ok` also undoes one that had succeeded, as happens to card refunds.

    Raises Refusal for a refund that has ended otherwise, and for a second success.
    """
    refund = tx.get(KIND, key, "refund")
    if refund["status"] in ("failed", "canceled") or (ok and refund["status"] == "succeeded"):
        raise Refusal(f"Refund {key} has a status of {refund['status']} already.", param="refund")
    if not ok:
        return _reverse(tx, refund, "failed", reason)
    before = {"status": refund["status"], "pending_reason": refund["pending_reason"]}
    refund |= {"status": "succeeded", "pending_reason": None}
    refund.pop("next_action", None)
    tx.remember(key, {})
    return _tell_change(tx, refund, before)


def settle_due(tx: Transaction) -> None:
    """Ends what has taken its time by the sandbox's clock."""
    for key in tx.due(KIND):
        settle(tx, key, ok=tx.private(key)["ends"] == "succeeded")


def fail_pending(tx: Transaction, charge_id: str) -> None:
    """A dispute takes the whole payment: refunds that are still on their way do not arrive."""
    for refund in tx.of_charge(KIND, charge_id):
        if refund["status"] in ("pending", "requires_action"):
            _reverse(tx, refund, "failed", "charge_for_pending_refund_disputed")


def _reverse(tx: Transaction, refund: Body, status: str, reason: str) -> Body:
    """The refund ends without the buyer having the money: the charge and the balance have it back."""
    names = ("status", "failure_reason", "failure_balance_transaction", "pending_reason")
    before = {name: refund[name] for name in names}
    refund |= {
        "status": status,
        "failure_reason": reason,
        "failure_balance_transaction": balance.of_failed_refund(tx, refund),
        "pending_reason": None,
    }
    refund.pop("next_action", None)
    tx.remember(refund["id"], {})
    _count(tx, tx.get("charge", refund["charge"]), -refund["amount"])
    _tell_change(tx, refund, {name: value for name, value in before.items() if refund[name] != value})
    if status == "failed":
        events.record(tx, "refund.failed", refund)
    return refund


def _tell_change(tx: Transaction, refund: Body, before: Body) -> Body:
    tx.update(refund)
    events.record(tx, "refund.updated", refund, before)
    events.record(tx, "charge.refund.updated", refund, before)
    return refund


def _count(tx: Transaction, charge: Body, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    tx.update(charge)


def _beginning(tx: Transaction, charge: Body, params: Body) -> tuple[Body, Body]:
    """How a refund stands at first, and what becomes of it later by itself (docs.stripe.com/refunds, .../testing)."""
    details: Any = charge["payment_method_details"]
    if details["type"] != "card":
        return _beginning_without_card(tx, params)
    if "instructions_email" in params:
        raise not_played("instructions_email", "only for payments that were not made by card")
    card = BY_LAST4.get(details["card"]["last4"])
    ends = card and card.refund_ends
    later = {"deadline": tx.due_clock + BANK_TAKES, "ends": ends} if ends else {}
    if ends == "succeeded":
        return {"status": "pending", "pending_reason": "processing"}, later
    return {"status": "succeeded"}, later


def _beginning_without_card(tx: Transaction, params: Body) -> tuple[Body, Body]:
    email = params.get("instructions_email")
    if email is None:
        later = {"deadline": tx.due_clock + BANK_TAKES, "ends": "succeeded"}
        return {"status": "pending", "pending_reason": "processing"}, later
    if not EMAIL.match(email):
        raise Refusal(f"Invalid email address: {email}", code="email_invalid", param="instructions_email")
    sent = {"email_sent_at": tx.now, "email_sent_to": email}
    asked = {"display_details": {"email_sent": sent, "expires_at": tx.now + BUYER_HAS}, "type": "display_details"}
    begun = {"status": "requires_action", "instructions_email": email, "next_action": asked}
    return begun, {"deadline": tx.due_clock + BUYER_HAS, "ends": "failed"}


def _destination(charge: Body) -> Body:
    kind = charge["payment_method_details"]["type"]
    if kind == "card":
        details = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
        return {"type": "card", "card": details}
    return {"type": kind, kind: {}} if kind in stripe.Refund.DestinationDetails.__annotations__ else {"type": kind}
