"""Products and prices that a shop keeps at Stripe, and sessions that sell them."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from stripe.checkout import Session

from shop.sandbox.server import RunningSandbox

Create = Callable[..., Session]


@pytest.fixture
def price(api: stripe.StripeClient) -> stripe.Price:
    shirt = api.v1.products.create(params={"name": "Shirt", "metadata": {"sku": "S-1"}})
    return api.v1.prices.create(params={"product": shirt.id, "unit_amount": 4900, "currency": "SGD"})


def test_a_session_sells_a_price_that_is_kept_at_stripe(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create, price: stripe.Price
) -> None:
    session = checkout(line_items=[{"price": price.id, "quantity": 2}])
    assert (session.amount_total, session.currency) == (9800, "sgd")
    (line,) = api.v1.checkout.sessions.line_items.list(session.id).data
    assert (line.description, line.amount_total) == ("Shirt", 9800)
    assert line.price
    assert line.price.id == price.id
    assert local.control.pay(session.id)["payment_status"] == "paid"


def test_a_product_may_have_an_inline_price(api: stripe.StripeClient, checkout: Create, price: stripe.Price) -> None:
    data = {"currency": "sgd", "unit_amount": 100, "product": str(price.product)}
    session = checkout(line_items=[{"price_data": data, "quantity": 1}])
    (line,) = api.v1.checkout.sessions.line_items.list(session.id).data
    assert line.price
    assert (line.price.product, line.price.active) == (price.product, False)


def test_a_price_that_is_not_sold_any_more_is_refused(
    api: stripe.StripeClient, checkout: Create, price: stripe.Price
) -> None:
    api.v1.prices.update(price.id, params={"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="The price specified is inactive"):
        checkout(line_items=[{"price": price.id, "quantity": 1}])


def test_a_product_and_a_price_tell_what_became_of_them(
    api: stripe.StripeClient, local: RunningSandbox, price: stripe.Price
) -> None:
    api.v1.products.update(str(price.product), params={"name": "Tee", "metadata": {"sku": ""}})
    api.v1.products.update(str(price.product), params={"name": "Tee"})
    api.v1.prices.update(price.id, params={"nickname": "summer"})
    events = local.control.events()
    assert [event["type"] for event in events] == [
        "product.created",
        "price.created",
        "product.updated",
        "price.updated",
    ]
    assert events[2]["data"]["previous_attributes"] == {"name": "Shirt", "metadata": {"sku": "S-1"}}
    assert events[3]["data"]["previous_attributes"] == {"nickname": None}


def test_products_and_prices_are_listed_by_what_they_are(
    api: stripe.StripeClient, checkout: Create, price: stripe.Price
) -> None:
    checkout()  # its inline price and product are not for sale
    assert [found.id for found in api.v1.prices.list(params={"active": True}).data] == [price.id]
    assert [found.id for found in api.v1.products.list(params={"active": True}).data] == [price.product]
    assert len(api.v1.products.list(params={"active": False}).data) == 1
    assert [found.id for found in api.v1.products.list(params={"ids": [str(price.product)]}).data] == [price.product]
    assert api.v1.prices.list(params={"product": "prod_other"}).data == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"product": "prod_x"}, "No such product: 'prod_x'"),
        ({}, "either `product` or `product_data`"),
        ({"product_data": {"name": "x"}, "unit_amount": -1}, "Invalid non-negative integer"),
        ({"product_data": {"name": "x"}, "currency": "xyz"}, "Invalid currency: xyz"),
        ({"product_data": {"name": "x"}, "recurring": {"interval": "month"}}, "does not play `recurring`"),
    ],
)
def test_a_price_that_cannot_be_is_refused(api: stripe.StripeClient, given: dict[str, Any], message: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=message):
        api.v1.prices.create(params={"currency": "sgd", "unit_amount": 100, **given})  # type: ignore[typeddict-item]


def test_a_product_keeps_the_id_that_a_shop_gives_it_and_gives_it_once(api: stripe.StripeClient) -> None:
    assert api.v1.products.create(params={"name": "Shirt", "id": "shirt"}).id == "shirt"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.products.create(params={"name": "Shirt", "id": "shirt"})
    assert refused.value.code == "resource_already_exists"
