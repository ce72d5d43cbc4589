"""GET /: what is on sale, a page at a time."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from shop.catalog import stock
from shop.catalog.models import Product, Variant
from shop.db import Database, now
from tests.builders import a_product, variants_of
from tests.support.reader import Page, Reader
from tests.support.statements import statements

PAGE = 12


def fill(database: Database, count: int) -> None:
    with database.transaction() as session:
        for number in range(count):
            a_product(session, f"thing-{number:02}", title=f"Thing {number:02}")


def shown(page: Page) -> list[str]:
    """The slugs on the page, in order."""
    return [
        at["href"].removeprefix("/products/") for at in page.all("a") if at.get("href", "").startswith("/products/")
    ]


def more(page: Page) -> str:
    return next((at["href"] for at in page.all("a", rel="next")), "")


def walk(reader: Reader, between: Callable[[], None] = lambda: None) -> list[str]:
    """Every slug on the way from the first page to the last, with `between` happening after each page."""
    seen: list[str] = []
    path = "/"
    while path:
        page = reader.get(path)
        assert page.status == 200
        seen += shown(page)
        path = more(page)
        between()
    return seen


def test_paging_shows_everything_once_in_the_staffs_order(database: Database, client: FlaskClient) -> None:
    fill(database, 2 * PAGE + 1)
    assert walk(Reader(client)) == [f"thing-{number:02}" for number in range(2 * PAGE + 1)]


def test_a_last_page_that_is_just_full_has_no_next_one(database: Database, client: FlaskClient) -> None:
    fill(database, PAGE)
    assert more(Reader(client).get("/")) == ""


def test_what_comes_and_goes_meanwhile_repeats_nothing_and_hides_nothing(
    database: Database, client: FlaskClient
) -> None:
    fill(database, 2 * PAGE + 1)
    steps = iter(range(100))

    def meanwhile() -> None:
        with database.transaction() as session:
            first = a_product(session, f"new-{next(steps)}", title="New")
            first.position = -1
            session.query(Product).filter_by(slug="thing-03").update({"status": "archived"})

    assert walk(Reader(client), meanwhile) == [f"thing-{number:02}" for number in range(2 * PAGE + 1)]


def test_products_on_one_position_are_told_apart(database: Database, client: FlaskClient) -> None:
    fill(database, PAGE + 3)
    with database.transaction() as session:
        session.execute(update(Product).values(position=7))
    assert walk(Reader(client)) == [f"thing-{number:02}" for number in range(PAGE + 3)]


@pytest.mark.parametrize(
    "cursor", ["", "x", ".", "1", "1.", ".1", "--1.1", "1-.1", "²·.1", "1.2.3", "1e3.1", "%00.%00", "<script>"]
)
def test_a_cursor_that_is_none_begins_at_the_start(database: Database, client: FlaskClient, cursor: str) -> None:
    fill(database, 2)
    page = Reader(client).get("/", after=cursor)
    assert page.status == 200
    assert shown(page) == ["thing-00", "thing-01"]


@pytest.mark.parametrize("cursor", ["9999999999999999999.1", "-9999999999999999999.1", "1.9999999999999999999", "-5.0"])
def test_a_cursor_beyond_all_numbers_breaks_nothing(database: Database, client: FlaskClient, cursor: str) -> None:
    fill(database, 2)
    page = Reader(client).get("/", after=cursor)
    assert page.status == 200
    assert set(shown(page)) <= {"thing-00", "thing-01"}


def test_a_page_beyond_the_end_says_so_and_leads_back(database: Database, client: FlaskClient) -> None:
    fill(database, 1)
    page = Reader(client).get("/", after="2000000000.1")
    assert page.status == 200
    assert "That is all there is." in page.words
    assert "/" in {at["href"] for at in page.all("a", **{"class": "button"})}


def test_an_empty_shop_says_so(client: FlaskClient) -> None:
    assert "Nothing is on sale just now" in Reader(client).get("/").words


HIDDEN = {
    "a draft": ({"status": "draft"}, 404),
    "archived": ({"status": "archived"}, 410),
    "not yet published": ({"publish_at": now() + timedelta(hours=1)}, 404),
    "no longer published": ({"unpublish_at": now() - timedelta(seconds=1)}, 200),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_what_is_not_on_sale_is_neither_on_the_shelf_nor_offered_at_its_address_nor_bought(
    database: Database, client: FlaskClient, case: str
) -> None:
    fields, status = HIDDEN[case]
    with database.transaction() as session:
        a_product(session, "shown", title="Shown")
        a_product(session, "hidden", title="Hidden", **fields)
    reader = Reader(client)
    assert shown(reader.get("/")) == ["shown"]
    there = reader.get("/products/hidden")
    assert there.status == status
    assert 'action="/cart/lines"' not in there.text
    assert reader.send(reader.get("/products/shown"), "/cart/lines", product="hidden").status == 404


def test_a_product_whose_time_has_come_is_shown(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        a_product(session, "mug", publish_at=now() - timedelta(seconds=1), unpublish_at=now() + timedelta(hours=1))
    assert shown(Reader(client).get("/")) == ["mug"]
    assert Reader(client).get("/products/mug").status == 200


def test_a_product_whose_every_variant_was_taken_off_is_hidden(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        a_product(session, "mug")
        session.execute(update(Variant).values(active=False))
        stock.touch_catalogue(session)
    assert shown(Reader(client).get("/")) == []
    assert Reader(client).get("/products/mug").status == 404


def test_a_card_says_what_it_costs_and_whether_any_are_left(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee", options={"Size": ["S", "M"]}, price=3900)
        variants_of(session, product)[1].price_minor = 4500
        a_product(session, "gone", title="Gone", stock=0)
    words = Reader(client).get("/").words
    assert "From $39.00" in words
    assert words.count("Sold out") == 1


def test_pictures_keep_their_place_and_come_in_sizes(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        a_product(session, "tee", with_image=True)
    for path in ("/", "/products/tee"):
        page = Reader(client).get(path)
        image = page.all("img")[0]
        assert (image["width"], image["height"]) == ("1600", "1600"), path
        assert image["srcset"].count("w,") == 3, path
        assert [at["type"] for at in page.all("source")][:2] == ["image/avif", "image/webp"], path
        assert "loading" not in image, "the first picture is what the reader waits for"


def test_titles_are_text(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        a_product(session, "x", title="<script>alert(1)</script>", tagline='"><img src=x onerror=alert(1)>')
    for path in ("/", "/products/x"):
        text = Reader(client).get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_the_shelf_asks_the_database_once(app: Flask, database: Database, client: FlaskClient) -> None:
    fill(database, PAGE + 1)
    client.get("/")
    with statements(app.extensions["understory"].database.engine) as sent:
        client.get("/")
    assert len(sent) <= 4, "\n".join(sent)
