"""The frame's two buttons: what they change, what they answer, and what they refuse."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shop.articles.models import Article
from shop.cart.handles import find_cart
from shop.cart.handover import redeem_handover
from shop.cart.models import Cart, CartLine
from shop.cart.reading import view_cart
from shop.catalog import stock
from shop.catalog.models import Product, Variant
from shop.db import Database
from shop.orders.models import Order, OrderLine
from shop.web.house import House
from tests.builders import a_product, shipping_to, variants_of
from tests.conftest import Shop
from tests.pages.test_embed_frame import hidden, radios, tags
from tests.support.statements import statements

STORY = "https://news.example/2018/06/kim"


@dataclass(frozen=True)
class Shirt:
    """A shirt in two sizes; `medium` is the value's id, `variant_id` the variant's."""

    field: str
    medium: str
    variant_id: int

    def form(self, **more: str) -> dict[str, str]:
        return {"product": "tee", self.field: self.medium, "quantity": "1", "country": "SG", **more}


def make_shirt(database: Database, *, pieces: int = 3, price: int = 3900) -> Shirt:
    with database.transaction() as session:
        product = a_product(
            session, "tee", title="Summit shirt", options={"Size": ["S", "M"]}, stock=pieces, price=price
        )
        shipping_to(session, "SG", "MY")
        medium = variants_of(session, product)[1]
        option_id = session.scalar(sa.text("SELECT id FROM product_options"))
        return Shirt(f"option_{option_id}", medium.choice_key, medium.id)


@pytest.fixture
def shirt(database: Database) -> Shirt:
    return make_shirt(database)


def token_for(app: Flask, story: str = STORY) -> str:
    house: House = app.extensions["understory"]
    return house.placements.sign(story, "Kim, in demand", "card")


def card(answer: TestResponse) -> dict[str, str | None]:
    return next(at for tag, at in tags(answer) if tag == "main")


def held(database: Database, handle: str | None) -> list[tuple[int, int]]:
    with database.reading() as session:
        cart = view_cart(session, find_cart(session, handle), "sgd")
        return [(line.variant_id, line.quantity) for line in cart.lines]


# Add to cart


def test_adding_answers_with_the_card_and_the_carts_handle(
    database: Database, client: FlaskClient, shirt: Shirt
) -> None:
    answer = client.post("/embed/cart", data=shirt.form())
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    for words in ("Added to your cart", "Summit shirt", "1 item in your cart", "$39.00", "View cart", "Keep reading"):
        assert words in page
    said = card(answer)
    assert (said["data-state"], said["data-count"], said["data-product"]) == ("added", "1", "tee")
    assert held(database, said["data-handle"]) == [(shirt.variant_id, 1)]
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_a_second_add_with_the_handle_goes_into_the_same_cart(
    database: Database, client: FlaskClient, shirt: Shirt
) -> None:
    handle = card(client.post("/embed/cart", data=shirt.form()))["data-handle"]
    again = client.post("/embed/cart", data=shirt.form(handle=handle or ""))
    assert card(again)["data-handle"] == handle
    assert "2 items in your cart" in again.get_data(as_text=True)
    assert held(database, handle) == [(shirt.variant_id, 2)]


@pytest.mark.parametrize("handle", ["u" * 32, "short", "x" * 5000, "a\x00b", "<script>"])
def test_a_handle_that_opens_no_cart_gets_a_new_one(
    database: Database, client: FlaskClient, shirt: Shirt, handle: str
) -> None:
    answer = client.post("/embed/cart", data=shirt.form(handle=handle))
    fresh = card(answer)["data-handle"]
    assert fresh != handle
    assert held(database, fresh) == [(shirt.variant_id, 1)]
    # Nobody may choose what opens a cart: a handle made up by somebody is one that somebody knows.
    assert held(database, handle) == []


def test_the_line_remembers_the_story(database: Database, app: Flask, client: FlaskClient, shirt: Shirt) -> None:
    client.post("/embed/cart", data=shirt.form(placement=token_for(app)))
    with database.reading() as session:
        line, article = session.execute(
            sa.select(CartLine, Article).join(Article, Article.id == CartLine.article_id)
        ).one()
        assert (article.url, article.title, line.placement) == (STORY, "Kim, in demand", "card")


def test_two_stories_in_one_cart_are_two_lines(
    database: Database, app: Flask, client: FlaskClient, shirt: Shirt
) -> None:
    first = client.post("/embed/cart", data=shirt.form(placement=token_for(app)))
    handle = card(first)["data-handle"] or ""
    other = token_for(app, "https://news.example/other")
    client.post("/embed/cart", data=shirt.form(placement=other, handle=handle))
    assert held(database, handle) == [(shirt.variant_id, 1), (shirt.variant_id, 1)]


@pytest.mark.parametrize("damage", ["tampered", "foreign", "long"])
def test_a_placement_that_is_not_ours_is_treated_as_absent(
    database: Database, app: Flask, client: FlaskClient, shirt: Shirt, damage: str
) -> None:
    token = token_for(app)
    sent = {"tampered": token[:-3] + "abc", "foreign": "eyJ1cmwiOiJ4In0.sig", "long": token * 60}[damage]
    answer = client.post("/embed/cart", data=shirt.form(placement=sent))
    assert card(answer)["data-state"] == "added"
    assert hidden(answer, "placement") == ""
    with database.reading() as session:
        assert session.scalars(sa.select(CartLine)).one().article_id is None
        assert session.scalar(sa.select(sa.func.count()).select_from(Article)) == 0


def test_the_ticket_in_the_view_cart_form_opens_this_cart_once(
    database: Database, client: FlaskClient, shirt: Shirt
) -> None:
    answer = client.post("/embed/cart", data=shirt.form())
    form = next(at for tag, at in tags(answer) if tag == "form" and at["action"] == "/cart/handover")
    assert (form["method"], form["target"]) == ("post", "_top")
    with database.transaction() as session:
        cart_id = find_cart(session, card(answer)["data-handle"])
        assert redeem_handover(session, hidden(answer, "ticket")) == cart_id
        assert redeem_handover(session, hidden(answer, "ticket")) is None


def test_view_cart_leads_to_the_shops_cart_with_the_goods_in_it(client: FlaskClient, shirt: Shirt) -> None:
    answer = client.post("/embed/cart", data=shirt.form())
    seen = client.post("/cart/handover", data={"ticket": hidden(answer, "ticket")}, follow_redirects=True)
    assert seen.request.path == "/cart"
    assert "Summit shirt" in seen.get_data(as_text=True)


def test_keep_reading_shows_the_card_again_with_the_handle_in_its_form(
    app: Flask, client: FlaskClient, shirt: Shirt
) -> None:
    token = token_for(app)
    added = client.post("/embed/cart", data=shirt.form(placement=token, cta="Buy it:"))
    form = next(at for tag, at in tags(added) if tag == "form" and at["action"] == "/embed/frame")
    assert form["method"] == "post"
    sent = {name: hidden(added, name) for name in ("product", "handle", "cta", "placement")}
    again = client.post("/embed/frame", data=sent)
    assert again.status_code == 200
    assert card(again)["data-state"] == "offer"
    assert hidden(again, "handle") == card(added)["data-handle"]
    assert (hidden(again, "cta"), hidden(again, "placement")) == ("Buy it:", token)
    assert hidden(again, "press") != ""


def test_the_country_goes_with_the_cart(database: Database, client: FlaskClient, shirt: Shirt) -> None:
    client.post("/embed/cart", data=shirt.form(country="MY"))
    with database.reading() as session:
        assert session.scalars(sa.select(Cart)).one().country == "MY"


REFUSED = {
    "nothing chosen": ({}, ("option",), "Choose a size."),
    "an invented choice": ({"option": "999999"}, (), "Choose a size."),
    "no number as a choice": ({"option": "x"}, (), "Choose a size."),
    "quantity 0": ({"quantity": "0"}, (), "Choose a quantity between 1 and 20."),
    "quantity -1": ({"quantity": "-1"}, (), "Choose a quantity between 1 and 20."),
    "quantity 1e9": ({"quantity": "1e9"}, (), "Choose a quantity between 1 and 20."),
    "quantity x": ({"quantity": "x"}, (), "Choose a quantity between 1 and 20."),
    "quantity beyond the limit": ({"quantity": "21"}, (), "Choose a quantity between 1 and 20."),
    "more than is left": ({"quantity": "4"}, (), "Only 3 of Summit shirt (M) are left."),
    "a country not served": ({"country": "FR"}, (), "We cannot ship to this country yet."),
    "another price on the card": (
        {"shown_prices": "1:100,2:100"},
        (),
        "The price has changed since you opened this page: it is now $39.00.",
    ),
}


@pytest.mark.parametrize("address", ["/embed/cart", "/embed/checkout"])
def test_what_is_wrong_is_said_beside_it_and_nothing_changes(
    database: Database, client: FlaskClient, shirt: Shirt, address: str
) -> None:
    for case, (given, dropped, sentence) in REFUSED.items():
        form = shirt.form(country="MY", cta="Buy it:")
        form |= {shirt.field if name == "option" else name: value for name, value in given.items()}
        for name in dropped:
            form.pop(shirt.field if name == "option" else name)
        answer = client.post(address, data=form)
        expected = 409 if case == "more than is left" and address == "/embed/checkout" else 422
        assert answer.status_code == expected, case
        assert _words(sentence) in _words(answer.get_data(as_text=True)), case
        assert hidden(answer, "cta") == "Buy it:"
        if shirt.field not in given and "option" not in given and not dropped:
            assert [at["value"] for at in radios(answer) if "checked" in at] == [shirt.medium], case
        if "country" not in given:
            chosen = [at["value"] for tag, at in tags(answer) if tag == "option" and "selected" in at]
            assert chosen == ["MY"], case
    with database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(CartLine)) == 0
        assert session.scalar(sa.select(sa.func.count()).select_from(Order)) == 0


def _words(text: str) -> str:
    """Letters and digits only: how a title and its variant are joined is not this test's business."""
    return "".join(ch for ch in text if ch.isalnum())


