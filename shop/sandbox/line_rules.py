"""What Stripe asks of the goods and the shipping of a session: how many, which amounts, one currency."""

from typing import Any

from shop.sandbox.currencies import LARGEST_CHARGE, SMALLEST_CHARGE, check_currency, check_unit_amount, written
from shop.sandbox.lines import currency_of, unit_amount_of
from shop.sandbox.metadata import check_metadata
from shop.sandbox.refusals import Refusal, missing_parameter, not_played, too_many
from shop.sandbox.texts import check_length, check_url

Params = dict[str, Any]

MOST_LINE_ITEMS = 100
MOST_SHIPPING_OPTIONS = 5


def check_goods(params: Params) -> None:
    """Raises Refusal for what cannot be sold so; prices and rates that were named are there by now."""
    currency = _check_line_items(params)
    _check_shipping(params, currency)
    _check_total(params, currency)


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
    if ("price" in line) == ("price_data" in line):
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
    if "price" in line:
        if not line["price"]["active"]:
            message = "The price specified is inactive. This field only accepts active prices."
            raise Refusal(message, param=f"{path}[price]")
        return currency_of(line)
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
    check_unit_amount(price["unit_amount"], currency, f"{path}[unit_amount]")
    product = price.get("product_data", {})
    if ("product" in price) == ("product_data" in price):
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
        if ("shipping_rate" in option) == ("shipping_rate_data" in option):
            raise Refusal(f"You must provide either `shipping_rate` or `shipping_rate_data` for `{path}`.", param=path)
        name = "shipping_rate" if "shipping_rate" in option else "shipping_rate_data"
        _check_rate(option[name], f"{path}[{name}]", currency)


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
    subtotal = sum(unit_amount_of(line) * line["quantity"] for line in params["line_items"])
    options = params.get("shipping_options") or []
    rates = [option.get("shipping_rate") or option["shipping_rate_data"] for option in options]
    shipping = [rate["fixed_amount"]["amount"] for rate in rates]
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
