"""From the cart, or from a product, to the payment page; and back from it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from shop.app import create_app
from shop.cart.models import CartLine
from shop.catalog import stock
from shop.catalog.models import Product, Variant
from shop.db import Database
from shop.orders.models import Order
from shop.payments.gateway import Gateway
from tests.builders import a_product, shipping_to, variants_of
from tests.conftest import Shop
from tests.support.invariants import broken
from tests.support.reader import Page, Reader
from tests.support.serving import eventually

NOTHING_CHARGED = "Nothing was charged; please try again in a moment."


@pytest.fixture
def mug(shop: Shop) -> int:
    """A mug on sale (3 left), sent to two countries; its variant's id."""
    with shop.database.transaction() as session:
        shipping_to(session, "SG", "MY")
        return variants_of(session, a_product(session, "mug", title="Mug"))[0].id


@pytest.fixture
def reader(shop: Shop, mug: int) -> Reader:
    return Reader(shop.app.test_client())


@pytest.fixture
def impatient(shop: Shop, mug: int) -> Iterator[Reader]:
    """A reader of the same shop, which waits for Stripe half a second and asks once."""
    app = create_app(shop.settings, Gateway(shop.settings, time_out=(0.5, 0.5), retries=0))
    yield Reader(app.test_client())
    app.extensions["understory"].database.close()


def orders(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(sa.select(Order.status).order_by(Order.id)))


def counters(database: Database, variant_id: int) -> tuple[int, int]:
    with database.reading() as session:
        row = session.execute(sa.select(Variant.on_hand, Variant.reserved).where(Variant.id == variant_id)).one()
        return row.on_hand, row.reserved


def payable(shop: Shop) -> list[str]:
    return [told["url"] for told in shop.stripe.sessions() if told["status"] == "open"]


def holds(shop: Shop) -> None:
    with shop.database.reading() as session:
        assert broken(session) == []


def change(shop: Shop, statement: sa.Executable) -> None:
    with shop.database.transaction() as session:
        session.execute(statement)
        stock.touch_catalogue(session)


def link(shop: Shop) -> str:
    """The address of the newest order."""
    with shop.database.reading() as session:
        return "/orders/" + session.scalars(sa.select(Order.access_token).order_by(Order.id.desc())).first()


# To the payment page


def test_paying_leads_to_stripes_page_for_just_this_cart(shop: Shop, reader: Reader, mug: int) -> None:
    reader.add("mug", quantity="2")
    answer = reader.pay(country="MY")
    assert answer.status == 303
    assert answer.location == payable(shop)[0]
    told = shop.stripe.sessions()[0]
    assert told["amount_subtotal"] == 7800
    assert told["shipping_address_collection"]["allowed_countries"] == ["MY"]
    assert counters(shop.database, mug) == (3, 2)
    holds(shop)


def test_buy_now_needs_no_cart_and_leaves_the_readers_own_alone(shop: Shop, reader: Reader, mug: int) -> None:
    reader.add("mug")
    assert reader.buy("mug", quantity="2").location == payable(shop)[0]
    assert "1 piece" in reader.get("/cart").words
    assert shop.stripe.sessions()[0]["amount_subtotal"] == 7800


@pytest.mark.parametrize("country", ["FR", "XX", "x" * 300, "\x00"])
def test_a_country_that_is_not_served_is_said_beside_it(shop: Shop, reader: Reader, country: str) -> None:
    reader.add("mug")
    page = reader.pay(country=country)
    assert page.status == 422
    assert page.beside("country") == "We cannot ship to this country yet."
    assert "Mug" in page.words
    assert orders(shop.database) == []


def test_an_empty_cart_is_said_and_nothing_is_ordered(shop: Shop, reader: Reader) -> None:
    reader.add("mug")
    page = reader.get("/cart")
    reader.send(page, next(form.action for form in page.forms if form.action.endswith("/removal")))
    answer = reader.send(page, "/checkout")
    assert answer.status == 409
    assert "Your cart is empty." in answer.words
    assert orders(shop.database) == []


def test_a_reader_without_any_cart_is_told_so_too(shop: Shop) -> None:
    client = shop.app.test_client(use_cookies=False)
    answer = Page(client.post("/checkout", headers={"Sec-Fetch-Site": "same-origin"}))
    assert answer.status == 409
    assert "Your cart is empty." in answer.words


def test_what_was_archived_meanwhile_is_said_before_anybody_pays(shop: Shop, reader: Reader) -> None:
    reader.add("mug")
    page = reader.get("/cart")
    change(shop, sa.update(Product).values(status="archived"))
    answer = reader.send(page, "/checkout")
    assert answer.status == 404
    assert "Mug is no longer on sale." in answer.words
    assert orders(shop.database) == []


