"""Payment methods that a shop makes itself, as Stripe's command line does: test cards by name, and test accounts."""

from shop.sandbox import charges
from shop.sandbox.cards import CARDS, Means, TestCard, passes_luhn, recognised
from shop.sandbox.metadata import check_metadata, stored_metadata
from shop.sandbox.refusals import Body, Refusal, check_played, missing_parameter, no_such, not_played
from shop.sandbox.store import Transaction

KIND = "payment_method"
_SEPA = "sepa_debit"

# docs.stripe.com/testing: the names that stand for test cards, as pm_card_... and as tok_...
_NAMED = {
    "visa": "4242424242424242",
    "mastercard": "5555555555554444",
    "amex": "378282246310005",
    "sg": "4000007020000003",
    "bypassPending": "4242424242424242",
    "authenticationRequired": "4000002760003184",
    "threeDSecure2Required": "4000002760003184",
    "chargeDeclined": "4000000000000002",
    "visa_chargeDeclined": "4000000000000002",
    "visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "visa_chargeDeclinedLostCard": "4000000000009987",
    "visa_chargeDeclinedStolenCard": "4000000000009979",
    "chargeDeclinedExpiredCard": "4000000000000069",
    "chargeDeclinedIncorrectCvc": "4000000000000127",
    "chargeDeclinedProcessingError": "4000000000000119",
    "visa_chargeDeclinedVelocityLimitExceeded": "4000000000006975",
    "createDispute": "4000000000000259",
    "createDisputeProductNotReceived": "4000000000002685",
    "createDisputeInquiry": "4000000000001976",
    "pendingRefund": "4000000000007726",
    "refundFail": "4000000000005126",
}
# The accounts that a debit of succeeds; of every other one it fails.
_PAYING_ACCOUNTS = frozenset(("AT611904300234573201", "DE89370400440532013000", "FR1420041010050500013M02606"))


def create(tx: Transaction, params: Body) -> Body:
    """A card by token or number, or an account to be debited. Raises Refusal for another kind."""
    check_played(params, "type", "card", _SEPA, "billing_details", "metadata", "allow_redisplay")
    check_metadata(params.get("metadata"))
    kind = params.get("type")
    if kind is None:
        raise missing_parameter("type")
    given = params.get("billing_details") or {}
    billing = {"name": None, "email": None, "phone": None, "tax_id": None, **given, "address": _address(given)}
    if kind == "card":
        card = _card(params.get("card") or {})
        expiry = {name: params["card"][name] for name in ("exp_month", "exp_year") if name in params["card"]}
        return _make(tx, Means(card, **expiry), billing, params, {"number": card.number})
    if kind != _SEPA:
        raise not_played("type", f"only `card` and `{_SEPA}`, not `{kind}`")
    if "iban" not in params.get(_SEPA, {}):
        raise missing_parameter(f"{_SEPA}[iban]")
    iban = params[_SEPA]["iban"].replace(" ", "").upper()
    return _make(tx, Means(), billing, params, {"pays": iban in _PAYING_ACCOUNTS})


def found(tx: Transaction, key: str) -> Body:
    """The payment method that is meant: an id, or the name of a test card. Raises Refusal for neither."""
    name = key.removeprefix("pm_card_")
    if key.startswith("pm_card_") and name in _NAMED:
        return create(tx, {"type": "card", "card": {"token": f"tok_{name}"}})
    method = tx.find(KIND, key)
    if method is None:
        raise Refusal(f"No such PaymentMethod: '{key}'", code="resource_missing", param="payment_method")
    return method


def means_of(tx: Transaction, method: Body) -> Means:
    """Raises Refusal for a method that was made on the payment page, where the buyer gave it for one payment."""
    private = tx.private(method["id"])
    if "number" in private:
        return Means(recognised(private["number"]))
    if "pays" in private:
        return Means()
    raise Refusal("This PaymentMethod was previously used and may not be used again.", param="payment_method")


def pays(tx: Transaction, method: Body) -> bool:
    """Whether a debit of the account succeeds in the end."""
    return bool(tx.private(method["id"]).get("pays"))


def _make(tx: Transaction, means: Means, billing: Body, params: Body, private: Body) -> Body:
    method = charges.payment_method(tx, means, billing, "eur")
    tx.remember(method["id"], private)
    said = {"metadata": stored_metadata(params.get("metadata"))}
    return tx.update(method | said | {"allow_redisplay": params.get("allow_redisplay", "unspecified")})


def _address(billing: Body) -> Body:
    names = ("city", "country", "line1", "line2", "postal_code", "state")
    return dict.fromkeys(names) | (billing.get("address") or {})


def _card(given: Body) -> TestCard:
    if "token" in given:
        number = _NAMED.get(given["token"].removeprefix("tok_"))
        if number is None:
            raise no_such("token", given["token"], "card[token]")
        return next(card for card in CARDS if card.number == number)
    number = given.get("number", "")
    if not passes_luhn(number):
        message = "Your card number is incorrect."
        raise Refusal(message, status=402, kind="card_error", code="incorrect_number", param="number")
    return recognised(number)
