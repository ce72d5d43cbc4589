"""The parameters of a Checkout Session: exactly what Stripe is sent, built once and stored with the attempt.

Source of the rules: Stripe's reference for creating a Checkout Session, API version of the SDK in use.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from shop.cart.reading import CartLineView, CartView
from shop.checkout.origin import origin_of, origins
from shop.config import Settings
from shop.fulfilment.rates import Rate
from shop.languages import language_of

# Stripe's minimum charges by settlement currency (docs.stripe.com/currencies#minimum-and-maximum-charge-amounts); for
# currencies that are not listed Stripe itself decides, and its refusal is shown.
MINIMUM_MINOR = {
    "sgd": 50,
    "usd": 50,
    "eur": 50,
    "gbp": 30,
    "aud": 50,
    "cad": 50,
    "nzd": 50,
    "hkd": 400,
    "jpy": 50,
    "krw": 100,
    "inr": 50,
    "myr": 200,
    "thb": 1000,
}


# The languages of our mail that Stripe's page knows, too (its values of `locale`). Without one of them it follows the browser.
PAGE_LANGUAGES = {"en": "en", "zh_Hans": "zh", "ms": "ms"}


def return_url(settings: Settings, access_token: str) -> str:
    """Where Stripe sends a buyer who has paid. It carries the order's own unguessable token, never the session's id."""
    return f"{settings.shop_url}/orders/{access_token}/return"


def cancel_url(settings: Settings, access_token: str) -> str:
    """Where Stripe's "back" link leads."""
    return f"{settings.shop_url}/orders/{access_token}/cancelled"


class Payable(Protocol):
    """What a payment page is told of an order."""

    @property
    def id(self) -> int: ...
    @property
    def number(self) -> str: ...
    @property
    def access_token(self) -> str: ...
    @property
    def country(self) -> str: ...
    @property
    def locale(self) -> str: ...


def session_params(
    settings: Settings,
    order: Payable,
    cart: CartView,
    rates: tuple[Rate, ...],
    expires_at: datetime,
    stories: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Parameters for `checkout.sessions.create`, as plain JSON values. Amounts in minor units, `expires_at` in Unix seconds.

    `stories` are the addresses of the lines' articles, by id.
    """
    tags = {"order_id": str(order.id), "order_number": order.number}
    told = [(line, (stories or {}).get(line.article_id or 0, "")) for line in cart.lines]
    tags |= origins((line, story, line.quantity) for line, story in told)
    language = PAGE_LANGUAGES.get(language_of(order.locale)) if order.locale else None
    return {
        "mode": "payment",
        **({"locale": language} if language else {}),
        "client_reference_id": str(order.id),
        # The three do not propagate to each other: the session, the payment intent and the reference are set apart.
        "metadata": tags,
        "payment_intent_data": {"metadata": tags},
        "line_items": [_line_item(settings, line, story) for line, story in told],
        "shipping_address_collection": {"allowed_countries": [order.country]},
        "shipping_options": [_shipping_option(rate) for rate in rates],
        "success_url": return_url(settings, order.access_token),
        "cancel_url": cancel_url(settings, order.access_token),
        "expires_at": int(expires_at.timestamp()),
        # Amounts must be those of the order, in its currency.
        "adaptive_pricing": {"enabled": False},
        # An expired session must not come back as another one that nobody here knows.
        "after_expiration": {"recovery": {"enabled": False}},
        "submit_type": "pay",
    }


def _line_item(settings: Settings, line: CartLineView, story: str) -> dict[str, Any]:
    product: dict[str, Any] = {"name": line.title, "metadata": {"sku": line.sku} | origin_of(line, story)}
    if line.picture_key:
        product["images"] = [f"{settings.shop_url}/media/{line.picture_key}-640.jpg"]
    return {
        "quantity": line.quantity,
        "price_data": {
            "currency": line.unit_price.currency,
            "unit_amount": line.unit_price.minor,
            "product_data": product,
        },
    }


def _shipping_option(rate: Rate) -> dict[str, Any]:
    return {
        "shipping_rate_data": {
            "type": "fixed_amount",
            "display_name": rate.name,
            "fixed_amount": {"amount": rate.amount_minor, "currency": rate.currency},
            "delivery_estimate": {
                "minimum": {"unit": "business_day", "value": max(rate.min_days, 1)},
                "maximum": {"unit": "business_day", "value": max(rate.max_days, 1)},
            },
            "metadata": {"rate_id": str(rate.id)},
        }
    }


def offered_shipping(params: dict[str, Any]) -> dict[int, str]:
    """Shipping amounts (minor units) that a session was opened with, and their names."""
    return {
        option["shipping_rate_data"]["fixed_amount"]["amount"]: option["shipping_rate_data"]["display_name"]
        for option in params.get("shipping_options", [])
    }
