"""Ordering once more what was never paid: what the page offers, and what it puts into the cart."""

from typing import Any

import pytest
import sqlalchemy as sa

from shop.cart.models import CartLine
from shop.catalog.models import Product, Variant
from shop.orders.models import Order, OrderLine
from tests.builders import a_product, shipping_to
from tests.conftest import Shop
from tests.support.invariants import broken
from tests.support.racing import together
from tests.support.reader import Page, Reader
from tests.support.serving import eventually
from tests.support.statements import statements

STORY = "https://news.example/kim"
TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.fixture
def reader(shop: Shop) -> Reader:
    return Reader(shop.app.test_client())


@pytest.fixture
def failed(shop: Shop, reader: Reader) -> str:
    """The token of an order for two mugs from a story and a hat, whose payment failed after days."""
    with shop.database.transaction() as session:
        a_product(session, "mug", title="Mug", stock=5)
        a_product(session, "hat", title="Hat", price=1500, stock=5)
        shipping_to(session, "SG")
    page = reader.get("/products/mug", story=STORY, title="Kim in demand")
    assert reader.send(page, "/cart/lines", then="cart", quantity="2").status == 303
    assert reader.add("hat").status == 303
    assert reader.pay().status == 303
    (session_at_stripe,) = [told["id"] for told in shop.stripe.sessions()]
    shop.stripe.pay(session_at_stripe, method="delayed_debit")
    eventually(lambda: states(shop) == ["processing"])
    shop.stripe.settle_delayed(session_at_stripe, ok=False)
    eventually(lambda: states(shop) == ["payment_failed"])
    with shop.database.reading() as session:
        return str(session.scalars(sa.select(Order.access_token)).one())


def states(shop: Shop) -> list[str]:
    with shop.database.reading() as session:
        return list(session.scalars(sa.select(Order.status).order_by(Order.id)))


def in_carts(shop: Shop) -> list[tuple[str, int]]:
    """What all carts hold: product and pieces."""
    with shop.database.reading() as session:
        rows = session.execute(
            sa.select(Product.slug, CartLine.quantity)
            .join(Variant, Variant.id == CartLine.variant_id)
            .join(Product, Product.id == Variant.product_id)
            .order_by(CartLine.id)
        )
        return [(slug, quantity) for slug, quantity in rows]


def change(shop: Shop, table: Any, slug: str, **values: Any) -> None:
    owner = Product.id if table is Product else Variant.product_id
    wanted = sa.select(Product.id).where(Product.slug == slug).scalar_subquery()
    with shop.database.transaction() as session:
        session.execute(sa.update(table).where(owner == wanted).values(**values))


def press(reader: Reader, token: str) -> Page:
    return reader.send(reader.get(f"/orders/{token}/again"), f"/orders/{token}/again")


def test_the_page_of_an_order_that_failed_leads_to_it_and_it_shows_what_there_is(
    shop: Shop, reader: Reader, failed: str
) -> None:
    assert reader.get(f"/orders/{failed}").all("a", href=f"/orders/{failed}/again")
    page = reader.get(f"/orders/{failed}/again")
    assert page.status == 200
    for words in ("Nothing was charged", "Mug", f"2 {TIMES} $39.00", "$78.00", "Hat", f"1 {TIMES} $15.00"):
        assert words in page.words
    assert in_carts(shop) == [], "looking put something into a cart"


def test_it_fills_the_cart_with_the_same_lines_stories_and_placements(shop: Shop, reader: Reader, failed: str) -> None:
    answer = press(reader, failed)
    assert (answer.status, answer.location) == (303, "/cart?again=1")
    assert "What there still is of your order is in your cart." in reader.follow(answer).words
    assert in_carts(shop) == [("mug", 2), ("hat", 1)]
    with shop.database.reading() as session:
        columns = ("article_id", "article_title", "placement")
        bought, filled = (
            session.execute(sa.select(*(getattr(table, name) for name in columns)).order_by(table.id)).all()
            for table in (OrderLine, CartLine)
        )
    assert bought == filled
    assert bought[0].article_title == "Kim in demand"
    assert bought[0].article_id is not None


def test_paying_again_is_a_new_order_and_leaves_the_old_one_as_it_was(shop: Shop, reader: Reader, failed: str) -> None:
    press(reader, failed)
    assert reader.pay().status == 303
    assert states(shop) == ["payment_failed", "pending"]
    newest = shop.stripe.sessions()
    (still_open,) = [told["id"] for told in newest if told["status"] == "open"]
    shop.stripe.pay(still_open, "4242424242424242", email="kim@example.com", name="Kim")
    eventually(lambda: states(shop) == ["payment_failed", "paid"])
    with shop.database.reading() as session:
        assert broken(session) == []
        first, second = session.scalars(sa.select(Order).order_by(Order.id)).all()
        assert first.number != second.number
        assert (first.paid_minor, second.paid_minor) == (0, 9300 + 500)
        urls = session.scalars(sa.select(OrderLine.article_url).where(OrderLine.order_id == second.id)).all()
    assert list(urls) == [STORY, ""]


def test_pressing_twice_fills_the_cart_once(shop: Shop, reader: Reader, failed: str) -> None:
    page = reader.get(f"/orders/{failed}/again")
    for _ in range(3):
        assert reader.send(page, f"/orders/{failed}/again").status == 303
    assert in_carts(shop) == [("mug", 2), ("hat", 1)]


