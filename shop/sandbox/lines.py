"""What is sold in a session: its line items and the ways to send them."""

from shop.sandbox import products
from shop.sandbox.metadata import stored_metadata
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction


def with_what_they_name(tx: Transaction, params: Body) -> Body:
    """The parameters with prices, products and rates in the place of their ids. Raises Refusal for unknown ones."""
    resolved = dict(params)
    if params.get("line_items"):
        resolved["line_items"] = [
            _line_with_price(tx, line, f"line_items[{number}]") for number, line in enumerate(params["line_items"])
        ]
    if params.get("shipping_options"):
        resolved["shipping_options"] = [
            _named(tx, option, "shipping_rate", f"shipping_options[{number}]")
            for number, option in enumerate(params["shipping_options"])
        ]
    return resolved


def currency_of(line: Body) -> str:
    currency: str = (line.get("price") or line["price_data"])["currency"]
    return currency.lower()


def unit_amount_of(line: Body) -> int:
    amount: int = (line.get("price") or line["price_data"])["unit_amount"]
    return amount


def make_line(tx: Transaction, line: Body) -> Body:
    """The line item of a resolved line; an inline price and product are stored, and never sold again."""
    price, product = line.get("price"), None
    if price is None:
        data = line["price_data"]
        product = data.get("product") or products.make_product(tx, data["product_data"], active=False)
        price = products.make_price(tx, data, product, active=False)
    else:
        product = tx.get("product", price["product"])
    amount = price["unit_amount"] * line["quantity"]
    return completed(
        {
            "id": tx.new_id("li_"),
            "object": "item",
            "amount_discount": 0,
            "amount_subtotal": amount,
            "amount_tax": 0,
            "amount_total": amount,
            "currency": price["currency"],
            "description": product["name"],
            "metadata": stored_metadata(line.get("metadata")),
            "price": price,
            "quantity": line["quantity"],
        }
    )


def make_shipping_option(tx: Transaction, option: Body) -> Body:
    made = option.get("shipping_rate") or _make_rate(tx, option["shipping_rate_data"])
    return {"shipping_amount": made["fixed_amount"]["amount"], "shipping_rate": made["id"]}


def _make_rate(tx: Transaction, rate: Body) -> Body:
    fixed = rate["fixed_amount"] | {"currency": rate["fixed_amount"]["currency"].lower()}
    return tx.insert(
        completed(
            {
                "id": tx.new_id("shr_"),
                "object": "shipping_rate",
                "active": False,
                "created": tx.now,
                "delivery_estimate": rate.get("delivery_estimate"),
                "display_name": rate["display_name"],
                "fixed_amount": fixed,
                "livemode": False,
                "metadata": stored_metadata(rate.get("metadata")),
                "tax_behavior": rate.get("tax_behavior", "unspecified"),
                "tax_code": rate.get("tax_code"),
                "type": "fixed_amount",
            }
        )
    )


def _line_with_price(tx: Transaction, line: Body, path: str) -> Body:
    line = _named(tx, line, "price", path)
    if "product" in line.get("price_data", {}):
        line["price_data"] = _named(tx, line["price_data"], "product", f"{path}[price_data]")
    return line


def _named(tx: Transaction, given: Body, kind: str, path: str) -> Body:
    if kind not in given:
        return dict(given)
    found = tx.find(kind, given[kind])
    if found is None:
        name = kind.replace("_", " ")
        raise Refusal(f"No such {name}: '{given[kind]}'", code="resource_missing", param=f"{path}[{kind}]")
    return given | {kind: found}
