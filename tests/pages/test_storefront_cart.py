"""The cart: what goes in, what it says, and what it refuses."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from structlog.testing import capture_logs

from shop.articles.placement import Placement, remember
from shop.cart import adding, handover, lines
from shop.cart.models import Cart, CartHandover, CartLine
from shop.catalog import stock
from shop.catalog.models import Product, Variant
from shop.db import Database, now
from tests.builders import a_cart, a_product, shipping_to, variants_of
from tests.support.reader import Page, Reader
from tests.support.statements import statements

STORY = "https://news.example/2018/06/kim"
NOT_A_QUANTITY = ["0", "-1", "1000000000", "1e9", "x", "", "1.5", "٣", "9" * 400, "1\x00", "21"]


@pytest.fixture
def goods(database: Database) -> dict[str, int]:
    """A mug (3 left) and a pen (50 left) on sale; the variants' ids by slug."""
    with database.transaction() as session:
        shipping_to(session, "SG", "MY")
        made = {
            "mug": a_product(session, "mug", title="Mug"),
            "pen": a_product(session, "pen", title="Pen", stock=50, price=200),
        }
        return {slug: variants_of(session, product)[0].id for slug, product in made.items()}


@pytest.fixture
def browser(app: Flask) -> Callable[[], Reader]:
    """Opens another browser, with cookies of its own."""
    return lambda: Reader(app.test_client())


@pytest.fixture
def reader(browser: Callable[[], Reader], goods: dict[str, int]) -> Reader:
    return browser()


def held(database: Database) -> list[tuple[int, int]]:
    """Variant and quantity of every line of every cart."""
    with database.reading() as session:
        rows = session.execute(sa.select(CartLine.variant_id, CartLine.quantity).order_by(CartLine.id))
        return [(variant_id, quantity) for variant_id, quantity in rows]


def line_ids(database: Database) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(sa.select(CartLine.id).order_by(CartLine.id)))


def change(database: Database, statement: sa.Executable) -> None:
    with database.transaction() as session:
        session.execute(statement)
        stock.touch_catalogue(session)


# Adding, changing, removing


def test_adding_leads_to_the_cart_which_says_so_and_what_it_comes_to(
    database: Database, reader: Reader, goods: dict[str, int]
) -> None:
    page = reader.follow(reader.add("mug", quantity="2"))
    assert page.status == 200
    for words in ("Added to your cart.", "Mug", "$39.00 each", "$78.00", "2 pieces", "Shipping to Singapore", "$5.00"):
        assert words in page.words
    assert held(database) == [(goods["mug"], 2)]


def test_adding_again_adds_up_in_one_line(database: Database, reader: Reader, goods: dict[str, int]) -> None:
    reader.add("mug")
    reader.add("mug", quantity="2")
    reader.add("pen")
    assert held(database) == [(goods["mug"], 3), (goods["pen"], 1)]


def test_a_reload_of_the_page_after_adding_adds_nothing(
    database: Database, reader: Reader, goods: dict[str, int]
) -> None:
    answer = reader.add("mug")
    assert answer.status == 303
    for _ in range(3):
        reader.follow(answer)
    assert held(database) == [(goods["mug"], 1)]


def test_a_quantity_is_changed_and_a_line_removed(database: Database, reader: Reader, goods: dict[str, int]) -> None:
    reader.add("mug")
    reader.add("pen")
    mug, pen = line_ids(database)
    assert reader.follow(reader.send(reader.get("/cart"), f"/cart/lines/{mug}", quantity=" 3 ")).status == 200
    assert held(database) == [(goods["mug"], 3), (goods["pen"], 1)]
    assert reader.send(reader.get("/cart"), f"/cart/lines/{pen}/removal").status == 303
    assert held(database) == [(goods["mug"], 3)]
    reader.send(reader.get("/cart"), f"/cart/lines/{mug}/removal")
    assert "There is nothing in it yet." in reader.get("/cart").words


