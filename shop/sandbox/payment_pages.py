"""The payment page as Stripe's command line pays it: by API calls that no documentation names."""

from typing import NotRequired, TypedDict

from shop.sandbox import methods, payments
from shop.sandbox.cards import Decline
from shop.sandbox.payments import Address, Buyer, Outcome
from shop.sandbox.refusals import Body, Refusal, declined
from shop.sandbox.sessions import KIND, NotOpen
from shop.sandbox.store import Transaction


class ReadParams(TypedDict):
    expand: NotRequired[list[str]]


class ConfirmParams(TypedDict):
    payment_method: str
    expected_amount: NotRequired[int]
    expand: NotRequired[list[str]]


def read(tx: Transaction, key: str) -> Body:
    return tx.get(KIND, key, "session")


def confirm(tx: Transaction, key: str, params: Body) -> Body | Refusal:
    """Pays a session with a payment method that was made before. A debit is decided at once, by its test account.

    A decline is returned, not raised. Raises Refusal for a session that is not open, another amount than the one that
    is due, and a method that is not offered.
    """
    session = tx.get(KIND, key, "session")
    method = methods.found(tx, params["payment_method"])
    if method["type"] not in session["payment_method_types"]:
        message = f"The payment method type {method['type']} is not offered by this Checkout Session."
        raise Refusal(message, param="payment_method")
    options = session["shipping_options"]
    due = session["amount_total"]
    if params.get("expected_amount", due) != due:
        message = f"The expected amount {params['expected_amount']} is not the amount that is due, {due}."
        raise Refusal(message, code="checkout_amount_mismatch", param="expected_amount")
    billing = method["billing_details"]
    address = Address(**{name: billing["address"][name] for name in Address.__dataclass_fields__})
    buyer = Buyer(billing["email"], billing["name"], address, options[0]["shipping_rate"] if options else None)
    try:
        outcome = payments.pay(tx, key, buyer, methods.means_of(tx, method))
    except NotOpen as ended:
        raise Refusal(f"This Checkout Session is {ended.session['status']}.", param="session", executed=True) from None
    if isinstance(outcome, Decline):
        intent = tx.get("payment_intent", tx.get(KIND, key)["payment_intent"])
        return declined(outcome.code, outcome.message, outcome.decline_code, intent["latest_charge"], intent)
    if outcome is Outcome.PROCESSING:
        payments.settle_delayed(tx, key, ok=methods.pays(tx, method))
    return tx.get(KIND, key)
