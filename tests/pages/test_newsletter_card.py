"""The picture of a product in a letter: what stands on it, how long it holds, and what it cannot be made to say."""

import io
import re
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import delete, update
from werkzeug.test import TestResponse

from shop.app import create_app
from shop.catalog import stock
from shop.catalog.models import Product, ProductImage, StockMovement, Variant, VariantChoice
from shop.catalog.pictures import store_picture
from shop.catalog.price_tag import PriceTags
from shop.config import Settings
from shop.db import Database, now
from shop.web.embed import card, drawing, typeface
from shop.web.embed.card import Words, cards
from shop.web.house import house
from tests.builders import a_product

DAY = date(2026, 11, 25)
RED = (200, 30, 30)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Words]:
    """The words of each card that is drawn."""
    words: list[Words] = []
    real = drawing.draw

    def noted(said: Words, picture: Path | None, scale: int) -> bytes:
        words.append(said)
        return real(said, picture, scale)

    monkeypatch.setattr(card, "draw", noted)
    return words


@pytest.fixture(autouse=True)
def mug(database: Database, settings: Settings) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (800, 600), RED).save(picture, "PNG")
    stored = store_picture(settings.media_folder, picture.getvalue())
    with database.transaction() as session:
        product = a_product(session, "mug", title="Deadline mug", stock=5)
        session.add(
            ProductImage(product_id=product.id, key=stored.key, alt="A mug", width=stored.width, height=stored.height)
        )


def signed(app: Flask, slug: str = "mug", day: date = DAY) -> str:
    with app.app_context():
        product = house().product(slug)
        assert product
        return cards().tags.sign(product, day)


def image_of(answer: TestResponse) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "image/png"
    return Image.open(io.BytesIO(answer.data)).convert("RGB")


def reprice(database: Database, price: int) -> None:
    with database.transaction() as session:
        session.execute(update(Variant).values(price_minor=price))
        stock.touch_catalogue(session)


def test_the_card_is_a_picture_with_the_products_own_in_it(client: FlaskClient, drawn: list[Words]) -> None:
    answer = client.get("/embed/card/mug.png")
    image = image_of(answer)
    assert image.size == (600, 200)
    assert all(abs(seen - meant) < 12 for seen, meant in zip(image.getpixel((100, 100)), RED, strict=True))  # type: ignore[arg-type]
    # And dark words on light paper beside it.
    darkest, lightest = image.convert("L").crop((224, 10, 590, 190)).getextrema()
    assert darkest < 60  # type: ignore[operator]
    assert lightest > 240  # type: ignore[operator]
    assert drawn == [Words("Understory", "Deadline mug", "$39.00")]
    assert len(answer.data) < 60_000


def test_for_screens_with_twice_the_pixels_it_is_twice_the_size(client: FlaskClient) -> None:
    assert image_of(client.get("/embed/card/mug.png?scale=2")).size == (1200, 400)
    assert image_of(client.get("/embed/card/mug.png?scale=1")).size == (600, 200)


@pytest.mark.parametrize("scale", ["0", "3", "-1", "1e9", "2.0", "x"])
def test_there_are_no_other_sizes(client: FlaskClient, scale: str) -> None:
    assert client.get(f"/embed/card/mug.png?scale={scale}").status_code == 400


def test_a_letter_shows_the_price_of_the_day_on_which_it_was_sent(
    app: Flask, client: FlaskClient, database: Database, drawn: list[Words]
) -> None:
    tag = signed(app)
    reprice(database, 4500)
    image_of(client.get("/embed/card/mug.png", query_string={"price": tag}))
    image_of(client.get("/embed/card/mug.png"))
    assert drawn == [
        Words("Understory", "Deadline mug", "$39.00", "Price on 25 November 2026"),
        Words("Understory", "Deadline mug", "$45.00"),
    ]


