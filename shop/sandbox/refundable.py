"""What may be refunded: which charge, and how much of it."""

from shop.sandbox.currencies import written
from shop.sandbox.refusals import Body, Refusal, not_played
from shop.sandbox.store import Transaction

_NOT_PLAYED = ("refund_application_fee", "reverse_transfer", "origin", "customer", "currency")


def charge_of(tx: Transaction, params: Body) -> Body:
    """The paid charge that is named, itself or by its payment intent. Raises Refusal for none, and a disputed one."""
    for name in _NOT_PLAYED:
        if name in params:
            raise not_played(name)
    if ("charge" in params) == ("payment_intent" in params):
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise Refusal(message, code="parameter_missing")
    if "charge" in params:
        charge = tx.get("charge", params["charge"], "charge")
    else:
        intent = tx.get("payment_intent", params["payment_intent"], "payment_intent")
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            raise Refusal(message, code="payment_intent_unexpected_state", param="payment_intent", executed=True)
        charge = tx.get("charge", intent["latest_charge"])
    if charge["status"] != "succeeded":
        raise Refusal(f"Charge {charge['id']} is not paid: it cannot be refunded.", param="charge", executed=True)
    _check_undisputed(tx, charge)
    return charge


def amount_of(charge: Body, params: Body) -> int:
    """The rest of the charge unless `amount` says how much. Raises Refusal when nothing is left, or too little."""
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise Refusal(message, code="charge_already_refunded", executed=True)
    amount: int = params.get("amount", left)
    if amount < 1:
        raise Refusal("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        asked, rest = written(amount, charge["currency"]), written(left, charge["currency"])
        message = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})"
        raise Refusal(message, param="amount", executed=True)
    return amount


def _check_undisputed(tx: Transaction, charge: Body) -> None:
    if any(not dispute["is_charge_refundable"] for dispute in tx.of_charge("dispute", charge["id"])):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise Refusal(message, code="charge_disputed", executed=True)