def test_a_message_is_tied_to_its_field(client: FlaskClient, shirt: Shirt) -> None:
    answer = client.post("/embed/cart", data={"product": "tee", "country": "SG"})
    fieldset = next(at for tag, at in tags(answer) if tag == "fieldset")
    assert fieldset["aria-describedby"] == f"wrong-{shirt.field}"
    assert any(at.get("id") == f"wrong-{shirt.field}" for _, at in tags(answer))
    assert all(at.get("aria-invalid") == "true" for at in radios(answer))


def test_sold_out_meanwhile_is_said_and_marked(database: Database, client: FlaskClient, shirt: Shirt) -> None:
    with database.transaction() as session:
        stock.adjust(session, shirt.variant_id, -3, "found broken", "tests")
    answer = client.post("/embed/cart", data=shirt.form())
    assert answer.status_code == 422
    assert "is sold out." in answer.get_data(as_text=True)
    assert [at["value"] for at in radios(answer) if "disabled" in at] == [shirt.medium]


@pytest.mark.parametrize("address", ["/embed/cart", "/embed/checkout", "/embed/frame"])
def test_a_product_that_went_away_is_a_404(database: Database, client: FlaskClient, shirt: Shirt, address: str) -> None:
    with database.transaction() as session:
        session.execute(sa.update(Product).values(status="archived"))
        stock.touch_catalogue(session)
    answer = client.post(address, data=shirt.form())
    assert answer.status_code == 404
    assert "This is not on sale any more" in answer.get_data(as_text=True)
    assert client.post(address, data={}).status_code == 404


