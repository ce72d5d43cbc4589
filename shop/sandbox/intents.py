"""Payment intents: begun under a session, or made by a shop itself as far as a card goes."""

from shop.sandbox import charges, disputes, events, methods
from shop.sandbox.cards import Decline, Means
from shop.sandbox.currencies import LARGEST_CHARGE, SMALLEST_CHARGE, check_currency, written
from shop.sandbox.metadata import change_metadata, check_metadata, stored_metadata
from shop.sandbox.refusals import Body, Refusal, check_played, declined, not_played
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction

KIND = "payment_intent"
_DESCRIBED = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_CREATED_WITH = (
    *_DESCRIBED,
    "allowed_payment_method_types",
    "amount",
    "automatic_payment_methods",
    "capture_method",
    "confirmation_method",
    "confirm",
    "currency",
    "excluded_payment_method_types",
    "metadata",
    "payment_method",
    "return_url",
    "shipping",
    "use_stripe_sdk",
)


def begin(
    tx: Transaction, wanted: Body, *, amount: int, currency: str, types: list[str], session: str | None = None
) -> Body:
    """A new intent that waits for a payment method; `wanted` are the parameters that describe it."""
    key = tx.new_id("pi_")
    shipping = wanted.get("shipping")
    intent = completed(
        {
            **{name: wanted.get(name) for name in _DESCRIBED},
            "id": key,
            "object": KIND,
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": 0,
            "capture_method": wanted.get("capture_method", "automatic_async"),
            "client_secret": tx.new_id(key + "_secret_", 25),
            "confirmation_method": wanted.get("confirmation_method", "automatic"),
            "created": tx.now,
            "currency": currency,
            "livemode": False,
            "metadata": stored_metadata(wanted.get("metadata")),
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": types,
            "shipping": shipping and {"carrier": None, "phone": None, "tracking_number": None, **shipping},
            "status": "requires_payment_method",
        }
    )
    tx.insert(intent, {"session": session} if session else {})
    events.record(tx, "payment_intent.created", intent)
    return intent


def succeed(tx: Transaction, intent: Body, charge_id: str) -> None:
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": charge_id}
    tx.update(intent)
    events.record(tx, "payment_intent.succeeded", intent)


def create(tx: Transaction, params: Body) -> Body | Refusal:
    """An intent of the shop's own, confirmed at once if `confirm` says so. A decline is returned, not raised."""
    check_played(params, *_CREATED_WITH)
    if params.get("capture_method") == "manual":
        raise not_played("capture_method", "not `manual`")
    currency = check_currency(params["currency"], "currency")
    _check_amount(params["amount"], currency)
    check_metadata(params.get("metadata"))
    intent = begin(tx, params, amount=params["amount"], currency=currency, types=_types(params))
    if "payment_method" in params:
        method = methods.found(tx, params["payment_method"])
        tx.update(intent | {"payment_method": method["id"], "status": "requires_confirmation"})
    return confirm(tx, intent["id"], {}) if params.get("confirm") else tx.get(KIND, intent["id"])


def update(tx: Transaction, key: str, params: Body) -> Body:
    """Changes the metadata and the description."""
    intent = tx.get(KIND, key, "intent")
    check_played(params, "metadata", "description")
    change_metadata(intent, params)
    if "description" in params:
        intent["description"] = params["description"] or None
    return tx.update(intent)


def confirm(tx: Transaction, key: str, params: Body) -> Body | Refusal:
    """Takes the money. A decline is returned, not raised, since its charge must be kept."""
    check_played(params, "payment_method", "return_url", "use_stripe_sdk")
    intent = _of_the_shop(tx, key)
    if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
        raise _wrong_state(intent, "confirm")
    named = params.get("payment_method", intent["payment_method"])
    if named is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. Update the PaymentIntent "
            "with a payment method and then confirm it again."
        )
        raise Refusal(message, code="payment_intent_unexpected_state", executed=True)
    method = methods.found(tx, named)
    means = methods.means_of(tx, method)
    if means.card is None:
        raise not_played("payment_method", "only cards outside of Checkout")
    intent |= {"payment_method": method["id"]}
    if means.card.asks_3ds:
        intent |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}}
        tx.update(intent)
        events.record(tx, "payment_intent.requires_action", intent)
        return intent
    return _charge(tx, intent, method, means, means.card.decline)


def cancel(tx: Transaction, key: str, params: Body) -> Body:
    """Ends an intent of the shop's own. Raises Refusal for one under a session, and for one that has ended."""
    intent = _of_the_shop(tx, key)
    if intent["status"] in ("succeeded", "canceled", "processing"):
        raise _wrong_state(intent, "cancel")
    reason = params.get("cancellation_reason")
    intent |= {"status": "canceled", "canceled_at": tx.now, "cancellation_reason": reason, "next_action": None}
    tx.update(intent)
    events.record(tx, "payment_intent.canceled", intent)
    return intent


def _charge(tx: Transaction, intent: Body, method: Body, means: Means, decline: Decline | None) -> Body | Refusal:
    made = charges.charge(tx, intent, method, means, decline)
    if decline:
        intent = charges.fail_intent(tx, intent, method, decline, made["id"])
        return declined(decline.code, decline.message, decline.decline_code, made["id"], intent)
    intent |= {"next_action": None, "last_payment_error": None}
    succeed(tx, intent, made["id"])
    disputes.follow(tx, made["id"])
    return intent


def _of_the_shop(tx: Transaction, key: str) -> Body:
    intent = tx.get(KIND, key, "intent")
    if "session" in tx.private(key):
        message = (
            "You cannot perform this action on PaymentIntents created by Checkout. You may need to expire the "
            "Checkout Session instead."
        )
        raise Refusal(message, executed=True)
    return intent


def _check_amount(amount: int, currency: str) -> None:
    if amount < 1:
        raise Refusal("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    smallest = SMALLEST_CHARGE.get(currency, 1)
    if amount < smallest:
        message = f"Amount must be at least {written(smallest, currency)} {currency}"
        raise Refusal(message, code="amount_too_small", param="amount")
    if amount > LARGEST_CHARGE:
        message = f"Amount must be no more than {written(LARGEST_CHARGE, currency)} {currency}"
        raise Refusal(message, code="amount_too_large", param="amount")


def _types(params: Body) -> list[str]:
    excluded = params.get("excluded_payment_method_types") or ()
    types = [kind for kind in params.get("allowed_payment_method_types") or ["card"] if kind not in excluded]
    if types != ["card"]:
        raise not_played("allowed_payment_method_types", "only `card` outside of Checkout")
    return types


def _wrong_state(intent: Body, verb: str) -> Refusal:
    message = f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
    return Refusal(message, code="payment_intent_unexpected_state", executed=True, more={"payment_intent": intent})
