"""Products and prices: those that a shop keeps at Stripe, and those that a session's inline prices leave there."""

from shop.sandbox import events
from shop.sandbox.currencies import check_currency, check_unit_amount
from shop.sandbox.metadata import change_metadata, check_metadata, stored_metadata
from shop.sandbox.refusals import Body, Refusal, check_played, missing_parameter, not_played
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction

_PRODUCT_ECHOED = ("description", "tax_code", "unit_label", "url", "shippable", "statement_descriptor")
_PRODUCT_PLAYED = ("active", "name", "images", "metadata", *_PRODUCT_ECHOED)
_PRICE_PLAYED = ("active", "nickname", "lookup_key", "tax_behavior", "metadata")


def create_product(tx: Transaction, params: Body) -> Body:
    """Raises Refusal for an id that is taken."""
    check_played(params, "id", "type", *_PRODUCT_PLAYED)
    if "id" in params and tx.find("product", params["id"]):
        raise Refusal("Product already exists.", code="resource_already_exists", param="id")
    check_metadata(params.get("metadata"))
    product = make_product(tx, params, active=params.get("active", True))
    events.record(tx, "product.created", product)
    return product


def update_product(tx: Transaction, key: str, params: Body) -> Body:
    check_played(params, "default_price", *_PRODUCT_PLAYED)
    product = tx.get("product", key)
    before = dict(product)
    change_metadata(product, params)
    for name in ("active", "name", *_PRODUCT_ECHOED):
        if name in params:
            product[name] = None if params[name] == "" else params[name]
    if "images" in params:
        product["images"] = params["images"] or []
    if "default_price" in params:
        product["default_price"] = tx.get("price", params["default_price"], "default_price")["id"]
    return _tell_change(tx, product, before)


def create_price(tx: Transaction, params: Body) -> Body:
    """A price that is paid once. Raises Refusal for what is no amount, and for a product that there is not."""
    check_played(params, "currency", "unit_amount", "product", "product_data", "billing_scheme", *_PRICE_PLAYED)
    if params.get("billing_scheme", "per_unit") != "per_unit":
        raise not_played("billing_scheme", "only `per_unit`")
    currency = check_currency(params["currency"], "currency")
    if "unit_amount" not in params:
        raise missing_parameter("unit_amount")
    check_unit_amount(params["unit_amount"], currency, "unit_amount")
    if ("product" in params) == ("product_data" in params):
        raise Refusal("You must specify either `product` or `product_data` when creating a price.", param="product")
    check_metadata(params.get("metadata"))
    if "product" in params:
        product = tx.find("product", params["product"])
        if product is None:
            raise Refusal(f"No such product: '{params['product']}'", code="resource_missing", param="product")
    else:
        product = make_product(tx, params["product_data"], active=True)
        events.record(tx, "product.created", product)
    price = make_price(tx, params, product, active=params.get("active", True))
    events.record(tx, "price.created", price)
    return price


def update_price(tx: Transaction, key: str, params: Body) -> Body:
    """Changes what says something about a price; its amount is for ever."""
    check_played(params, *_PRICE_PLAYED)
    price = tx.get("price", key)
    before = dict(price)
    change_metadata(price, params)
    price |= {name: params[name] for name in _PRICE_PLAYED if name in params and name != "metadata"}
    return _tell_change(tx, price, before)


def make_product(tx: Transaction, about: Body, *, active: bool) -> Body:
    return tx.insert(
        completed(
            {
                **{name: about.get(name) for name in _PRODUCT_ECHOED},
                "id": about.get("id") or tx.new_id("prod_", 14),
                "object": "product",
                "active": active,
                "created": tx.now,
                "images": about.get("images", []),
                "livemode": False,
                "marketing_features": about.get("marketing_features", []),
                "metadata": stored_metadata(about.get("metadata")),
                "name": about["name"],
                "type": "service",
                "updated": tx.now,
            }
        )
    )


def make_price(tx: Transaction, data: Body, product: Body, *, active: bool) -> Body:
    return tx.insert(
        completed(
            {
                "id": tx.new_id("price_"),
                "object": "price",
                "active": active,
                "billing_scheme": "per_unit",
                "created": tx.now,
                "currency": data["currency"].lower(),
                "livemode": False,
                "lookup_key": data.get("lookup_key"),
                "metadata": stored_metadata(data.get("metadata")),
                "nickname": data.get("nickname"),
                "product": product["id"],
                "tax_behavior": data.get("tax_behavior", "unspecified"),
                "type": "one_time",
                "unit_amount": data["unit_amount"],
                "unit_amount_decimal": str(data["unit_amount"]),
            }
        )
    )


def _tell_change(tx: Transaction, body: Body, before: Body) -> Body:
    changed = {name: value for name, value in before.items() if body[name] != value}
    if changed:
        if "updated" in body:
            body["updated"] = tx.now
        tx.update(body)
        events.record(tx, f"{body['object']}.updated", body, changed)
    return body
