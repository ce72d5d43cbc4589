"""What Stripe asks of a Checkout Session beyond types: limits, amounts, currencies, times, addresses.

Source: docs.stripe.com/api/checkout/sessions/create. A parameter that Stripe knows and the local Stripe does not
act on is refused by name, for a silently ignored one would be found in production.
"""

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

from shop.sandbox.currencies import LARGEST_CHARGE, SMALLEST_CHARGE, SUPPORTED, THREE_DECIMAL, written
from shop.sandbox.metadata import check_metadata
from shop.sandbox.refusals import Refusal, missing_parameter, not_played, too_many

Params = dict[str, Any]

MOST_LINE_ITEMS = 100
MOST_SHIPPING_OPTIONS = 5
EARLIEST_EXPIRY = 30 * 60
LATEST_EXPIRY = 24 * 60 * 60


def _words(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


_NOT_PLAYED = _words(
    """allow_promotion_codes consent_collection custom_fields customer_account customer_update invoice_creation managed_payments
    name_collection optional_items payment_method_configuration payment_method_data payment_method_options
    phone_number_collection return_url redirect_on_completion saved_payment_method_options setup_intent_data
    subscription_data tax_id_collection payment_method_collection permissions"""
)
_INTENT_NOT_PLAYED = ["application_fee_amount", "on_behalf_of", "setup_future_usage", "shipping", "transfer_data"]
_NOT_SWITCHED_ON = (("automatic_tax", ""), ("after_expiration", "recovery"))
# What may stand in a header of the payment page without meaning anything else there.
_HOST = re.compile(r"[A-Za-z0-9_.:-]+")
EMAIL = re.compile(r"^[^\s@<>,;]+@[^\s@<>,;.]+(\.[^\s@<>,;.]+)+$")


def check_session(params: Params) -> None:
    """Raises the first Refusal that Stripe would answer with."""
    _check_scope(params)
    _check_texts(params)
    currency = _check_line_items(params)
    _check_shipping(params, currency)
    _check_total(params, currency)


def check_expiry(params: Params, now: int) -> None:
    """`expires_at` between 30 minutes and 24 hours after creation."""
    expires_at = params.get("expires_at")
    if expires_at is None:
        return
    if expires_at < now + EARLIEST_EXPIRY:
        raise Refusal(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", param="expires_at"
        )
    if expires_at > now + LATEST_EXPIRY:
        raise Refusal(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", param="expires_at"
        )


def check_url(url: str | None, path: str) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url.replace("{CHECKOUT_SESSION_ID}", "id"))
        has_host = bool(_HOST.fullmatch(ascii_host(parts)))
        _ = parts.port
    except ValueError:
        raise Refusal("Not a valid URL", code="url_invalid", param=path) from None
    if not parts.scheme:
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise Refusal(message, code="url_invalid", param=path)
    if parts.scheme not in ("http", "https") or not has_host or re.search(r"\s", url):
        raise Refusal("Not a valid URL", code="url_invalid", param=path)


def ascii_host(parts: SplitResult) -> str:
    """The host as it travels, `münchen.example` as `xn--mnchen-3ya.example`. Raises ValueError for what is no name."""
    return (parts.hostname or "").encode("idna").decode()


def check_currency(currency: str, path: str) -> str:
    lower = currency.lower()
    if lower not in SUPPORTED:
        listed = ", ".join(sorted(SUPPORTED))
        raise Refusal(f"Invalid currency: {lower}. Stripe currently supports these currencies: {listed}", param=path)
    return lower


def check_length(text: str | None, most: int, path: str) -> None:
    if text is not None and len(text) > most:
        raise Refusal(f"Invalid string: {text[:8]}...{text[-8:]}; must be at most {most} characters", param=path)