def test_what_was_sold_meanwhile_is_said_by_name_before_anybody_pays(shop: Shop, reader: Reader, mug: int) -> None:
    reader.add("mug", quantity="3")
    page = reader.get("/cart")
    assert Reader(shop.app.test_client()).buy("mug", quantity="2").status == 303
    answer = reader.send(page, "/checkout")
    assert answer.status == 409
    assert "Only 1 of Mug is left." in answer.words
    assert counters(shop.database, mug) == (3, 2)
    holds(shop)


def test_a_price_that_changed_between_view_and_press_is_said_before_anybody_pays(shop: Shop, reader: Reader) -> None:
    reader.add("mug")
    page = reader.get("/cart")
    change(shop, sa.update(Variant).values(price_minor=4900))
    answer = reader.send(page, "/checkout")
    assert answer.status == 409
    assert "A price in your cart has changed." in answer.words
    assert "Mug: $39.00 before, $49.00 now" in answer.words
    assert orders(shop.database) == []
    assert reader.send(answer, "/checkout").status == 303
    assert shop.stripe.sessions()[0]["amount_subtotal"] == 4900


def test_a_price_that_changed_twice_is_said_twice(shop: Shop, reader: Reader) -> None:
    reader.add("mug")
    change(shop, sa.update(Variant).values(price_minor=4900))
    page = reader.get("/cart")
    assert "$49.00 now" in page.words
    change(shop, sa.update(Variant).values(price_minor=5900))
    answer = reader.send(page, "/checkout")
    assert answer.status == 409
    assert "$59.00 now" in answer.words


def test_less_than_stripe_can_charge_is_said(shop: Shop, reader: Reader) -> None:
    with shop.database.transaction() as session:
        shipping_to(session, "JP", amount=0)
        a_product(session, "sticker", title="Sticker", price=20)
    reader.add("sticker")
    answer = reader.pay(country="JP")
    assert answer.status == 422
    assert "too small to be paid by card" in answer.words
    assert orders(shop.database) == []


# Stripe is not there


@pytest.mark.parametrize("kind", ["500", "429", "timeout", "drop_after"])
def test_when_stripe_does_not_answer_the_reader_reads_that_nothing_was_charged_and_tries_again(
    shop: Shop, impatient: Reader, mug: int, kind: str
) -> None:
    impatient.add("mug", quantity="2")
    shop.stripe.fail_next(1, kind)
    answer = impatient.pay()
    assert answer.status == 503
    assert NOTHING_CHARGED in answer.words
    assert answer.all("div", role="alert")
    assert "2 pieces" in answer.words
    assert counters(shop.database, mug) == (3, 2)
    shop.stripe.clear_faults()
    again = impatient.send(answer, "/checkout")
    assert again.status == 303
    assert payable(shop) == [again.location]
    assert orders(shop.database) == ["pending"]
    assert counters(shop.database, mug) == (3, 2)
    holds(shop)


def test_an_answer_that_comes_late_is_waited_for(shop: Shop, reader: Reader) -> None:
    reader.add("mug")
    shop.stripe.fail_next(1, "500")
    assert reader.pay().status == 303, "the second try of the same call is answered"
    assert len(payable(shop)) == 1
    assert orders(shop.database) == ["pending"]


@pytest.mark.parametrize("kind", ["500", "timeout", "drop_after"])
def test_buy_now_without_stripe_keeps_the_form_and_is_one_order_when_pressed_again(
    shop: Shop, impatient: Reader, mug: int, kind: str
) -> None:
    shop.stripe.fail_next(1, kind)
    answer = impatient.buy("mug", quantity="3", country="MY")
    assert answer.status == 503
    assert NOTHING_CHARGED in answer.words
    assert answer.form("/cart/lines").fields["quantity"] == "3"
    assert answer.form("/cart/lines").fields["country"] == "MY"
    shop.stripe.clear_faults()
    again = impatient.send(answer, "/cart/lines", then="pay")
    assert again.status == 303
    assert payable(shop) == [again.location]
    assert orders(shop.database) == ["pending"]
    assert counters(shop.database, mug) == (3, 3)
    holds(shop)


def test_when_stripe_refuses_for_good_the_goods_are_given_back_and_the_cart_is_intact(
    shop: Shop, reader: Reader, mug: int
) -> None:
    wrong = shop.settings.model_copy(update={"stripe_secret_key": type(shop.settings.stripe_secret_key)("sk_wrong")})
    app = create_app(shop.settings, Gateway(wrong, retries=0))
    try:
        unlucky = Reader(app.test_client())
        unlucky.add("mug", quantity="2")
        answer = unlucky.pay()
    finally:
        app.extensions["understory"].database.close()
    assert answer.status == 502
    assert "Nothing was charged" in answer.words
    assert "sk_test" not in answer.text
    assert "2 pieces" in answer.words


# Never two payable pages for one cart