def test_nobody_but_the_shop_can_have_a_price_printed(
    app: Flask, client: FlaskClient, database: Database, drawn: list[Words]
) -> None:
    with database.transaction() as session:
        a_product(session, "cheap", title="Cheap", price=100)
    tag = signed(app)
    with app.app_context():
        product = house().product("mug")
        assert product
        foreign = PriceTags(("another shop's key" * 3,)).sign(product, DAY)
    tries = ["3900", "1", "$0.01", foreign, tag[:-1], "A" + tag, tag.replace(".", ""), signed(app, "cheap"), "x" * 9000]
    for made in tries:
        image_of(client.get("/embed/card/mug.png", query_string={"price": made}))
    assert {words.price for words in drawn} == {"$39.00"}
    assert {words.note for words in drawn} == {""}


def test_nothing_of_the_address_is_drawn(client: FlaskClient, drawn: list[Words]) -> None:
    asked = {"title": "Free beer", "text": "Free beer", "shop": "Free beer", "cta": "Free beer"}
    image_of(client.get("/embed/card/mug.png", query_string=asked))
    assert "Free" not in str(drawn)


def test_what_costs_more_in_other_sizes_costs_from(
    app: Flask, client: FlaskClient, database: Database, drawn: list[Words]
) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee", options={"Size": ["S", "M"]})
        session.execute(
            update(Variant).where(Variant.product_id == product.id, Variant.title == "M").values(price_minor=4200)
        )
    image_of(client.get("/embed/card/tee.png"))
    image_of(client.get("/embed/card/tee.png", query_string={"price": signed(app, "tee")}))
    assert [words.price for words in drawn] == ["from $39.00", "from $39.00"]


def test_yen_have_no_decimals(client: FlaskClient, database: Database, drawn: list[Words]) -> None:
    with database.transaction() as session:
        a_product(session, "fan", currency="jpy", price=500)
    image_of(client.get("/embed/card/fan.png"))
    assert re.fullmatch(r"\D*500", drawn[0].price)


# What becomes of letters that are out


def test_a_product_that_is_not_on_sale_has_no_card(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "draft", status="draft")
        a_product(session, "over", unpublish_at=now() - timedelta(hours=1))
    for slug in ("draft", "over", "nothing", "m'ug", "x" * 200):
        assert client.get(f"/embed/card/{slug}.png").status_code == 404, slug


@pytest.mark.parametrize(
    ("fields", "title"),
    [({"unpublish_at": now() - timedelta(hours=1)}, "Deadline mug"), ({"status": "archived"}, "")],
)
def test_a_letter_that_is_out_says_that_its_product_is_no_longer_on_sale(
    app: Flask, client: FlaskClient, database: Database, drawn: list[Words], fields: dict[str, object], title: str
) -> None:
    tag = signed(app)
    with database.transaction() as session:
        session.execute(update(Product).values(**fields))
        stock.touch_catalogue(session)
    image_of(client.get("/embed/card/mug.png", query_string={"price": tag}))
    assert drawn == [Words("Understory", title, note="No longer on sale")]


def test_a_letter_that_is_out_never_has_a_hole_even_where_the_product_was_deleted(
    app: Flask, client: FlaskClient, database: Database, drawn: list[Words]
) -> None:
    tag = signed(app)
    with database.transaction() as session:
        for model in (VariantChoice, StockMovement, Variant, ProductImage, Product):
            session.execute(delete(model))
        stock.touch_catalogue(session)
    image_of(client.get("/embed/card/mug.png", query_string={"price": tag}))
    assert drawn == [Words("Understory", "", note="No longer on sale")]


def test_what_came_in_a_products_place_is_shown_with_its_own_price(
    app: Flask, client: FlaskClient, database: Database, drawn: list[Words]
) -> None:
    tag = signed(app)
    with database.transaction() as session:
        other = a_product(session, "mug-2", title="Deadline mug, second edition", price=4400)
        session.execute(update(Product).where(Product.slug == "mug").values(successor_id=other.id, status="archived"))
        stock.touch_catalogue(session)
    image_of(client.get("/embed/card/mug.png", query_string={"price": tag}))
    assert drawn == [Words("Understory", "Deadline mug, second edition", "$44.00")]


def test_a_card_says_that_its_product_has_sold_out(client: FlaskClient, database: Database, drawn: list[Words]) -> None:
    with database.transaction() as session:
        a_product(session, "gone", title="Gone", stock=0)
    image_of(client.get("/embed/card/gone.png"))
    assert drawn == [Words("Understory", "Gone", "$39.00", "Sold out for now")]