def _check_scope(params: Params) -> None:
    if "mode" not in params:
        raise missing_parameter("mode")
    if params["mode"] != "payment":
        raise not_played("mode", f"only `payment`, not `{params['mode']}`")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise not_played("ui_mode", "only `hosted_page`")
    for name in _NOT_PLAYED:
        if params.get(name, False) is not False:
            raise not_played(name)
    if params.get("billing_address_collection") == "required":
        raise not_played("billing_address_collection", "only `auto`")
    if params.get("customer_creation") == "always":
        raise not_played("customer_creation", "only `if_required`")
    for outer, inner in _NOT_SWITCHED_ON:
        if _within(params, outer, inner).get("enabled"):
            raise not_played(f"{outer}[{inner}][enabled]" if inner else f"{outer}[enabled]")
    intent = params.get("payment_intent_data", {})
    for name in _INTENT_NOT_PLAYED:
        if name in intent:
            raise not_played(f"payment_intent_data[{name}]")
    if intent.get("capture_method") == "manual":
        raise not_played("payment_intent_data[capture_method]", "not `manual`")
    _check_references(params)


def _within(params: Params, outer: str, inner: str) -> Params:
    found: Params = params.get(outer) or {}
    return (found.get(inner) or {}) if inner else found


def _check_references(params: Params) -> None:
    """The account is new: it has no customers, coupons or promotion codes."""
    for index, discount in enumerate(params.get("discounts") or []):
        for kind, value in discount.items():
            name, param = kind.replace("_", " "), f"discounts[{index}][{kind}]"
            raise Refusal(f"No such {name}: '{value}'", code="resource_missing", param=param)
    if "customer" in params:
        raise Refusal(f"No such customer: '{params['customer']}'", code="resource_missing", param="customer")


def _check_texts(params: Params) -> None:
    if "success_url" not in params:
        raise missing_parameter("success_url")
    check_url(params["success_url"], "success_url")
    check_url(params.get("cancel_url"), "cancel_url")
    check_length(params.get("client_reference_id"), 200, "client_reference_id")
    check_metadata(params.get("metadata"), "metadata")
    check_metadata(params.get("payment_intent_data", {}).get("metadata"), "payment_intent_data[metadata]")
    for path, email in (
        ("customer_email", params.get("customer_email")),
        ("payment_intent_data[receipt_email]", params.get("payment_intent_data", {}).get("receipt_email")),
    ):
        if email is not None and not EMAIL.match(email):
            raise Refusal(f"Invalid email address: {email}", code="email_invalid", param=path)


def _check_line_items(params: Params) -> str:
    lines = params.get("line_items")
    if not lines:
        raise missing_parameter("line_items")
    if len(lines) > MOST_LINE_ITEMS:
        raise too_many("line_items", MOST_LINE_ITEMS)
    currency: str | None = None
    for index, line in enumerate(lines):
        path = f"line_items[{index}]"
        own = _check_line(line, path)
        if currency is not None and own != currency:
            message = f"The currency of `{path}` is `{own}`, but that of the other line items is `{currency}`."
            raise Refusal(message, param=f"{path}[price_data][currency]")
        currency = own
    assert currency is not None
    declared = params.get("currency")
    if declared is not None and check_currency(declared, "currency") != currency:
        raise Refusal(f"The currency `{declared}` is not that of the line items, `{currency}`.", param="currency")
    return currency


def _check_line(line: Params, path: str) -> str:
    if "price" in line:
        raise Refusal(f"No such price: '{line['price']}'", code="resource_missing", param=f"{path}[price]")
    if "price_data" not in line:
        raise Refusal(f"You must provide either `price` or `price_data` for `{path}`.", param=path)
    for name in ("tax_rates", "dynamic_tax_rates"):
        if line.get(name):
            raise not_played(f"{path}[{name}]")
    if line.get("adjustable_quantity", {}).get("enabled"):
        raise not_played(f"{path}[adjustable_quantity][enabled]")
    check_metadata(line.get("metadata"), f"{path}[metadata]")
    if "quantity" not in line:
        message = f"Quantity is required. Add `quantity` to `{path}`"
        raise Refusal(message, code="parameter_missing", param=f"{path}[quantity]")
    if line["quantity"] < 1:
        message = "This value must be greater than or equal to 1."
        raise Refusal(message, code="parameter_invalid_integer", param=f"{path}[quantity]")
    return _check_price(line["price_data"], f"{path}[price_data]")


