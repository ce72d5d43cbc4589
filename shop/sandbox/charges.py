"""What a payment attempt leaves behind: a payment method, a charge, and what became of the payment intent."""

from shop.sandbox import balance, events
from shop.sandbox.cards import Decline, Means
from shop.sandbox.offered import debit_for
from shop.sandbox.refusals import Body
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction


def payment_method(tx: Transaction, means: Means, billing: Body, currency: str) -> Body:
    kind = means.app or (debit_for(currency) if means.is_delayed else "card")
    return tx.insert(
        completed(
            {
                "id": tx.new_id("pm_"),
                "object": "payment_method",
                "allow_redisplay": "limited",
                "billing_details": billing,
                "created": tx.now,
                "livemode": False,
                "metadata": {},
                "type": kind,
                kind: _of_card(means) if means.card else {} if means.app else {"last4": "3000"},
            }
        )
    )


def charge(
    tx: Transaction,
    intent: Body,
    method: Body,
    means: Means,
    decline: Decline | None = None,
    authenticated: bool = False,
) -> Body:
    """One attempt to take the money: succeeded, failed, or (a delayed debit) pending. Records its event."""
    status = "failed" if decline else "pending" if means.is_delayed else "succeeded"
    made = tx.insert(
        completed(
            {
                "id": tx.new_id("ch_" if means.card else "py_"),
                "object": "charge",
                "amount": intent["amount"],
                "amount_captured": 0 if decline else intent["amount"],
                "amount_refunded": 0,
                "billing_details": method["billing_details"],
                "calculated_statement_descriptor": "LOCAL STRIPE",
                "captured": decline is None,
                "created": tx.now,
                "currency": intent["currency"],
                "description": intent["description"],
                "disputed": False,
                "failure_code": decline.code if decline else None,
                "failure_message": decline.message if decline else None,
                "fraud_details": {},
                "livemode": False,
                "metadata": intent["metadata"],
                "outcome": _outcome(decline),
                "paid": decline is None and not means.is_delayed,
                "payment_intent": intent["id"],
                "payment_method": method["id"],
                "payment_method_details": {
                    "type": method["type"],
                    method["type"]: _details(means, decline, authenticated),
                },
                "receipt_email": intent["receipt_email"],
                "refunded": False,
                "shipping": intent["shipping"],
                "statement_descriptor": intent["statement_descriptor"],
                "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
                "status": status,
            }
        )
    )
    if status == "succeeded":
        made = tx.update(made | {"balance_transaction": balance.of_payment(tx, made)})
    events.record(tx, f"charge.{status}", made)
    return made


def succeed(tx: Transaction, charge_id: str) -> Body:
    """A pending charge is paid after all."""
    charge = tx.get("charge", charge_id)
    paid = charge | {"status": "succeeded", "paid": True, "balance_transaction": balance.of_payment(tx, charge)}
    tx.update(paid)
    events.record(tx, "charge.succeeded", paid)
    return paid


def fail_intent(tx: Transaction, intent: Body, method: Body, decline: Decline, charge_id: str | None) -> Body:
    """The intent asks for another payment method, and says why the last one failed."""
    error: Body = {
        "type": "card_error",
        "code": decline.code,
        "message": decline.message,
        "doc_url": "https://stripe.com/docs/error-codes/" + decline.code.replace("_", "-"),
        "payment_method": method,
    }
    if decline.decline_code:
        error["decline_code"] = decline.decline_code
    if charge_id:
        error["charge"] = charge_id
    intent |= {
        "status": "requires_payment_method",
        "last_payment_error": error,
        "latest_charge": charge_id or intent["latest_charge"],
        "next_action": None,
        "payment_method": None,
    }
    tx.update(intent)
    events.record(tx, "payment_intent.payment_failed", intent)
    return intent


def _outcome(decline: Decline | None) -> Body:
    if decline is None:
        return {
            "network_status": "approved_by_network",
            "risk_level": "normal",
            "risk_score": 12,
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    return {
        "network_status": "declined_by_network",
        "reason": decline.decline_code or decline.code,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": "The bank returned the decline code `" + (decline.decline_code or decline.code) + "`.",
        "type": "issuer_declined",
    }


def _of_card(means: Means) -> Body:
    assert means.card is not None
    return {
        "brand": means.card.brand,
        "checks": {"address_line1_check": "pass", "address_postal_code_check": "pass", "cvc_check": "pass"},
        "country": means.card.country,
        "display_brand": means.card.brand,
        "exp_month": means.exp_month,
        "exp_year": means.exp_year,
        "funding": "credit",
        "last4": means.card.last4,
        "networks": {"available": [means.card.brand], "preferred": None},
        "three_d_secure_usage": {"supported": True},
    }


def _details(means: Means, decline: Decline | None, authenticated: bool) -> Body:
    if means.app:
        return (
            {"transaction_id": None}
            if means.app == "grabpay"
            else {"location": None, "reader": None, "reference": None}
        )
    if means.card is None:
        return {"last4": "3000"}
    wrong_cvc = decline is not None and decline.code == "incorrect_cvc"
    checks = {"address_line1_check": "pass", "address_postal_code_check": "pass"}
    secure = {"authentication_flow": "challenge", "result": "authenticated", "version": "2.2.0"}
    return {
        "amount_authorized": None,
        "brand": means.card.brand,
        "checks": {**checks, "cvc_check": "fail" if wrong_cvc else "pass"},
        "country": means.card.country,
        "exp_month": means.exp_month,
        "exp_year": means.exp_year,
        "funding": "credit",
        "last4": means.card.last4,
        "network": means.card.brand,
        "three_d_secure": secure if authenticated else None,
    }
