"""Refunds: money given back, never more than was taken."""

from shop.sandbox import events, rules
from shop.sandbox.currencies import written
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction


def create(tx: Transaction, params: Body) -> Body:
    """A refund of a charge, named itself or by its payment intent: the rest of it unless `amount` says how much.

    Raises Refusal when nothing is left, or less than is asked for.
    """
    rules.check_metadata(params.get("metadata"), "metadata")
    charge = _charge_of(tx, params)
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise Refusal(message, code="charge_already_refunded", executed=True)
    amount = params.get("amount", left)
    if amount < 1:
        raise Refusal("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        asked, rest = written(amount, charge["currency"]), written(left, charge["currency"])
        message = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})"
        raise Refusal(message, param="amount", executed=True)
    refund = tx.insert(
        completed(
            {
                "id": tx.new_id("re_"),
                "object": "refund",
                "amount": amount,
                "charge": charge["id"],
                "created": tx.now,
                "currency": charge["currency"],
                "destination_details": _destination(charge),
                "metadata": params.get("metadata") or {},
                "payment_intent": charge["payment_intent"],
                "payment_method": charge["payment_method"],
                "reason": params.get("reason"),
                "status": "succeeded",
            }
        )
    )
    before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    tx.update(charge)
    changed = {name: value for name, value in before.items() if charge[name] != value}
    events.record(tx, "refund.created", refund)
    events.record(tx, "charge.refunded", charge, changed)
    return refund


def update(tx: Transaction, key: str, params: Body) -> Body:
    """Changes the metadata of a refund, and tells it."""
    from shop.sandbox.sessions import merged_metadata  # noqa: PLC0415

    refund = tx.get("refund", key, "refund")
    before = refund["metadata"]
    rules.check_metadata(params.get("metadata"), "metadata")
    if "metadata" in params:
        refund["metadata"] = merged_metadata(before, params["metadata"])
    tx.update(refund)
    if refund["metadata"] != before:
        events.record(tx, "refund.updated", refund, {"metadata": before})
    return refund


def of_charge(tx: Transaction, charge_id: str) -> list[Body]:
    """Newest first."""
    rows = tx.rows(
        "SELECT id FROM objects WHERE object = 'refund' AND json_extract(body, '$.charge') = ? ORDER BY seq DESC",
        (charge_id,),
    )
    return [tx.get("refund", key) for (key,) in rows]


def _charge_of(tx: Transaction, params: Body) -> Body:
    for name in ("refund_application_fee", "reverse_transfer", "origin", "customer", "instructions_email"):
        if name in params:
            raise Refusal(f"The local Stripe does not play `{name}` yet.", code="sandbox_not_played", param=name)
    if ("charge" in params) == ("payment_intent" in params):
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise Refusal(message, code="parameter_missing")
    if "charge" in params:
        charge = tx.find("charge", params["charge"])
        if charge is None:
            message = f"No such charge: '{params['charge']}'"
            raise Refusal(message, status=404, code="resource_missing", param="charge")
    else:
        intent = tx.get("payment_intent", params["payment_intent"], "payment_intent")
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            raise Refusal(message, code="payment_intent_unexpected_state", param="payment_intent", executed=True)
        charge = tx.get("charge", intent["latest_charge"])
    if charge["status"] != "succeeded":
        raise Refusal(f"Charge {charge['id']} is not paid: it cannot be refunded.", param="charge", executed=True)
    return charge


def _destination(charge: Body) -> Body:
    kind = charge["payment_method_details"]["type"]
    if kind != "card":
        return {"type": kind}
    return {
        "type": "card",
        "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
    }