def test_two_presses_at_once_fill_the_cart_once(shop: Shop, reader: Reader, failed: str) -> None:
    assert reader.add("hat").status == 303  # so that the browser has a cart that both can find
    form = reader.get(f"/orders/{failed}/again").form(f"/orders/{failed}/again")
    cookies = "; ".join(
        f"{name}={cookie.value}"
        for name in ("cart", "session")
        if (cookie := reader.client.get_cookie(name)) is not None
    )

    def send() -> int:
        client = shop.app.test_client(use_cookies=False)
        return client.post(f"/orders/{failed}/again", data=form.fields, headers={"Cookie": cookies}).status_code

    assert together(send, send, send) == [303, 303, 303]
    assert sorted(in_carts(shop)) == [("hat", 1), ("mug", 2)]


def test_what_the_cart_holds_already_counts_and_stays(shop: Shop, reader: Reader, failed: str) -> None:
    assert reader.add("hat", quantity="3").status == 303
    press(reader, failed)
    assert sorted(in_carts(shop)) == [("hat", 3), ("mug", 2)]


def test_prices_are_those_of_today_and_the_older_one_is_said(shop: Shop, reader: Reader, failed: str) -> None:
    change(shop, Variant, "mug", price_minor=4500)
    page = reader.get(f"/orders/{failed}/again")
    assert f"2 {TIMES} $45.00 was $39.00" in page.words
    assert "$90.00" in page.words
    cart = reader.follow(press(reader, failed))
    assert "$105.00" in cart.words
    assert "Prices have changed" not in cart.words, "the page before has just said so"
    assert reader.pay().status == 303


def test_what_is_gone_is_said_and_left_out(shop: Shop, reader: Reader, failed: str) -> None:
    change(shop, Product, "mug", status="draft")
    page = reader.get(f"/orders/{failed}/again")
    assert "No longer on sale." in page.words
    assert f"1 {TIMES} $15.00" in page.words
    press(reader, failed)
    assert in_carts(shop) == [("hat", 1)]


def test_of_what_has_become_scarce_there_is_as_much_as_is_left(shop: Shop, reader: Reader, failed: str) -> None:
    change(shop, Variant, "mug", on_hand=1)
    change(shop, Variant, "hat", on_hand=0)
    page = reader.get(f"/orders/{failed}/again")
    assert "Only 1 of 2 left." in page.words
    assert "Sold out." in page.words
    press(reader, failed)
    assert in_carts(shop) == [("mug", 1)]


def test_when_nothing_is_left_there_is_nothing_to_press(shop: Shop, reader: Reader, failed: str) -> None:
    change(shop, Product, "mug", status="archived")
    change(shop, Variant, "hat", active=False)
    page = reader.get(f"/orders/{failed}/again")
    assert page.status == 200
    assert "nothing of it is left" in page.words
    assert [form.action for form in page.forms if form.method == "post"] == []


def test_goods_on_the_readers_own_new_payment_page_are_still_theirs(shop: Shop, reader: Reader, failed: str) -> None:
    change(shop, Variant, "mug", on_hand=2)
    press(reader, failed)
    assert reader.pay().status == 303
    assert f"2 {TIMES} $39.00" in reader.get(f"/orders/{failed}/again").words
    stranger = Reader(shop.app.test_client())
    assert "Sold out." in stranger.get(f"/orders/{failed}/again").words


def test_another_browser_fills_a_cart_of_its_own(shop: Shop, reader: Reader, failed: str) -> None:
    other = Reader(shop.app.test_client())
    assert "Mug" in other.follow(press(other, failed)).words
    assert "There is nothing in it yet." in reader.get("/cart").words


@pytest.mark.parametrize("ended", ["expired", "cancelled"])
def test_an_order_that_ended_otherwise_can_be_ordered_again_too(
    shop: Shop, reader: Reader, failed: str, ended: str
) -> None:
    with shop.database.transaction() as session:
        session.execute(sa.update(Order).values(status=ended))
    assert reader.get(f"/orders/{failed}").all("a", href=f"/orders/{failed}/again")
    assert press(reader, failed).location == "/cart?again=1"


@pytest.mark.parametrize("status", ["pending", "processing", "paid", "shipped", "refunded", "disputed", "attention"])
def test_what_is_paid_or_may_still_be_is_shown_instead_of_sold_twice(
    shop: Shop, reader: Reader, failed: str, status: str
) -> None:
    page = reader.get(f"/orders/{failed}/again")
    with shop.database.transaction() as session:
        session.execute(sa.update(Order).values(status=status))
    for answer in (reader.get(f"/orders/{failed}/again"), reader.send(page, f"/orders/{failed}/again")):
        assert (answer.status, answer.location) == (303, f"/orders/{failed}")
    assert in_carts(shop) == []
    assert not reader.get(f"/orders/{failed}").all("a", href=f"/orders/{failed}/again")


def test_a_forged_form_fills_no_cart(shop: Shop, reader: Reader, failed: str) -> None:
    reader.get(f"/orders/{failed}/again")
    answer = reader.client.post(f"/orders/{failed}/again", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 400
    assert in_carts(shop) == []


def test_the_link_of_no_order_leads_nowhere(shop: Shop, reader: Reader) -> None:
    for token in ("x" * 32, "%00", "a" * 65):
        assert reader.get(f"/orders/{token}/again").status == 404


def test_pressing_without_end_is_refused(shop: Shop, reader: Reader, failed: str) -> None:
    page = reader.get(f"/orders/{failed}/again")
    answers = {reader.send(page, f"/orders/{failed}/again").status for _ in range(25)}
    assert answers == {303, 429}


def test_looking_asks_the_database_little(shop: Shop, reader: Reader, failed: str) -> None:
    reader.get(f"/orders/{failed}/again")
    with statements(shop.app.extensions["understory"].database.engine) as sent:
        reader.get(f"/orders/{failed}/again")
    assert len(sent) <= 6, "\n".join(sent)