def test_a_form_that_is_far_too_large_is_refused(client: FlaskClient, shirt: Shirt) -> None:
    assert client.post("/embed/cart", data=shirt.form(handle="x" * 100_000)).status_code == 413


def test_buttons_pressed_by_a_machine_are_slowed_down(client: FlaskClient) -> None:
    answers = [client.post("/embed/cart", data={}).status_code for _ in range(61)]
    assert answers == [404] * 60 + [429]
    assert "frame-ancestors *" in client.post("/embed/cart").headers["Content-Security-Policy"]


def test_adding_takes_few_statements(app: Flask, client: FlaskClient, shirt: Shirt) -> None:
    token = token_for(app)
    handle = card(client.post("/embed/cart", data=shirt.form(placement=token)))["data-handle"] or ""
    with statements(app.extensions["understory"].database.engine) as sent:
        client.post("/embed/cart", data=shirt.form(placement=token, handle=handle))
    assert len(sent) <= 15, "\n".join(sent)


# Buy now


def test_buy_now_leads_to_the_payment_page_of_this_one_piece(shop: Shop) -> None:
    shirt = make_shirt(shop.database)
    client = shop.app.test_client()
    answer = client.post(
        "/embed/checkout", data=shirt.form(press="p" * 24, placement=token_for(shop.app), country="MY")
    )
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(shop.stripe_url)
    assert "Set-Cookie" not in answer.headers
    with shop.database.reading() as session:
        order, line = session.execute(sa.select(Order, OrderLine).join(OrderLine)).one()
        assert (line.variant_id, line.quantity, line.article_url) == (shirt.variant_id, 1, STORY)
        assert (order.country, line.placement) == ("MY", "card")


