"""Staff find the order that a reader has just placed, and send it; with a mouse, on a phone, by the keyboard alone."""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from shop.catalog.models import Product
from shop.orders.facts import flag
from shop.orders.models import Order
from tests.journeys.support.browsers import NARROW, WIDE, Browsers
from tests.journeys.support.desk import EMAIL, PASSWORD, expect_said, faults, log_in, tab_to
from tests.journeys.support.house import House
from tests.journeys.support.steps import buy_now, expect_paid, pay
from tests.support.serving import eventually


def a_reader_who_bought(browsers: Browsers, house: House, email: str = "joanna@example.com") -> Page:
    """Bought the shirt in M under the story; the browser stands on the order's page."""
    page = browsers.open()
    page.goto(house.article_url)
    buy_now(page, "M")
    pay(page, email=email)
    expect_paid(page, house)
    return page


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_staff_find_a_readers_order_and_send_it_and_the_reader_sees_the_parcel(
    browsers: Browsers, house: House, width: int
) -> None:
    reader = a_reader_who_bought(browsers, house)
    [order] = house.orders()

    desk = browsers.open(width=width)
    log_in(desk, house)
    expect(desk.get_by_role("link", name="1 to ship")).to_be_visible()
    browsers.snap(desk, "1-home")
    desk.get_by_role("link", name="Orders", exact=True).click()
    desk.get_by_label("Search by number, name or e-mail address").fill("joanna")
    desk.get_by_role("button", name="Search").click()
    browsers.snap(desk, "2-found")
    desk.get_by_role("link", name="To ship").click()
    desk.get_by_role("link", name=order.number).click()
    for words in (
        "Trump-Kim summit t-shirt, M / Black",
        "12 Kallang Way",
        "checkout.session.completed",
        "joanna@example.com",
    ):
        expect(desk.get_by_text(words).first).to_be_visible()
    story = desk.get_by_role("link", name=re.compile("Kim Jong-un|kim-jong-un"))
    expect(story).to_have_attribute("href", house.article_url)
    browsers.snap(desk, "3-order")
    desk.get_by_label("Carrier").fill("SingPost")
    desk.get_by_label("Tracking number").fill("RB123456785SG")
    desk.get_by_label("Tracking page").fill("https://track.example.com/RB123456785SG")
    desk.get_by_role("button", name="Mark shipped").click()
    expect_said(desk, "Marked as shipped; the buyer gets a mail.")
    expect(desk.get_by_role("button", name="Mark shipped")).to_have_count(0)
    browsers.snap(desk, "4-shipped")

    reader.reload()
    expect(reader.get_by_role("heading", level=1, name="Shipped")).to_be_visible()
    expect(reader.get_by_text("RB123456785SG").first).to_be_visible()
    follow = reader.get_by_role("link", name=re.compile("Follow it"))
    expect(follow).to_have_attribute("href", "https://track.example.com/RB123456785SG")
    browsers.snap(reader, "5-reader")
    assert house.send_mail().sent == 2  # the receipt, and that it has left


def test_the_keyboard_alone_leads_from_the_login_to_a_parcel_that_left(browsers: Browsers, house: House) -> None:
    a_reader_who_bought(browsers, house)
    number = house.orders()[0].number
    desk = browsers.open()
    log_in(desk, house)
    desk.context.clear_cookies()
    desk.goto(f"{house.url}/admin/orders")  # leads to the login, and after it back here
    press = desk.keyboard.press
    expect(desk.get_by_label("E-mail address")).to_be_focused()
    desk.keyboard.type(EMAIL)
    press("Tab")
    desk.keyboard.type(PASSWORD)
    press("Enter")
    expect(desk.get_by_role("heading", level=1, name="Orders")).to_be_visible()

    press("Tab")
    expect(desk.get_by_role("link", name="Skip to the content")).to_be_focused()
    press("Enter")
    tab_to(desk, desk.get_by_role("link", name=number))
    press("Enter")
    expect(desk.get_by_role("heading", level=1, name=f"Order {number}")).to_be_visible()
    tab_to(desk, desk.get_by_label("Carrier"))
    desk.keyboard.type("SingPost")
    press("Tab")
    desk.keyboard.type("RB123456785SG")
    press("Tab")
    press("Tab")
    expect(desk.get_by_role("button", name="Mark shipped")).to_be_focused()
    press("Enter")
    expect_said(desk, "Marked as shipped; the buyer gets a mail.")
    assert house.orders()[0].status == "shipped"