def test_a_letter_keeps_its_price_when_the_key_is_rolled(
    app: Flask, make_settings: Callable[..., Settings], drawn: list[Words], database: Database
) -> None:
    old, new = "o" * 40, "n" * 40
    with app.app_context():
        product = house().product("mug")
        assert product
        tag = PriceTags((old,)).sign(product, DAY)
    reprice(database, 4500)
    rolled = create_app(make_settings(shop_secret_key=f"{new},{old}"))
    image_of(rolled.test_client().get("/embed/card/mug.png", query_string={"price": tag}))
    rolled.extensions["understory"].database.close()
    assert drawn[0].price == "$39.00"


# Kept


def test_who_has_the_card_already_is_told_so(client: FlaskClient, database: Database) -> None:
    first = client.get("/embed/card/mug.png")
    tag = first.headers["ETag"]
    assert tag.startswith('"')
    again = client.get("/embed/card/mug.png", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    reprice(database, 4500)
    changed = client.get("/embed/card/mug.png", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_the_card_is_the_same_for_everybody_and_may_stand_on_other_sites(client: FlaskClient) -> None:
    answer = client.get("/embed/card/mug.png")
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"].startswith("public")
    assert "product-" in answer.headers["Surrogate-Key"]
    assert "Set-Cookie" not in answer.headers


def test_a_card_is_drawn_once_however_many_ask_at_once(app: Flask, drawn: list[Words]) -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(app.test_client().get("/embed/card/mug.png").status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert len(drawn) == 1


def test_invented_addresses_have_nothing_drawn_and_nothing_kept(
    app: Flask, client: FlaskClient, drawn: list[Words]
) -> None:
    for number in range(300):
        client.get(f"/embed/card/mug.png?price=invented-{number}&x={number}")
        client.get(f"/embed/card/mug-{number}.png")
    assert len(drawn) == 1


# Drawing


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without any typeface of its own."""
    monkeypatch.setattr(typeface, "FOLDERS", ())
    typeface._installed.cache_clear()
    yield
    typeface._installed.cache_clear()


@pytest.mark.parametrize(
    "title", ["Café “Zürich” ½ €", "头条马克杯", "கடைசி நேரக் குவளை", "W" * 140, "word " * 28, "🎉", " ", "\u202e"]
)
def test_every_title_can_be_drawn_on_every_machine(bare_machine: None, title: str) -> None:
    for scale in (1, 2):
        image = Image.open(io.BytesIO(drawing.draw(Words("The Shop", title, "$39.00", "Price"), None, scale)))
        assert image.size == (600 * scale, 200 * scale)


def test_words_that_no_typeface_can_write_are_left_out_instead_of_boxes(bare_machine: None) -> None:
    assert typeface.face_for("头条", 20) is None
    assert typeface.face_for("Deadline mug", 20) is not None
    assert drawing.draw(Words("Shop", "头条"), None, 1) == drawing.draw(Words("Shop", ""), None, 1)


def test_a_currency_whose_sign_no_typeface_has_is_written_by_its_code(
    bare_machine: None, client: FlaskClient, database: Database, drawn: list[Words]
) -> None:
    with database.transaction() as session:
        a_product(session, "dong", currency="vnd", price=250_000)
    image_of(client.get("/embed/card/dong.png"))
    assert drawn[0].price == "VND 250000"


def test_a_long_title_stays_within_the_card() -> None:
    plain = Image.open(io.BytesIO(drawing.draw(Words("S", ""), None, 1))).convert("L")
    for title in ("word " * 40, "W" * 140):
        image = Image.open(io.BytesIO(drawing.draw(Words("S", title, "$39.00", "note"), None, 1))).convert("L")
        for edge in ((577, 2, 598, 198), (202, 178, 598, 198)):
            assert image.crop(edge).getextrema() == plain.crop(edge).getextrema()


def test_a_picture_whose_file_is_gone_leaves_its_place_empty(client: FlaskClient, settings: Settings) -> None:
    for file in settings.media_folder.iterdir():
        file.unlink()
    assert image_of(client.get("/embed/card/mug.png")).getpixel((100, 100)) == (236, 238, 243)