def test_pressing_twice_in_two_tabs_or_after_a_reload_leads_to_the_same_page(shop: Shop, reader: Reader) -> None:
    reader.add("mug")
    first_tab, second_tab = reader.get("/cart"), reader.get("/cart")
    answers = [reader.send(page, "/checkout") for page in (first_tab, second_tab, first_tab)]
    assert {answer.status for answer in answers} == {303}
    assert payable(shop) == [answers[0].location]
    assert {answer.location for answer in answers} == {answers[0].location}
    assert orders(shop.database) == ["pending"]


@pytest.mark.parametrize("way", ["cart", "buy now"])
def test_a_double_click_is_one_order(shop: Shop, reader: Reader, mug: int, way: str) -> None:
    if way == "cart":
        reader.add("mug", quantity="3")
        page, action, typed = reader.get("/cart"), "/checkout", {}
    else:
        page, action, typed = reader.get("/products/mug"), "/cart/lines", {"then": "pay", "quantity": "3"}
    cookies = "; ".join(
        f"{name}={found.value}" for name in ("session", "cart") if (found := reader.client.get_cookie(name))
    )
    fields = page.form(action).fields | typed
    together = threading.Barrier(4)

    def click(_: int) -> Page:
        together.wait()
        client = shop.app.test_client(use_cookies=False)
        return Page(client.post(action, data=fields, headers={"Cookie": cookies}))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(click, range(4)))
    assert {answer.status for answer in answers} == {303}
    assert payable(shop) == [answers[0].location]
    assert {answer.location for answer in answers} == {answers[0].location}
    assert orders(shop.database) == ["pending"]
    assert counters(shop.database, mug) == (3, 3)
    holds(shop)


def test_back_and_another_quantity_closes_the_first_page(shop: Shop, reader: Reader, mug: int) -> None:
    reader.add("mug")
    first = reader.pay().location
    cart = reader.get("/cart")
    line = next(form.action for form in cart.forms if form.action.startswith("/cart/lines/"))
    reader.send(cart, line, quantity="3")
    second = reader.pay()
    assert second.status == 303
    assert payable(shop) == [second.location] != [first]
    assert sorted(orders(shop.database)) == ["expired", "pending"]
    assert counters(shop.database, mug) == (3, 3)
    holds(shop)


def test_back_from_buy_now_and_another_quantity_closes_the_first_page(shop: Shop, reader: Reader, mug: int) -> None:
    page = reader.get("/products/mug")
    reader.send(page, "/cart/lines", then="pay", quantity="2")
    second = reader.send(page, "/cart/lines", then="pay", quantity="3")
    assert payable(shop) == [second.location]
    assert counters(shop.database, mug) == (3, 3)
    holds(shop)


def test_the_last_pieces_held_by_buy_now_may_be_bought_again_or_go_into_the_cart(
    shop: Shop, reader: Reader, mug: int
) -> None:
    page = reader.get("/products/mug")
    first = reader.send(page, "/cart/lines", then="pay", quantity="3")
    assert reader.send(page, "/cart/lines", then="pay", quantity="3").location == first.location
    assert payable(shop) == [first.location]
    assert reader.send(page, "/cart/lines", then="cart", quantity="3").status == 303
    assert payable(shop) == []
    assert "3 pieces" in reader.get("/cart").words
    holds(shop)


def test_the_last_pieces_held_by_the_readers_own_open_page_are_still_theirs(
    shop: Shop, reader: Reader, mug: int
) -> None:
    reader.add("mug", quantity="3")
    assert reader.pay().status == 303
    cart = reader.get("/cart")
    line = next(form.action for form in cart.forms if form.action.startswith("/cart/lines/"))
    assert not [at for at in cart.all("input") if "aria-invalid" in at]
    assert reader.send(cart, line, quantity="2").status == 303
    again = reader.pay()
    assert payable(shop) == [again.location]
    assert counters(shop.database, mug) == (3, 2)


def test_paying_in_an_old_tab_after_paying_leads_to_the_order(shop: Shop, reader: Reader) -> None:
    reader.add("mug")
    old_tab = reader.get("/cart")
    reader.send(old_tab, "/checkout")
    shop.stripe.pay(shop.stripe.sessions()[0]["id"])
    eventually(lambda: orders(shop.database) == ["paid"])
    answer = reader.send(old_tab, "/checkout")
    assert answer.status == 303
    assert answer.location == link(shop)
    assert orders(shop.database) == ["paid"]


def test_buy_now_pressed_in_an_old_tab_after_paying_leads_to_the_order(shop: Shop, reader: Reader) -> None:
    old_tab = reader.get("/products/mug")
    reader.send(old_tab, "/cart/lines", then="pay")
    shop.stripe.pay(shop.stripe.sessions()[0]["id"])
    eventually(lambda: orders(shop.database) == ["paid"])
    answer = reader.send(old_tab, "/cart/lines", then="pay")
    assert answer.status == 303
    assert orders(shop.database) == ["paid"] or len(payable(shop)) == 1
    holds(shop)


