"""What readers are told of merchandise that was taken away while they were buying it."""

import pytest
from flask import Flask
from sqlalchemy import select

from shop.articles.models import Article
from shop.articles.suppression import suppress
from shop.cart.models import CartLine
from shop.checkout.suppressing import give_back, take_away
from shop.db import Database
from shop.web.house import House
from tests.builders import a_product, shipping_to
from tests.support.reader import Page, Reader

STORY = "https://news.example/2018/06/kim"
TITLE = "Mug <b>& co"


@pytest.fixture
def product(database: Database) -> int:
    with database.transaction() as session:
        shipping_to(session, "SG")
        return a_product(session, "mug", title=TITLE).id


@pytest.fixture
def reader(app: Flask, product: int) -> Reader:
    return Reader(app.test_client())


@pytest.fixture
def house(app: Flask) -> House:
    house: House = app.extensions["understory"]
    return house


def article(database: Database) -> int:
    with database.reading() as session:
        return session.scalars(select(Article.id)).one()


def take(house: House, scope: str, value: int) -> int:
    return take_away(house.database, house.gateway, scope, value, reason="", actor="ed").suppression_id


def test_the_cart_says_what_is_no_longer_sold_lets_it_be_taken_out_and_takes_no_money(
    database: Database, reader: Reader, house: House
) -> None:
    reader.add("mug", placement=house.placements.sign(STORY, "Kim", "link"))
    suppression = take(house, "article", article(database))
    page = reader.get("/cart")
    assert f"{TITLE} is no longer sold under this story." in page.words
    assert "<b>&" not in page.text
    with database.reading() as session:
        line = session.scalars(select(CartLine.id)).one()
    assert not any(form.get("action") == f"/cart/lines/{line}" for form in page.all("form"))
    refused = reader.pay()
    assert refused.status == 409
    assert f"{TITLE} is no longer sold under this story." in refused.words
    give_back(database, suppression, actor="ed")
    assert "no longer sold" not in reader.get("/cart").words
    take(house, "article", article(database))
    assert reader.send(reader.get("/cart"), f"/cart/lines/{line}/removal").status == 303
    assert "There is nothing in it yet." in reader.get("/cart").words


@pytest.mark.parametrize("then", ["cart", "pay"])
def test_a_page_that_was_open_meanwhile_puts_nothing_into_a_cart(
    database: Database, reader: Reader, house: House, product: int, then: str
) -> None:
    page = reader.get("/products/mug")
    take(house, "product", product)
    answer = reader.send(page, "/cart/lines", then=then, country="SG")
    assert (answer.status, f"{TITLE} is no longer sold." in answer.words) == (409, True)
    with database.reading() as session:
        assert session.scalars(select(CartLine.id)).all() == []


def test_the_frame_says_so_beside_its_button(database: Database, app: Flask, house: House, product: int) -> None:
    with database.transaction() as session:
        article = Article(url=STORY, title="Kim", section="World", source="feed")
        session.add(article)
        suppress(session, "section", "world", "", "ed")
    form = {
        "product": "mug",
        "quantity": "1",
        "country": "SG",
        "placement": house.placements.sign(STORY, "Kim", "card"),
    }
    for path in ("/embed/cart", "/embed/checkout"):
        answer = Page(app.test_client().post(path, data=form))
        assert answer.status in {409, 422}
        assert f"{TITLE} is no longer sold under this story." in answer.words
    with database.reading() as session:
        assert session.scalars(select(CartLine.id)).all() == []