def test_removing_twice_is_removing_once(database: Database, reader: Reader) -> None:
    reader.add("mug")
    page, path = reader.get("/cart"), f"/cart/lines/{line_ids(database)[0]}/removal"
    assert [reader.send(page, path).status for _ in range(2)] == [303, 303]
    assert held(database) == []


def test_a_line_changed_in_a_tab_where_it_is_long_gone_is_said_and_the_cart_shown(
    database: Database, reader: Reader
) -> None:
    reader.add("mug")
    reader.add("pen")
    page, mug = reader.get("/cart"), line_ids(database)[0]
    reader.send(page, f"/cart/lines/{mug}/removal")
    answer = reader.send(page, f"/cart/lines/{mug}", quantity="2")
    assert answer.status == 404
    assert "no longer here" in answer.words
    assert "Pen" in answer.words


def test_a_reader_without_a_cart_sees_an_empty_one_and_writes_no_row(database: Database, reader: Reader) -> None:
    page = reader.get("/cart")
    assert page.status == 200
    assert "There is nothing in it yet." in page.words
    with database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Cart)) == 0


def test_a_browser_that_keeps_no_cookies_is_told_so(app: Flask, reader: Reader) -> None:
    client = app.test_client(use_cookies=False)
    answer = client.post("/cart/lines", data={"product": "mug"}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303
    assert "Your browser did not keep the cookie" in Reader(client).follow(Page(answer)).words


# What is no quantity


@pytest.mark.parametrize("typed", NOT_A_QUANTITY)
def test_a_quantity_that_is_none_is_said_beside_its_line_and_stays_as_it_was_typed(
    database: Database, reader: Reader, goods: dict[str, int], typed: str
) -> None:
    reader.add("mug", quantity="2")
    reader.add("pen")
    mug, pen = line_ids(database)
    page = reader.send(reader.get("/cart"), f"/cart/lines/{mug}", quantity=typed)
    assert page.status == 422
    assert page.beside(f"quantity-{mug}") == "Choose a quantity between 1 and 20."
    assert page.beside(f"quantity-{pen}") == ""
    assert page.form(f"/cart/lines/{mug}").fields["quantity"] == typed[:12]
    assert page.form(f"/cart/lines/{pen}").fields["quantity"] == "1"
    assert held(database) == [(goods["mug"], 2), (goods["pen"], 1)]


def test_more_than_is_left_is_said_beside_its_line_with_name_and_number(
    database: Database, reader: Reader, goods: dict[str, int]
) -> None:
    reader.add("mug")
    mug = line_ids(database)[0]
    page = reader.send(reader.get("/cart"), f"/cart/lines/{mug}", quantity="4")
    assert page.status == 422
    assert page.beside(f"quantity-{mug}") == "Only 3 of Mug are left."
    assert page.form(f"/cart/lines/{mug}").fields["quantity"] == "4"
    assert held(database) == [(goods["mug"], 1)]


def test_adding_counts_what_the_cart_holds_already(database: Database, reader: Reader, goods: dict[str, int]) -> None:
    reader.add("mug", quantity="2")
    page = reader.add("mug", quantity="2")
    assert page.status == 422
    assert page.beside("quantity") == "Only 3 of Mug are left."
    assert held(database) == [(goods["mug"], 2)]


def test_the_same_goods_from_a_story_and_from_the_shelf_share_what_is_left(
    database: Database, reader: Reader, goods: dict[str, int]
) -> None:
    reader.add("mug", quantity="2")
    page = reader.send(reader.get("/products/mug", story=STORY), "/cart/lines", then="cart", quantity="2")
    assert page.status == 422
    assert reader.send(page, "/cart/lines", then="cart", quantity="1").status == 303
    assert held(database) == [(goods["mug"], 2), (goods["mug"], 1)]


def test_a_cart_takes_fifty_kinds_of_things_and_says_so(database: Database, reader: Reader) -> None:
    reader.add("pen")
    with database.transaction() as session:
        cart_id = session.scalars(sa.select(Cart.id)).one()
        for number in range(49):
            variant = variants_of(session, a_product(session, f"extra-{number}"))[0]
            adding.add_to_cart(session, cart_id, variant.id, 1, limit=20)
    page = reader.add("mug")
    assert page.status == 409
    assert "A cart holds at most 50 different items." in page.words
    assert len(held(database)) == 50
    assert reader.add("pen").status == 303


# What changed meanwhile


def test_a_changed_price_is_said_with_the_old_one(database: Database, reader: Reader) -> None:
    reader.add("mug", quantity="2")
    change(database, sa.update(Variant).where(Variant.price_minor == 3900).values(price_minor=4500))
    page = reader.get("/cart")
    assert "Prices have changed" in page.words
    assert "Mug: $39.00 before, $45.00 now" in page.words
    assert "$90.00" in page.words
    assert "Prices have changed" in reader.get("/cart").words, "it is said until the reader has agreed by paying"


def test_what_was_archived_meanwhile_is_said_and_can_be_removed(database: Database, reader: Reader) -> None:
    reader.add("mug")
    change(database, sa.update(Product).where(Product.slug == "mug").values(status="archived"))
    page, mug = reader.get("/cart"), line_ids(database)[0]
    assert page.status == 200
    assert page.beside(f"quantity-{mug}") == "Mug is no longer on sale."
    assert "/products/mug" not in page.text
    answer = reader.send(page, f"/cart/lines/{mug}", quantity="2")
    assert answer.status == 404
    assert "no longer here" in answer.words
    assert reader.send(page, f"/cart/lines/{mug}/removal").status == 303
    assert held(database) == []


def test_what_was_sold_meanwhile_is_said(database: Database, reader: Reader, goods: dict[str, int]) -> None:
    reader.add("mug", quantity="3")
    change(database, sa.update(Variant).where(Variant.id == goods["mug"]).values(reserved=2))
    assert reader.get("/cart").beside(f"quantity-{line_ids(database)[0]}") == "Only 1 of Mug is left."
    change(database, sa.update(Variant).where(Variant.id == goods["mug"]).values(reserved=3))
    assert reader.get("/cart").beside(f"quantity-{line_ids(database)[0]}") == "Mug is sold out."


# Whose cart it is


def test_another_readers_line_is_as_good_as_none(
    database: Database, reader: Reader, browser: Callable[[], Reader], goods: dict[str, int]
) -> None:
    reader.add("mug")
    theirs = line_ids(database)[0]
    stranger = browser()
    stranger.add("pen")
    token = stranger.get("/cart").form("/checkout").fields["csrf_token"]
    answer = Page(stranger.client.post(f"/cart/lines/{theirs}", data={"csrf_token": token, "quantity": "3"}))
    assert answer.status == 404
    assert "Mug" not in answer.words
    stranger.client.post(f"/cart/lines/{theirs}/removal", data={"csrf_token": token})
    assert held(database) == [(goods["mug"], 1), (goods["pen"], 1)]


@pytest.mark.parametrize("cookie", ["x" * 32, "x", "x" * 4000, "'; DROP TABLE carts;--", "1"])
def test_a_tampered_cookie_is_as_good_as_none_and_is_noted(
    database: Database, reader: Reader, goods: dict[str, int], cookie: str
) -> None:
    reader.client.set_cookie("cart", cookie)
    with capture_logs() as logged:
        page = reader.get("/cart")
    assert page.status == 200
    assert "There is nothing in it yet." in page.words
    assert "cart_unknown" in [line["event"] for line in logged]
    assert all(len(cookie) < 5 or cookie not in str(line) for line in logged)
    assert reader.follow(reader.add("mug")).status == 200
    fresh = reader.client.get_cookie("cart")
    assert fresh is not None
    assert fresh.value != cookie
    assert held(database) == [(goods["mug"], 1)]


def test_the_database_holds_no_handle_that_opens_a_cart(database: Database, reader: Reader) -> None:
    reader.add("mug")
    cookie = reader.client.get_cookie("cart")
    assert cookie is not None
    assert len(cookie.value) >= 32
    with database.reading() as session:
        assert cookie.value not in str(session.execute(sa.select(*Cart.__table__.columns)).all())


# Where it goes


def test_the_country_is_remembered_and_decides_what_shipping_costs(database: Database, reader: Reader) -> None:
    with database.transaction() as session:
        shipping_to(session, "JP", amount=2500, name="By air")
    reader.add("mug")
    page = reader.send(reader.get("/cart"), "/checkout", to="/cart/country", country="JP")
    page = reader.follow(page)
    assert "Shipping to Japan" in page.words
    assert "By air" in page.words
    assert page.form("/checkout").fields["country"] == "JP"


@pytest.mark.parametrize("country", ["", "FR", "sg", "XX", "x" * 500, "\x00\x00", "SG "])
def test_a_country_that_is_not_served_is_said_beside_it(database: Database, reader: Reader, country: str) -> None:
    reader.add("mug")
    page = reader.send(reader.get("/cart"), "/checkout", to="/cart/country", country=country)
    assert page.status == 422
    assert page.beside("country") in {"We cannot ship to this country yet.", "Choose a country."}
    assert "Mug" in page.words
    with database.reading() as session:
        assert session.scalars(sa.select(Cart.country)).all() == [None]


# A cart that comes from under a story


def a_ticket(database: Database, *wanted: tuple[int, int], country: str = "") -> str:
    with database.transaction() as session:
        pieces = [(session.get_one(Variant, variant_id), quantity) for variant_id, quantity in wanted]
        cart_id, _ = a_cart(session, *pieces)
        if country:
            lines.choose_country(session, cart_id, country)
        return handover.offer_handover(session, cart_id)


def hand_over(reader: Reader, ticket: str) -> Page:
    """The form under the story, sent from another site: the browser holds SameSite cookies back until the redirect."""
    without_cookies = reader.client.application.test_client(use_cookies=False)
    answer = Page(
        without_cookies.post("/cart/handover", data={"ticket": ticket}, headers={"Sec-Fetch-Site": "cross-site"})
    )
    assert "Set-Cookie" not in answer.headers
    while answer.status == 303:
        answer = reader.follow(answer)
    return answer


def test_a_ticket_brings_the_cart_from_under_the_story(
    database: Database, reader: Reader, goods: dict[str, int]
) -> None:
    page = hand_over(reader, a_ticket(database, (goods["mug"], 2)))
    assert "Here is the cart that you filled under the story." in page.words
    assert "2 pieces" in page.words
    assert "2 pieces" in reader.get("/cart").words


def test_a_browser_that_sends_its_cookies_at_once_is_served_at_once(
    database: Database, reader: Reader, goods: dict[str, int]
) -> None:
    reader.add("mug")
    ticket = a_ticket(database, (goods["pen"], 2))
    answer = Page(reader.client.post("/cart/handover", data={"ticket": ticket}))
    assert answer.location == "/cart?handover=1"
    assert held(database) == [(goods["mug"], 1), (goods["pen"], 2)]


def test_it_is_added_to_what_the_reader_has_already(database: Database, reader: Reader, goods: dict[str, int]) -> None:
    reader.add("mug")
    reader.add("pen")
    hand_over(reader, a_ticket(database, (goods["mug"], 2), (goods["pen"], 3)))
    assert held(database) == [(goods["mug"], 3), (goods["pen"], 4)]


def test_what_comes_together_beyond_what_is_left_is_said(
    database: Database, reader: Reader, goods: dict[str, int]
) -> None:
    reader.add("mug", quantity="3")
    page = hand_over(reader, a_ticket(database, (goods["mug"], 2)))
    assert page.beside(f"quantity-{line_ids(database)[0]}") == "Only 3 of Mug are left."


def test_the_country_chosen_under_the_story_comes_along(
    database: Database, reader: Reader, goods: dict[str, int]
) -> None:
    page = hand_over(reader, a_ticket(database, (goods["mug"], 1), country="MY"))
    assert page.form("/checkout").fields["country"] == "MY"


def test_the_country_that_the_reader_chose_in_the_shop_stays(
    database: Database, reader: Reader, goods: dict[str, int]
) -> None:
    reader.add("pen")
    reader.send(reader.get("/cart"), "/checkout", to="/cart/country", country="SG")
    page = hand_over(reader, a_ticket(database, (goods["mug"], 1), country="MY"))
    assert page.form("/checkout").fields["country"] == "SG"


def test_a_ticket_works_once(
    database: Database, reader: Reader, browser: Callable[[], Reader], goods: dict[str, int]
) -> None:
    ticket = a_ticket(database, (goods["mug"], 1))
    hand_over(reader, ticket)
    again = hand_over(reader, ticket)
    assert "This link to a cart has been used already" in again.words
    assert "Mug" in again.words, "what this browser has is shown below"
    stranger = hand_over(browser(), ticket)
    assert "Mug" not in stranger.words


def test_a_ticket_that_is_too_old_is_said(database: Database, reader: Reader, goods: dict[str, int]) -> None:
    ticket = a_ticket(database, (goods["mug"], 1))
    change(database, sa.update(CartHandover).values(expires_at=now() - timedelta(seconds=1)))
    page = hand_over(reader, ticket)
    assert "is too old" in page.words
    assert "There is nothing in it yet." in page.words


@pytest.mark.parametrize("ticket", ["", "x", "x" * 32, "x" * 5000, "\x00", "../cart"])
def test_an_invented_ticket_opens_nothing(
    database: Database, reader: Reader, goods: dict[str, int], ticket: str
) -> None:
    reader.add("pen")
    a_ticket(database, (goods["mug"], 1))
    page = hand_over(reader, ticket)
    assert page.status == 200
    assert "This link to a cart has been used already" in page.words
    assert "Mug" not in page.words
    assert "Pen" in page.words


def test_the_way_of_a_ticket_is_kept_by_nobody(database: Database, reader: Reader, goods: dict[str, int]) -> None:
    answer = reader.client.get(f"/cart/handover/{a_ticket(database, (goods['mug'], 1))}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex"


def test_the_story_of_a_line_stays_with_it(database: Database, reader: Reader, goods: dict[str, int]) -> None:
    with database.transaction() as session:
        article = remember(session, Placement(STORY, "Kim", "card")).article_id
        cart_id, _ = a_cart(session)
        adding.add_to_cart(session, cart_id, goods["mug"], 1, limit=20, article_id=article, placement="card")
        ticket = handover.offer_handover(session, cart_id)
    hand_over(reader, ticket)
    with database.reading() as session:
        line = session.scalars(sa.select(CartLine)).one()
        assert (line.article_id, line.placement) == (article, "card")


# How much it asks


@pytest.mark.parametrize("story", [{}, {"story": STORY}], ids=["from the shelf", "from a story"])
def test_adding_asks_the_database_little(app: Flask, reader: Reader, story: dict[str, str]) -> None:
    reader.add("pen")
    page = reader.get("/products/pen", **story)
    reader.send(page, "/cart/lines", then="cart")
    with statements(app.extensions["understory"].database.engine) as sent:
        assert reader.send(page, "/cart/lines", then="cart").status == 303
    assert len(sent) <= 8, "\n".join(sent)


def test_the_carts_page_asks_the_database_little(app: Flask, reader: Reader) -> None:
    reader.add("pen")
    reader.add("mug")
    reader.get("/cart")
    with statements(app.extensions["understory"].database.engine) as sent:
        reader.get("/cart")
    assert len(sent) <= 6, "\n".join(sent)