# Back without having paid


def test_cancelling_leads_back_to_an_intact_cart_and_frees_the_goods(shop: Shop, reader: Reader, mug: int) -> None:
    reader.add("mug", quantity="2")
    reader.pay()
    page = reader.follow(reader.get(f"{link(shop)}/cancelled"))
    assert "Payment was cancelled and nothing was charged." in page.words
    assert "2 pieces" in page.words
    assert payable(shop) == []
    assert counters(shop.database, mug) == (3, 0)
    again = reader.send(page, "/checkout")
    assert payable(shop) == [again.location]
    holds(shop)


def test_cancelling_buy_now_puts_what_was_wanted_beside_what_the_cart_holds(
    shop: Shop, reader: Reader, mug: int
) -> None:
    reader.add("mug")
    reader.buy("mug", quantity="2")
    page = reader.follow(reader.get(f"{link(shop)}/cancelled"))
    assert "3 pieces" in page.words
    assert payable(shop) == []
    assert counters(shop.database, mug) == (3, 0)


def test_the_link_of_an_unpaid_order_gives_nobody_the_cart_behind_it(shop: Shop, reader: Reader) -> None:
    reader.add("mug", quantity="2")
    reader.pay()
    stranger = Reader(shop.app.test_client())
    page = stranger.follow(stranger.get(f"{link(shop)}/cancelled"))
    assert "There is nothing in it yet." in page.words
    assert "2 pieces" in reader.get("/cart").words


def test_cancelling_twice_or_by_back_changes_nothing_more(shop: Shop, reader: Reader, mug: int) -> None:
    reader.buy("mug", quantity="2")
    for _ in range(3):
        page = reader.follow(reader.get(f"{link(shop)}/cancelled"))
        assert "2 pieces" in page.words
    with shop.database.reading() as session:
        assert session.scalars(sa.select(CartLine.quantity)).all() == [2]
    assert orders(shop.database) == ["expired"]


def test_cancelling_what_was_paid_after_all_shows_the_order(shop: Shop, reader: Reader) -> None:
    reader.add("mug")
    reader.pay()
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.stripe.sessions()[0]["id"])
    answer = reader.get(f"{link(shop)}/cancelled")
    assert answer.location == link(shop)
    assert "Paid" in reader.follow(answer).words
    assert orders(shop.database) == ["paid"]
    assert "There is nothing in it yet." in reader.get("/cart").words
    holds(shop)


def test_cancelling_while_stripe_does_not_answer_keeps_the_cart_and_one_payable_page(
    shop: Shop, impatient: Reader, mug: int
) -> None:
    impatient.add("mug", quantity="3")
    impatient.pay()
    shop.stripe.fail_next(1, "500")
    page = impatient.follow(impatient.get(f"{link(shop)}/cancelled"))
    assert "3 pieces" in page.words
    assert not [at for at in page.all("input") if "aria-invalid" in at]
    again = impatient.send(page, "/checkout")
    assert payable(shop) == [again.location]
    holds(shop)


def test_cancelling_buy_now_while_stripe_does_not_answer_never_makes_two_payable_pages(
    shop: Shop, impatient: Reader, mug: int
) -> None:
    impatient.buy("mug", quantity="1")
    shop.stripe.fail_next(1, "500")
    answer = impatient.get(f"{link(shop)}/cancelled")
    assert answer.status == 503
    assert NOTHING_CHARGED in answer.words
    assert len(payable(shop)) == 1
    page = impatient.follow(impatient.get(f"{link(shop)}/cancelled"))
    assert "1 piece" in page.words
    again = impatient.send(page, "/checkout")
    assert payable(shop) == [again.location]
    holds(shop)


@pytest.mark.parametrize("token", ["x" * 32, "cs_test_123", "1", "%00", "x" * 500])
@pytest.mark.parametrize("page", ["", "/return", "/cancelled", "/state"])
def test_an_order_that_is_not_there_is_a_404(shop: Shop, token: str, page: str) -> None:
    answer = Reader(shop.app.test_client()).get(f"/orders/{token}{page}")
    assert answer.status == 404


def test_the_sessions_own_id_opens_no_order(shop: Shop, reader: Reader) -> None:
    reader.add("mug")
    reader.pay()
    session_id = shop.stripe.sessions()[0]["id"]
    with shop.database.reading() as session:
        number = session.scalars(sa.select(Order.number)).one()
    for guess in (session_id, number, "1"):
        assert reader.get(f"/orders/{guess}").status == 404
        assert reader.get(f"/orders/{guess}/return", session_id=session_id).status == 404