def test_pressing_twice_is_one_order_even_for_the_last_piece(shop: Shop) -> None:
    shirt = make_shirt(shop.database, pieces=1)
    client = shop.app.test_client()
    form = shirt.form(press="p" * 24)
    first, second = (client.post("/embed/checkout", data=form) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.headers["Location"] == second.headers["Location"]
    with shop.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Order)) == 1
        assert session.get_one(Variant, shirt.variant_id).reserved == 1


def test_a_double_click_in_parallel_is_one_order(shop: Shop) -> None:
    shirt = make_shirt(shop.database, pieces=1)
    form = shirt.form(press="p" * 24)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: shop.app.test_client().post("/embed/checkout", data=form), range(4)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    with shop.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Order)) == 1


def test_without_a_press_each_form_is_an_order_of_its_own(shop: Shop) -> None:
    shirt = make_shirt(shop.database)
    client = shop.app.test_client()
    for press in ("", "short", "bad press!" * 3):
        assert client.post("/embed/checkout", data=shirt.form(press=press)).status_code == 303
    with shop.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Order)) == 3


def test_another_choice_after_coming_back_replaces_the_first(shop: Shop) -> None:
    shirt = make_shirt(shop.database)
    client = shop.app.test_client()
    client.post("/embed/checkout", data=shirt.form(press="p" * 24))
    answer = client.post("/embed/checkout", data=shirt.form(press="p" * 24, quantity="2"))
    assert answer.status_code == 303
    with shop.database.reading() as session:
        assert session.get_one(Variant, shirt.variant_id).reserved == 2


def test_the_last_piece_may_go_into_the_cart_after_coming_back_from_paying(shop: Shop) -> None:
    shirt = make_shirt(shop.database, pieces=1)
    client = shop.app.test_client()
    client.post("/embed/checkout", data=shirt.form(press="p" * 24))
    assert client.post("/embed/cart", data=shirt.form(press="q" * 24)).status_code == 422
    assert card(client.post("/embed/cart", data=shirt.form(press="p" * 24)))["data-state"] == "added"


def test_the_cart_of_the_embed_is_left_alone_by_buy_now(shop: Shop) -> None:
    shirt = make_shirt(shop.database)
    client = shop.app.test_client()
    handle = card(client.post("/embed/cart", data=shirt.form()))["data-handle"] or ""
    client.post("/embed/checkout", data=shirt.form(press="p" * 24, handle=handle, quantity="2"))
    assert held(shop.database, handle) == [(shirt.variant_id, 1)]


def test_when_the_payment_page_is_out_of_reach_nothing_is_lost(client: FlaskClient, app: Flask, shirt: Shirt) -> None:
    form = shirt.form(press="p" * 24, placement=token_for(app), country="MY")
    answer = client.post("/embed/checkout", data=form)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 503
    assert "Nothing was charged" in page
    assert hidden(answer, "press") == "p" * 24
    assert [at["value"] for at in radios(answer) if "checked" in at] == [shirt.medium]
    links = {at["href"] for tag, at in tags(answer) if tag == "a"}
    assert STORY in links
    assert f"/products/tee?placement={token_for(app)}" in links


def test_the_page_in_the_top_window_is_framed_by_nobody(client: FlaskClient, shirt: Shirt) -> None:
    for data in ({"product": "tee"}, {"product": "nothing"}):
        answer = client.post("/embed/checkout", data=data)
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"


def test_a_press_that_was_paid_says_so_and_offers_another(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from shop.errors import AlreadyPaid
    from shop.web.embed import buying

    def paid(*args: object, **rest: object) -> None:
        raise AlreadyPaid("the-order")

    shirt = make_shirt(shop.database)
    monkeypatch.setattr(buying, "place", paid)
    answer = shop.app.test_client().post("/embed/checkout", data=shirt.form(press="p" * 24))
    assert answer.status_code == 409
    assert "/orders/the-order" in {at["href"] for tag, at in tags(answer) if tag == "a"}
    assert "Buy another" in answer.get_data(as_text=True)
    assert hidden(answer, "press") not in {"", "p" * 24}