def orders_of_every_kind(browsers: Browsers, house: House) -> None:
    """One that is paid, one not paid in time, one whose payment is on its way, one that needs a look, one that waits."""
    a_reader_who_bought(browsers, house, "chua.mei.ling.alexandrina@correspondents.example.com")
    for size in ("S", "M", "L", "XL"):
        page = browsers.open()
        page.goto(house.article_url)
        buy_now(page, size)
        expect(page.get_by_text("Local Stripe, no real money.")).to_be_visible()
    looked_at, expired, processing, _ = (session["id"] for session in house.stripe.sessions()[:4])
    house.stripe.expire(expired)
    house.stripe.pay(processing, method="delayed_debit")
    house.stripe.pay(looked_at)
    eventually(lambda: {order.status for order in house.orders()} == {"paid", "pending", "expired", "processing"})
    eventually(lambda: [order.status for order in house.orders()].count("paid") == 2)
    with house.database.transaction() as session:
        order = session.scalars(select(Order).order_by(Order.id.desc())).first()
        assert order is not None
        flag(session, order, "paid 4100 of 4400 sgd", "a journey")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page_of_the_back_office(browsers: Browsers, house: House, scheme: str) -> None:
    orders_of_every_kind(browsers, house)
    desk = browsers.open(scheme=scheme)  # type: ignore[arg-type]
    found: list[str] = []

    def look(step: str) -> None:
        for width in (WIDE, NARROW):
            desk.set_viewport_size({"width": width, "height": 900})
            found.extend(faults(desk))
        browsers.snap(desk, step)

    desk.goto(f"{house.url}/admin/")
    look("login")
    browsers.expects(422, "/admin/login")
    desk.get_by_label("E-mail address").fill(EMAIL)
    desk.get_by_label("Password").fill("not the password")
    desk.get_by_role("button", name="Log in").click()
    look("login-refused")
    log_in(desk, house)
    with house.database.reading() as session:
        shirt, waiting = (
            session.scalars(select(Product.id).where(Product.slug == slug)).one()
            for slug in ("trump-kim-tee", "year-of-front-pages-calendar")
        )
    numbers = {order.status: order.number for order in house.orders()}
    pages = {
        "home": "/",
        "orders": "/orders",
        "orders-none": "/orders?q=nobody",
        "products": "/products",
        "new-product": "/products/new",
        "shirt": f"/products/{shirt}",
        "waiting": f"/products/{waiting}",
        "stock": "/variants/1/stock",
        "audit": "/audit",
        **{f"order-{status}": f"/orders/{number}" for status, number in numbers.items()},
    }
    for step, path in pages.items():
        desk.goto(f"{house.url}/admin{path}")
        look(step)

    browsers.expects(404, "/admin/products/999")
    desk.goto(f"{house.url}/admin/products/999")
    look("not-there")

    desk.goto(f"{house.url}/admin/products/{shirt}")
    desk.get_by_label("Price of M / Black").fill("39,00")
    desk.get_by_label("Grams of M / Black").fill("heavy")
    browsers.expects(422, f"/admin/products/{shirt}/variants")
    desk.get_by_role("button", name="Save variants").click()
    expect(desk.get_by_role("alert")).to_be_visible()
    look("refused")

    other = desk.context.new_page()
    other.goto(f"{house.url}/admin/products/{shirt}")
    desk.once("dialog", lambda dialog: dialog.accept())
    desk.goto(f"{house.url}/admin/products/{shirt}")
    other.get_by_label("Tagline").fill("Two hands, one table.")
    other.get_by_role("button", name="Save", exact=True).click()
    expect_said(other, "Saved.")
    desk.get_by_label("Tagline").fill("One handshake.")
    browsers.expects(409, f"/admin/products/{shirt}")
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_role("alert")).to_contain_text("Somebody else has changed this since you opened it.")
    look("overtaken")
    assert sorted(set(found)) == []
