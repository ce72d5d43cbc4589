"""What search engines and sites that show links read in our pages: equal to the database, and harmless whatever it holds."""

import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from shop.catalog import stock
from shop.catalog.models import ProductImage, Variant
from shop.db import Database
from shop.money import parse_amount
from tests.builders import a_product, variants_of
from tests.support.reader import Page

SHOP = "http://localhost"
KEY = "ab" * 16


def data_in(client: FlaskClient, path: str) -> dict[str, Any]:
    """The page's block of schema.org data."""
    answer = client.get(path)
    assert answer.status_code == 200
    (block,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', answer.text, re.DOTALL)
    return dict(json.loads(block))


def offers_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    offers = data["offers"]
    return list(offers["offers"]) if offers["@type"] == "AggregateOffer" else [offers]


def meta(page: Page) -> dict[str, str]:
    return {at.get("property") or at.get("name", ""): at.get("content", "") for at in page.all("meta")}


def assert_equal_to_database(client: FlaskClient, database: Database, slug: str) -> None:
    data = data_in(client, f"/products/{slug}")
    with database.reading() as session:
        rows = session.execute(
            select(Variant).where(Variant.product.has(slug=slug), Variant.active).order_by(Variant.position)
        ).scalars()
        expected = [(row.sku, row.price_minor, row.available > 0) for row in rows]
    said = [
        (
            offer["sku"],
            parse_amount(offer["price"], offer["priceCurrency"]),
            offer["availability"] == "https://schema.org/InStock",
        )
        for offer in offers_of(data)
    ]
    assert said == expected
    assert {offer["availability"] for offer in offers_of(data)} <= {
        "https://schema.org/InStock",
        "https://schema.org/OutOfStock",
    }


def test_a_product_of_one_variant_is_one_offer(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, "mug", title="Deadline mug", tagline="Holds a shift.")
        session.add(ProductImage(product_id=product.id, key=KEY, alt="A mug", width=1600, height=1200))
        sku = variants_of(session, product)[0].sku
    data = data_in(client, "/products/mug")
    assert data["@context"] == "https://schema.org"
    assert data["@type"] == "Product"
    assert data["name"] == "Deadline mug"
    assert data["description"] == "Made well."
    assert data["sku"] == sku
    assert data["url"] == f"{SHOP}/products/mug"
    assert data["image"] == [f"{SHOP}/media/{KEY}-1280.jpg"]
    assert data["itemCondition"] == "https://schema.org/NewCondition"
    offer = data["offers"]
    assert offer["@type"] == "Offer"
    assert (offer["price"], offer["priceCurrency"]) == ("39.00", "SGD")
    assert offer["availability"] == "https://schema.org/InStock"
    assert offer["itemCondition"] == "https://schema.org/NewCondition"
    assert offer["url"] == f"{SHOP}/products/mug"
    assert_equal_to_database(client, database, "mug")


def test_several_variants_are_an_offer_each_from_the_lowest_price_to_the_highest(
    client: FlaskClient, database: Database
) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee", title="Tee", options={"Size": ["S", "M", "L"]}, stock=2)
        small, medium, _ = variants_of(session, product)
        session.execute(update(Variant).where(Variant.id == small.id).values(price_minor=3500))
        stock.adjust(session, medium.id, -2, "lost", "tests")
        ids = [variant.id for variant in variants_of(session, product)]
    aggregate = data_in(client, "/products/tee")["offers"]
    assert aggregate["@type"] == "AggregateOffer"
    assert (aggregate["lowPrice"], aggregate["highPrice"], aggregate["priceCurrency"]) == ("35.00", "39.00", "SGD")
    assert aggregate["offerCount"] == 3
    assert aggregate["availability"] == "https://schema.org/InStock"
    assert [offer["name"] for offer in aggregate["offers"]] == ["Tee, S", "Tee, M", "Tee, L"]
    assert [offer["url"] for offer in aggregate["offers"]] == [f"{SHOP}/products/tee?variant={id_}" for id_ in ids]
    for offer in aggregate["offers"]:
        assert client.get(offer["url"].removeprefix(SHOP)).status_code == 200
    assert_equal_to_database(client, database, "tee")


def test_what_is_said_of_the_stock_follows_the_stock(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee", options={"Size": ["S", "M"]}, stock=1)
        small, medium = variants_of(session, product)
    for variant in (small, medium):
        assert_equal_to_database(client, database, "tee")
        with database.transaction() as session:
            stock.adjust(session, variant.id, -1, "sold at the fair", "tests")
    assert_equal_to_database(client, database, "tee")
    assert data_in(client, "/products/tee")["offers"]["availability"] == "https://schema.org/OutOfStock"
    assert meta(Page(client.get("/products/tee")))["product:availability"] == "out of stock"


def test_pieces_that_others_are_paying_for_are_not_in_stock(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, "mug", stock=1)
        stock.reserve(session, {variants_of(session, product)[0].id: 1})
    assert data_in(client, "/products/mug")["offers"]["availability"] == "https://schema.org/OutOfStock"


@pytest.mark.parametrize(
    ("currency", "minor", "shown"), [("jpy", 500, "500"), ("kwd", 12_500, "12.500"), ("sgd", 5, "0.05")]
)
def test_a_price_has_the_decimals_of_its_currency(
    client: FlaskClient, database: Database, currency: str, minor: int, shown: str
) -> None:
    with database.transaction() as session:
        a_product(session, "mug", currency=currency, price=minor)
    offer = data_in(client, "/products/mug")["offers"]
    assert (offer["price"], offer["priceCurrency"]) == (shown, currency.upper())
    said = meta(Page(client.get("/products/mug")))
    assert (said["product:price:amount"], said["product:price:currency"]) == (shown, currency.upper())


def test_a_new_price_is_said_at_once(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, "mug")
    assert data_in(client, "/products/mug")["offers"]["price"] == "39.00"
    with database.transaction() as session:
        session.execute(update(Variant).where(Variant.product_id == product.id).values(price_minor=4100))
        stock.touch_catalogue(session)
    assert data_in(client, "/products/mug")["offers"]["price"] == "41.00"


@pytest.mark.parametrize(
    "title", ["</script><script>alert(1)</script>", "<!--<script>", "\u2028'\"&amp;\\", "]]>", "{{ 7*7 }}"]
)
def test_no_title_ends_the_block_or_becomes_markup(client: FlaskClient, database: Database, title: str) -> None:
    with database.transaction() as session:
        a_product(session, "odd", title=title, tagline=title)
    page = Page(client.get("/products/odd"))
    scripts = page.all("script")
    assert [at.get("type", at.get("src", "").partition("?")[0]) for at in scripts] == [
        "application/ld+json",
        "/static/shop.js",
    ]
    assert data_in(client, "/products/odd")["name"] == title
    assert meta(page)["og:title"] == title


def test_a_posted_link_has_a_title_words_and_an_absolute_picture(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, "mug", title="Deadline mug", tagline="Holds a shift.")
        session.add(ProductImage(product_id=product.id, key=KEY, alt="A mug", width=1600, height=1200))
    page = Page(client.get("/products/mug?story=https%3A%2F%2Fnews.example%2Fkim"))
    said = meta(page)
    assert said["og:type"] == "product"
    assert said["og:title"] == said["twitter:title"] == "Deadline mug"
    assert said["og:description"] == said["twitter:description"] == said["description"] == "Holds a shift."
    assert said["og:url"] == f"{SHOP}/products/mug"
    assert said["og:image"] == said["twitter:image"] == f"{SHOP}/media/{KEY}-1280.jpg"
    assert (said["og:image:width"], said["og:image:height"]) == ("1280", "960")
    assert said["og:image:alt"] == said["twitter:image:alt"] == "A mug"
    assert said["twitter:card"] == "summary_large_image"
    assert [at["href"] for at in page.all("link", rel="canonical")] == [f"{SHOP}/products/mug"]


def test_without_a_picture_nobody_is_promised_one(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "mug")
    said = meta(Page(client.get("/products/mug")))
    assert "og:image" not in said
    assert said["twitter:card"] == "summary"
    assert data_in(client, "/products/mug")["image"] == []


def test_a_refused_form_shows_the_page_with_the_same_data(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "mug")
    refused = client.post(
        "/cart/lines", data={"product": "mug", "quantity": "x"}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert refused.status_code == 422
    assert "application/ld+json" in refused.text


def test_only_the_first_page_of_the_shelf_is_the_shelf(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        for _ in range(14):
            a_product(session)
    page = Page(client.get("/?utm_source=letter"))
    assert [at["href"] for at in page.all("link", rel="canonical")] == [f"{SHOP}/"]
    assert meta(page)["og:url"] == f"{SHOP}/"
    (following,) = page.all("a", rel="next")
    later = Page(client.get(following["href"]))
    assert later.all("link", rel="canonical") == []
    assert meta(later)["robots"] == "noindex, follow"