def _check_price(price: Params, path: str) -> str:
    currency = check_currency(price["currency"], f"{path}[currency]")
    if "recurring" in price:
        message = "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices."
        raise Refusal(message, param=f"{path}[recurring]")
    if "unit_amount_decimal" in price:
        raise not_played(f"{path}[unit_amount_decimal]")
    if "unit_amount" not in price:
        raise missing_parameter(f"{path}[unit_amount]")
    if price["unit_amount"] < 0:
        raise Refusal("Invalid non-negative integer", code="parameter_invalid_integer", param=f"{path}[unit_amount]")
    if currency in THREE_DECIMAL and price["unit_amount"] % 10:
        message = f"Amounts in {currency} must have a last digit of 0: {price['unit_amount']}"
        raise Refusal(message, param=f"{path}[unit_amount]")
    if "product" in price:
        raise Refusal(f"No such product: '{price['product']}'", code="resource_missing", param=f"{path}[product]")
    product = price.get("product_data")
    if product is None:
        raise Refusal(f"You must specify either `product` or `product_data` in `{path}`.", param=path)
    if len(product.get("images", ())) > 8:
        raise too_many(f"{path}[product_data][images]", 8)
    for index, image in enumerate(product.get("images", ())):
        check_url(image, f"{path}[product_data][images][{index}]")
    check_metadata(product.get("metadata"), f"{path}[product_data][metadata]")
    return currency


def _check_shipping(params: Params, currency: str) -> None:
    options = params.get("shipping_options") or []
    if len(options) > MOST_SHIPPING_OPTIONS:
        raise too_many("shipping_options", MOST_SHIPPING_OPTIONS)
    for index, option in enumerate(options):
        path = f"shipping_options[{index}]"
        if "shipping_rate" in option:
            rate = option["shipping_rate"]
            raise Refusal(f"No such shipping rate: '{rate}'", code="resource_missing", param=f"{path}[shipping_rate]")
        if "shipping_rate_data" not in option:
            raise Refusal(f"You must provide either `shipping_rate` or `shipping_rate_data` for `{path}`.", param=path)
        _check_rate(option["shipping_rate_data"], f"{path}[shipping_rate_data]", currency)


def _check_rate(rate: Params, path: str, currency: str) -> None:
    check_length(rate["display_name"], 100, f"{path}[display_name]")
    check_metadata(rate.get("metadata"), f"{path}[metadata]")
    fixed = rate.get("fixed_amount")
    if fixed is None:
        raise missing_parameter(f"{path}[fixed_amount]")
    if fixed["amount"] < 0:
        path = f"{path}[fixed_amount][amount]"
        raise Refusal("Invalid non-negative integer", code="parameter_invalid_integer", param=path)
    own = check_currency(fixed["currency"], f"{path}[fixed_amount][currency]")
    if own != currency:
        message = f"The shipping rate's currency is `{own}`, but that of the line items is `{currency}`."
        raise Refusal(message, param=f"{path}[fixed_amount][currency]")


def _check_total(params: Params, currency: str) -> None:
    subtotal = sum(line["price_data"]["unit_amount"] * line["quantity"] for line in params["line_items"])
    shipping = [
        option["shipping_rate_data"]["fixed_amount"]["amount"] for option in params.get("shipping_options") or []
    ]
    # The first option is the one that the page proposes, and so the one that the total begins with.
    total = subtotal + (shipping[0] if shipping else 0)
    smallest = SMALLEST_CHARGE.get(currency, 1)
    if 0 < total < smallest:
        message = (
            f"The Checkout Session's total amount due must add up to at least {written(smallest, currency)} {currency}"
        )
        raise Refusal(message, code="amount_too_small")
    if subtotal + max(shipping, default=0) > LARGEST_CHARGE:
        message = (
            "The Checkout Session's total amount due must be no more than "
            f"{written(LARGEST_CHARGE, currency)} {currency}"
        )
        raise Refusal(message, code="amount_too_large")
