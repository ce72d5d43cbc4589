"""Answers held against the SDK's resource classes: every key that Stripe always sends is there, null or not.

The SDK raises AttributeError on an absent key, so a shop that reads `session.customer_details` before the
buyer has paid must find a null, as it would at Stripe.
"""

from functools import cache
from types import UnionType
from typing import Any, ForwardRef, Union, get_args, get_origin

import stripe
from stripe.checkout import Session

from shop.sandbox.refusals import Body

TYPES: dict[str, type[stripe.StripeObject]] = {
    "checkout.session": Session,
    "payment_intent": stripe.PaymentIntent,
    "payment_method": stripe.PaymentMethod,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "dispute": stripe.Dispute,
    "balance": stripe.Balance,
    "balance_transaction": stripe.BalanceTransaction,
    "webhook_endpoint": stripe.WebhookEndpoint,
    "event": stripe.Event,
    "item": stripe.LineItem,
    "price": stripe.Price,
    "product": stripe.Product,
    "shipping_rate": stripe.ShippingRate,
    "coupon": stripe.Coupon,
    "promotion_code": stripe.PromotionCode,
}

# Sent only when `expand` asks for them (Stripe's "includable" properties).
INCLUDABLE = {"checkout.session": {"line_items"}, "charge": {"refunds"}, "price": {"tiers"}}

# Of these Stripe sends only the keys that apply: one per payment method, or one per kind of step.
_SPARSE = {
    "PaymentMethod",
    "PaymentMethodDetails",
    "PaymentMethodOptions",
    "NextAction",
    "DestinationDetails",
    "Refund",
    "LastPaymentError",
}
# Sent only where they say something; the SDK itself cannot read a null in the second.
_ABSENT = {"deleted", "currency_options"}
_ALWAYS = {"PaymentMethod": {"billing_details", "customer", "customer_account", "allow_redisplay", "metadata"}}


def completed(body: Body) -> Body:
    """`body` with a null for each nullable key that its SDK class names, at every depth."""
    return _completed(TYPES[body["object"]], body)


def _completed(kind: type, body: Body) -> Body:
    full: Body = {}
    for name, (nullable, nested) in _keys(kind).items():
        if name in body:
            value = body[name]
            if nested and isinstance(value, dict) and "object" not in value:
                value = _completed(nested, value)
            elif nested and isinstance(value, list):
                value = [_completed(nested, v) if isinstance(v, dict) and "object" not in v else v for v in value]
            full[name] = value
        elif nullable and _is_sent(kind, name, body):
            full[name] = None
    strays = body.keys() - _keys(kind).keys()
    if strays:
        raise LookupError(f"{kind.__qualname__} has no {sorted(strays)}")
    return full


def _is_sent(kind: type, name: str, body: Body) -> bool:
    if name in _ABSENT or name in INCLUDABLE.get(str(body.get("object")), ()):
        return False
    if kind.__name__ == "Refund":
        return name not in ("description", "instructions_email", "next_action", "presentment_details")
    return kind.__name__ not in _SPARSE or name in _ALWAYS.get(kind.__name__, ())


@cache
def _keys(kind: type) -> dict[str, tuple[bool, type | None]]:
    """Of each annotated key: may it be null, and which nested class has it."""
    keys = {}
    for name, hint in kind.__annotations__.items():
        if name.isupper() or name.startswith("_"):
            continue
        nullable, nested = _read(hint)
        keys[name] = (nullable, nested)
    return keys


def _read(hint: Any) -> tuple[bool, type | None]:
    if isinstance(hint, type) and issubclass(hint, stripe.StripeObject):
        return False, hint
    if get_origin(hint) in (Union, UnionType):
        members = get_args(hint)
        nested = next((n for n in (_read(m)[1] for m in members) if n is not None), None)
        return type(None) in members, nested
    if get_origin(hint) is list:
        return False, _read(get_args(hint)[0])[1]
    return False, None


@cache
def expandable(kind: str) -> frozenset[str]:
    """The properties of an object type that `expand` may name."""
    found = {name for name, hint in TYPES[kind].__annotations__.items() if _may_expand(hint)}
    return frozenset(found | INCLUDABLE.get(kind, set()))


def _may_expand(hint: Any) -> bool:
    if isinstance(hint, (ForwardRef, str)):
        return "ExpandableField" in str(hint)
    if "ExpandableField" in repr(hint):
        return True
    # ExpandableField["X"] is Union[str, "X"] once evaluated.
    if get_origin(hint) in (Union, UnionType):
        members = [m for m in get_args(hint) if m is not type(None)]
        return str in members and any(isinstance(m, ForwardRef) for m in members)
    return False
