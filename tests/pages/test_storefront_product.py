"""GET /products/<slug>: what a reader may choose, and what it costs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from shop.articles.models import Article
from shop.cart.models import CartLine
from shop.catalog import stock
from shop.catalog.models import Product, ProductOption, Variant
from shop.catalog.text import render_markdown
from shop.config import Settings
from shop.db import Database
from shop.web.house import House
from tests.builders import a_product, shipping_to, variants_of
from tests.conftest import running_shop
from tests.support.reader import Page, Reader
from tests.support.serving import eventually
from tests.support.statements import statements

STORY = "https://news.example/2018/06/kim"


@dataclass(frozen=True)
class Tee:
    """A shirt in two sizes and two colours; `variants` in the order S/Black, S/White, M/Black, M/White."""

    size: str
    colour: str
    variants: tuple[int, ...]
    values: tuple[tuple[int, ...], ...]


@pytest.fixture
def tee(database: Database) -> Tee:
    with database.transaction() as session:
        product = a_product(
            session, "tee", title="Summit shirt", options={"Size": ["S", "M"], "Colour": ["Black", "White"]}
        )
        shipping_to(session, "SG", "MY")
        made = variants_of(session, product)
        size, colour = session.scalars(sa.select(ProductOption.id).order_by(ProductOption.position))
        return Tee(
            f"option_{size}",
            f"option_{colour}",
            tuple(variant.id for variant in made),
            tuple(tuple(map(int, variant.choice_key.split("-"))) for variant in made),
        )


def chosen(page: Page) -> set[str]:
    return {at["value"] for at in page.all("input", type="radio") if "checked" in at}


def empty_shelf(database: Database, *variant_ids: int) -> None:
    with database.transaction() as session:
        for variant_id in variant_ids:
            stock.adjust(session, variant_id, -3, "found broken", "tests")


def lines(database: Database) -> list[tuple[int, int]]:
    with database.reading() as session:
        rows = session.execute(sa.select(CartLine.variant_id, CartLine.quantity).order_by(CartLine.id))
        return [(variant_id, quantity) for variant_id, quantity in rows]


def test_the_page_offers_every_choice_and_both_buttons(client: FlaskClient, tee: Tee) -> None:
    page = Reader(client).get("/products/tee")
    assert page.status == 200
    for words in ("Summit shirt", "$39.00", "Size", "Colour", "Ship to", "Add to cart", "Buy now"):
        assert words in page.words
    assert len(page.all("input", type="radio")) == 4
    assert chosen(page) == set()
    assert page.all("link", rel="canonical", href="http://localhost/products/tee")


def test_a_link_may_choose_the_variant(client: FlaskClient, tee: Tee) -> None:
    for variant_id, values in zip(tee.variants, tee.values, strict=True):
        page = Reader(client).get("/products/tee", variant=str(variant_id))
        assert chosen(page) == set(map(str, values))


@pytest.mark.parametrize("asked", ["0", "-1", "999999", "x", "٣", "1.0", "9" * 40, "\x00"])
def test_a_link_to_a_variant_that_is_not_there_chooses_nothing(client: FlaskClient, tee: Tee, asked: str) -> None:
    page = Reader(client).get("/products/tee", variant=asked)
    assert page.status == 200
    assert chosen(page) == set()


def test_what_is_sold_out_is_named_and_the_rest_can_be_bought(
    database: Database, client: FlaskClient, tee: Tee
) -> None:
    empty_shelf(database, tee.variants[2], tee.variants[3])
    page = Reader(client).get("/products/tee")
    assert "Sold out: M / Black, M / White" in page.words
    gone = [at for at in page.all("label") if "is-gone" in at.get("class", "")]
    assert len(gone) == 1
    assert page.form("/cart/lines")


def test_a_product_that_is_sold_out_says_so_and_asks_who_wants_to_be_told(
    database: Database, client: FlaskClient, tee: Tee
) -> None:
    empty_shelf(database, *tee.variants)
    page = Reader(client).get("/products/tee")
    assert page.status == 200
    assert "Sold out for now" in page.words
    assert [form.action for form in page.forms] == ["/products/tee/waitlist"]


def test_choosing_what_is_sold_out_is_said_beside_the_choice(database: Database, client: FlaskClient, tee: Tee) -> None:
    reader = Reader(client)
    page = reader.get("/products/tee", variant=str(tee.variants[3]))
    empty_shelf(database, tee.variants[3])
    answer = reader.send(page, "/cart/lines", then="cart")
    assert answer.status == 422
    assert answer.beside(tee.size) == "Summit shirt (M / White) is sold out."
    assert chosen(answer) == set(map(str, tee.values[3]))
    assert lines(database) == []


def test_a_combination_that_does_not_exist_is_said_beside_the_choice(
    database: Database, client: FlaskClient, tee: Tee
) -> None:
    with database.transaction() as session:
        session.execute(sa.update(Variant).where(Variant.id == tee.variants[0]).values(active=False))
        stock.touch_catalogue(session)
    small, black = map(str, tee.values[0])
    answer = Reader(client).add("tee", **{tee.size: small, tee.colour: black})
    assert answer.status == 422
    assert "This combination does not exist" in answer.beside(tee.size)
    assert lines(database) == []


def test_nothing_chosen_is_said_beside_each_choice(database: Database, client: FlaskClient, tee: Tee) -> None:
    answer = Reader(client).add("tee")
    assert answer.status == 422
    assert answer.beside(tee.size) == "Choose a size."
    assert answer.beside(tee.colour) == "Choose a colour."
    assert lines(database) == []


@pytest.mark.parametrize(
    "typed",
    [
        "0",
        "-1",
        "1000000000",
        "1e9",
        "x",
        "",
        " ",
        "1.5",
        "1,5",
        "٣",
        "²",
        "1_0",
        "0x1",
        "9" * 400,
        "1\x00",
        "+1",
        "21",
    ],
)
def test_a_quantity_that_is_none_is_said_beside_it_and_stays_as_it_was_typed(
    database: Database, client: FlaskClient, tee: Tee, typed: str
) -> None:
    reader = Reader(client)
    page = reader.get("/products/tee", variant=str(tee.variants[0]))
    answer = reader.send(page, "/cart/lines", quantity=typed, country="MY", then="cart")
    assert answer.status == 422
    assert answer.beside("quantity") == "Choose a quantity between 1 and 20."
    form = answer.form("/cart/lines")
    assert form.fields["quantity"] == typed[:12]
    assert form.fields["country"] == "MY"
    assert chosen(answer) == set(map(str, tee.values[0]))
    assert lines(database) == []


def test_more_than_is_left_names_the_product_and_what_is_left(
    database: Database, client: FlaskClient, tee: Tee
) -> None:
    reader = Reader(client)
    page = reader.get("/products/tee", variant=str(tee.variants[0]))
    answer = reader.send(page, "/cart/lines", quantity="4", then="cart")
    assert answer.status == 422
    assert "Only 3 of Summit shirt" in answer.beside("quantity")
    assert "S / Black" in answer.beside("quantity")
    assert lines(database) == []


def test_a_country_that_is_not_served_is_said_beside_it(database: Database, client: FlaskClient, tee: Tee) -> None:
    reader = Reader(client)
    for then in ("cart", "pay"):
        page = reader.get("/products/tee", variant=str(tee.variants[0]))
        answer = reader.send(page, "/cart/lines", country="FR", then=then)
        assert answer.status == 422
        assert answer.beside("country") == "We cannot ship to this country yet."
    assert lines(database) == []


def test_a_price_that_changed_since_the_page_was_opened_is_said_before_anything_is_added(
    database: Database, client: FlaskClient, tee: Tee
) -> None:
    reader = Reader(client)
    page = reader.get("/products/tee", variant=str(tee.variants[0]))
    with database.transaction() as session:
        session.execute(sa.update(Variant).values(price_minor=4900))
        stock.touch_catalogue(session)
    answer = reader.send(page, "/cart/lines", then="cart")
    assert answer.status == 409
    assert "The price has changed since you opened this page: it is now $49.00." in answer.words
    assert lines(database) == []
    assert reader.send(answer, "/cart/lines", then="cart").status == 303
    assert lines(database) == [(tee.variants[0], 1)]


# The description


EVIL = """Made **well**. <script>alert(1)</script> <img src=x onerror=alert(1)>

