"""How many SQL statements a request may take, however much there is in the shop, in the cart or in the order."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import stripe
from flask.testing import FlaskClient

from shop.db import Database
from tests.builders import a_product, shipping_to
from tests.conftest import TEST_WEBHOOK_SECRET, Shop
from tests.support.reader import Page, Reader
from tests.support.statements import statements

STORY = "https://news.example/2018/06/kim"
FEW, MANY = 2, 9

SHELF = PRODUCT = FRAME = CART_PAGE = 4
ORDER_PAGE = 5
ADD, EMBED_ADD = 8, 9
PAID = 8
# Goods are reserved one after the other, in the order that keeps two buyers from a deadlock, each with its guard.
PLACE, PLACE_A_LINE = 13, 1

Budget = Callable[[int], "contextmanager[None]"]


@pytest.fixture(params=[FEW, MANY], ids=["few", "many"])
def count(request: pytest.FixtureRequest) -> int:
    """How many products there are, and how many of them are bought."""
    return int(request.param)


@pytest.fixture
def slugs(database: Database, count: int) -> list[str]:
    with database.transaction() as session:
        shipping_to(session, "SG", "MY")
        for number in range(count):
            a_product(
                session,
                f"tee-{number}",
                title=f"Shirt {number}",
                options={"Size": ["S", "M"], "Colour": ["Black", "White"][: 1 + number % 2]},
                stock=99,
                with_image=True,
            )
    return [f"tee-{number}" for number in range(count)]


@pytest.fixture
def reader(shop: Shop, slugs: list[str]) -> Reader:
    """A reader of a shop that other readers have opened before: what is kept between requests is there."""
    other = Reader(shop.app.test_client())
    other.get("/")
    for slug in slugs:
        other.get(f"/products/{slug}")
        other.get("/embed/frame", product=slug)
    return Reader(shop.app.test_client())


@pytest.fixture
def within(shop: Shop) -> Callable[[int], object]:
    """`with within(4):` fails if the block sends more statements than that, and says which."""

    @contextmanager
    def block(most: int) -> Iterator[None]:
        with statements(shop.app.extensions["understory"].database.engine) as sent:
            yield
        assert 0 < len(sent) <= most, "\n".join([f"{len(sent)} statements:", *sent])

    return block


def first_choices(page: Page) -> dict[str, str]:
    """The first value of each option on a page."""
    chosen: dict[str, str] = {}
    for at in page.all("input", type="radio"):
        chosen.setdefault(at["name"], at["value"])
    return chosen


def fill(reader: Reader, slugs: list[str]) -> None:
    """One piece of each product in the reader's cart."""
    for slug in slugs:
        page = reader.get(f"/products/{slug}")
        assert reader.send(page, "/cart/lines", then="cart", **first_choices(page)).status == 303


def card_of(client: FlaskClient, slug: str, **query: str) -> tuple[Page, dict[str, str]]:
    page = Page(client.get("/embed/frame", query_string={"product": slug, **query}))
    return page, page.form("/embed/cart").fields | first_choices(page)


def test_the_shelf(reader: Reader, within: Budget) -> None:
    with within(SHELF):
        assert reader.get("/").status == 200


def test_a_page_of_a_product(reader: Reader, within: Budget) -> None:
    with within(PRODUCT):
        assert reader.get("/products/tee-0", story=STORY, title="Kim, in demand").status == 200


def test_the_card_under_a_story(reader: Reader, within: Budget) -> None:
    with within(FRAME):
        assert reader.get("/embed/frame", product="tee-0", story=STORY).status == 200


@pytest.mark.parametrize("story", [{}, {"story": STORY}], ids=["from the shelf", "from a story"])
def test_adding_from_the_shops_page_to_a_new_cart_and_to_a_full_one(
    reader: Reader, slugs: list[str], within: Budget, story: dict[str, str]
) -> None:
    page = reader.get("/products/tee-0", **story)
    with within(ADD):
        assert reader.send(page, "/cart/lines", then="cart", **first_choices(page)).status == 303
    fill(reader, slugs)
    with within(ADD):
        assert reader.send(page, "/cart/lines", then="cart", **first_choices(page)).status == 303


@pytest.mark.parametrize("story", [{}, {"story": STORY}], ids=["from nowhere", "from a story"])
def test_adding_from_the_card_to_a_new_cart_and_to_a_full_one(
    shop: Shop, reader: Reader, slugs: list[str], within: Budget, story: dict[str, str]
) -> None:
    client = shop.app.test_client()
    _, form = card_of(client, "tee-0", **story)
    with within(EMBED_ADD):
        added = Page(client.post("/embed/cart", data=form | {"country": "SG"}))
    handle = added.all("main")[0]["data-handle"]
    for slug in slugs:
        client.post("/embed/cart", data=card_of(client, slug)[1] | {"handle": handle})
    with within(EMBED_ADD):
        again = Page(client.post("/embed/cart", data=form | {"handle": handle, "country": "MY"}))
    assert again.all("main")[0]["data-handle"] == handle
    assert int(again.all("main")[0]["data-count"]) == len(slugs) + 2


def test_the_carts_page(reader: Reader, slugs: list[str], within: Budget) -> None:
    fill(reader, slugs)
    with within(CART_PAGE):
        assert "Shirt 0" in reader.get("/cart").words


def test_paying_for_a_cart(reader: Reader, slugs: list[str], within: Budget) -> None:
    fill(reader, slugs)
    cart = reader.get("/cart")
    with within(PLACE + PLACE_A_LINE * len(slugs)):
        assert reader.send(cart, "/checkout").status == 303


def test_the_word_that_an_order_is_paid_and_its_page(
    shop: Shop, reader: Reader, slugs: list[str], within: Budget
) -> None:
    shop.stripe.hold_deliveries()
    fill(reader, slugs)
    assert reader.pay().status == 303
    shop.stripe.pay(shop.stripe.sessions()[0]["id"])
    (event,) = shop.stripe.events("checkout.session.completed")
    body = json.dumps(event)
    signed = {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body, TEST_WEBHOOK_SECRET)}
    with within(PAID):
        answer = reader.client.post("/webhooks/stripe", data=body, headers=signed)
    assert answer.get_json()["state"] == "applied"
    token = shop.order(int(event["data"]["object"]["client_reference_id"])).access_token
    with within(ORDER_PAGE):
        assert "Paid" in reader.get(f"/orders/{token}").words