[a](javascript:alert(1)) [b](https://news.example "title") ![c](x onerror=alert(1)) <https://ok.example>

<style>body{}</style> <iframe src="https://evil.example"></iframe> [d](data:text/html,x) [e](JaVaScRiPt:alert(1))
"""


def test_a_description_is_markdown_and_nothing_in_it_runs(database: Database, client: FlaskClient, tee: Tee) -> None:
    with database.transaction() as session:
        session.execute(sa.update(Product).values(description=EVIL, description_html=render_markdown(EVIL)))
        stock.touch_catalogue(session)
    page = Reader(client).get("/products/tee")
    assert "<strong>well</strong>" in page.text
    running = [at for at in page.all("script") if at.get("type") != "application/ld+json"]
    assert all(at.get("src", "").startswith("/static/") for at in running)
    assert page.all("iframe") == page.all("style") == []
    assert not [at for tag, at in page.tags if any(name.startswith("on") for name in at)]
    links = [at for at in page.all("a") if at.get("rel") == "nofollow noopener noreferrer"]
    assert [at["href"] for at in links] == ["https://news.example", "https://ok.example"]


# The story that led here


def test_a_story_in_the_address_is_linked_and_goes_with_what_is_bought(
    database: Database, client: FlaskClient, tee: Tee
) -> None:
    reader = Reader(client)
    page = reader.get("/products/tee", variant=str(tee.variants[0]), story=STORY, title="Kim, in <b>demand</b>")
    assert "Back to the story" in page.words
    assert "Kim, in <b>demand</b>" in page.words
    assert STORY in {at.get("href") for at in page.all("a")}
    assert reader.send(page, "/cart/lines", then="cart").status == 303
    with database.reading() as session:
        story = session.execute(sa.select(Article.url).join(CartLine, CartLine.article_id == Article.id)).one()
        assert story.url == STORY


def test_a_refused_form_keeps_the_story(database: Database, client: FlaskClient, tee: Tee) -> None:
    reader = Reader(client)
    answer = reader.send(reader.get("/products/tee", story=STORY), "/cart/lines", then="cart")
    assert answer.status == 422
    assert "Back to the story" in answer.words
    fixed = reader.send(
        answer, "/cart/lines", then="cart", **dict(zip((tee.size, tee.colour), map(str, tee.values[0]), strict=True))
    )
    assert fixed.status == 303
    with database.reading() as session:
        assert session.scalars(sa.select(Article.url)).all() == [STORY]


@pytest.mark.parametrize(
    "story", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "ftp://x", "x", "\x00", "https://"]
)
def test_what_is_no_story_is_not_linked(client: FlaskClient, tee: Tee, story: str) -> None:
    page = Reader(client).get("/products/tee", story=story)
    assert page.status == 200
    assert "Back to the story" not in page.words
    assert page.form("/cart/lines").fields["placement"] == ""


def test_a_tampered_placement_counts_as_none_and_is_noted(
    app: Flask, database: Database, client: FlaskClient, tee: Tee
) -> None:
    house: House = app.extensions["understory"]
    good = house.placements.sign(STORY, "Kim", "card")
    reader = Reader(client)
    for token in (good[:-1] + ("A" if good[-1] != "A" else "B"), "x", "x" * 5000):
        page = reader.get("/products/tee", variant=str(tee.variants[0]))
        with capture_logs() as logged:
            answer = reader.send(page, "/cart/lines", placement=token, then="cart")
        assert answer.status == 303
        assert [line["event"] for line in logged].count("placement_refused") == 1
        assert token not in str(logged)
    with database.reading() as session:
        assert session.scalars(sa.select(CartLine.article_id).distinct()).all() == [None]
        assert session.scalars(sa.select(Article.url)).all() == []


# Money without minor units


@pytest.mark.parametrize(("currency", "locale", "shown"), [("jpy", "ja_JP", "￥4,500"), ("krw", "ko_KR", "₩4,500")])
def test_a_shop_without_cents_shows_and_charges_whole_units(
    make_settings: Callable[..., Settings], database: Database, currency: str, locale: str, shown: str
) -> None:
    def settings(**more: object) -> Settings:
        return make_settings(shop_currency=currency, shop_locale=locale, **more)

    with database.transaction() as session:
        a_product(session, "mug", price=4500, currency=currency)
        shipping_to(session, "SG", amount=800, currency=currency)
    with running_shop(settings, database) as shop:
        reader = Reader(shop.app.test_client())
        for path in ("/", "/products/mug"):
            assert shown in reader.get(path).words
        assert reader.get("/products/mug").all("meta", property="product:price:amount", content="4500")
        reader.add("mug", quantity="2")
        cart = reader.get("/cart").words
        assert shown.replace("4,500", "9,000") in cart
        assert shown.replace("4,500", "800") in cart
        assert reader.pay().status == 303
        session_id = shop.stripe.sessions()[0]["id"]
        shop.stripe.pay(session_id)
        assert shop.stripe.session(session_id)["amount_total"] == 9800
        order_id = int(shop.stripe.session(session_id)["client_reference_id"])
        order = eventually(lambda: next((o for o in [shop.order(order_id)] if o.status == "paid"), None))
        page = reader.get(f"/orders/{order.access_token}")
        assert shown.replace("4,500", "9,800") in page.words


# How much it asks


def test_a_product_page_asks_the_database_little(app: Flask, client: FlaskClient, tee: Tee) -> None:
    engine = app.extensions["understory"].database.engine
    client.get("/products/tee")
    with statements(engine) as sent:
        client.get("/products/tee", query_string={"story": STORY, "variant": tee.variants[0]})
    assert len(sent) <= 4, "\n".join(sent)


def test_a_change_of_the_catalogue_is_seen_at_once(database: Database, client: FlaskClient, tee: Tee) -> None:
    reader = Reader(client)
    assert "Summit shirt" in reader.get("/products/tee").words
    with database.transaction() as session:
        session.execute(sa.update(Product).values(title="Rally shirt"))
        stock.touch_catalogue(session)
    assert "Rally shirt" in reader.get("/products/tee").words


def test_two_readers_get_the_same_page_with_their_own_token_and_press(app: Flask, tee: Tee) -> None:
    first, second = (Reader(app.test_client()).get("/products/tee").form("/cart/lines").fields for _ in range(2))
    assert first["csrf_token"] != second["csrf_token"]
    assert first["press"] != second["press"]
    assert {k: v for k, v in first.items() if k not in {"csrf_token", "press"}} == {
        k: v for k, v in second.items() if k not in {"csrf_token", "press"}
    }


def test_a_page_opened_late_in_a_readers_day_still_takes_its_form(app: Flask, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "mug")
        shipping_to(session, "SG")
    reader = Reader(app.test_client())
    morning = datetime(2026, 5, 4, 8, tzinfo=UTC)
    with time_machine.travel(morning, tick=False):
        reader.get("/products/mug")
    with time_machine.travel(morning + timedelta(hours=11, minutes=50), tick=False):
        page = reader.get("/products/mug")
    with time_machine.travel(morning + timedelta(hours=12, minutes=10), tick=False):
        assert reader.send(page, "/cart/lines", then="cart").status == 303
