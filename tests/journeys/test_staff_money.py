"""Staff give money back by the keyboard, deal with an order that waits for them, and have a failed event tried again."""

import re
from collections.abc import Callable
from datetime import timedelta

from playwright.sync_api import Page, expect
from sqlalchemy import select

from shop.checkout.reconcile import reconcile
from shop.db import now
from shop.payments.gateway import Gateway
from shop.payments.models import StripeEvent
from tests.journeys.support.browsers import HEIGHT, NARROW, WIDE, Browsers
from tests.journeys.support.desk import expect_said, faults, log_in, tab_to
from tests.journeys.support.house import House
from tests.journeys.support.steps import choose
from tests.support.serving import eventually

PAYS, REFUND_FAILS = "4242424242424242", "4000000000005126"


def two_shirts(browsers: Browsers, house: House, card: str = "4242424242424242") -> str:
    """The number of an order of two shirts, paid at Stripe with this card."""
    before = len(house.orders())
    page = browsers.open()
    page.goto(house.url + "/products/trump-kim-tee")
    choose(page, "M", "Black")
    page.get_by_label("Quantity").fill("2")
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_text("Local Stripe, no real money.")).to_be_visible()
    house.stripe.pay(house.stripe.sessions()[0]["id"], card)
    eventually(lambda: len(house.orders()) > before and house.orders()[0].paid_at)
    return house.orders()[0].number


def an_event_that_failed(house: House) -> str:
    """The newest word that a session was paid, as if the disk had been full when it came."""
    with house.database.transaction() as session:
        row = session.scalars(
            select(StripeEvent).where(StripeEvent.type == "checkout.session.completed").order_by(StripeEvent.id.desc())
        ).first()
        assert row is not None
        row.state, row.reason, row.applied_at = "failed", "OperationalError: the disk is full", None
        return row.stripe_id


def test_one_of_two_shirts_goes_back_by_the_keyboard_after_its_sum_was_seen(browsers: Browsers, house: House) -> None:
    number = two_shirts(browsers, house)
    desk = browsers.open(scripts=False)
    log_in(desk, house)
    desk.goto(f"{house.url}/admin/orders/{number}")
    tab_to(desk, desk.get_by_role("link", name="Give money back"))
    desk.keyboard.press("Enter")
    pieces = desk.get_by_label(re.compile("^Pieces of Trump-Kim"))
    tab_to(desk, pieces)
    desk.keyboard.type("3")
    browsers.expects(422, f"/admin/orders/{number}/refunds")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("alert")).to_contain_text("Only 2 of this line are left to give back.")
    expect(pieces).to_have_value("3")

    tab_to(desk, desk.get_by_role("alert").get_by_role("link"))
    desk.keyboard.press("Enter")
    expect(pieces).to_be_focused()
    desk.keyboard.press("Control+A")
    desk.keyboard.type("1")
    desk.keyboard.press("Enter")
    button = desk.get_by_role("button", name=re.compile(r"^Give \$\d+\.\d\d back$"))
    expect(button).to_be_in_viewport()
    assert house.stripe.refunds() == [], "nothing goes back before somebody has agreed"
    desk.keyboard.press("Tab")
    expect(button).to_be_focused()
    desk.keyboard.press("Enter")

    expect_said(desk, "Given back. The buyer gets a mail.")
    expect(desk.get_by_text("1 of 2 refunded")).to_be_visible()
    [given] = house.stripe.refunds()
    [order] = house.orders()
    assert (given["amount"], order.status) == (order.lines[0].unit_price.minor, "partly_refunded")


def test_what_waits_for_staff_is_dealt_with_and_tried_again_on_pages_that_axe_finds_nothing_on(
    browsers: Browsers, house: House
) -> None:
    disputed = two_shirts(browsers, house, PAYS)
    house.stripe.dispute(house.stripe.sessions()[0]["id"])
    number = two_shirts(browsers, house, REFUND_FAILS)
    found: list[str] = []
    desk = browsers.open()
    log_in(desk, house)

    def look(step: str) -> None:
        for width, scheme in ((NARROW, "dark"), (WIDE, "light")):
            desk.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            desk.set_viewport_size({"width": width, "height": HEIGHT})
            found.extend(faults(desk))
            browsers.snap(desk, f"{step}-{scheme}", [width])

    refund(desk, house, number, look, browsers)
    house.stripe.settle_refund(house.stripe.refunds()[0]["id"], ok=False)
    eventually(lambda: house.orders()[0].attention)
    desk.goto(f"{house.url}/admin/orders?status=attention")
    desk.get_by_role("link", name=number).click()
    look("attention")
    desk.get_by_label("What came of it").fill("Paid by bank transfer instead.")
    desk.get_by_role("button", name="Mark as dealt with").click()
    expect_said(desk, "Dealt with.")
    expect(desk.get_by_role("heading", name="What to do")).to_have_count(0)
    desk.goto(f"{house.url}/admin/orders/{disputed}")
    expect(desk.get_by_text("answer it at Stripe by")).to_be_visible()
    look("disputed")

    event = an_event_that_failed(house)
    desk.get_by_role("link", name="Events", exact=True).click()
    look("events")
    desk.get_by_role("button", name=f"Try again {event}").click()
    expect_said(desk, "Applied: paid already")
    expect(desk.get_by_role("button", name=re.compile("^Try"))).to_have_count(0)
    reconcile(house.database, Gateway(house.settings), now() - timedelta(days=1))
    desk.get_by_role("link", name="Books", exact=True).click()
    expect(desk.get_by_text("Finished")).to_be_visible()
    look("books")
    assert sorted(set(found)) == []


def refund(desk: Page, house: House, number: str, look: Callable[[str], None], browsers: Browsers) -> None:
    """Give both shirts back, after a number that cannot be one."""
    desk.goto(f"{house.url}/admin/orders/{number}/refunds/new")
    look("refund")
    pieces = desk.get_by_label(re.compile("^Pieces of Trump-Kim"))
    pieces.fill("two")
    browsers.expects(422, f"/admin/orders/{number}/refunds")
    desk.get_by_role("button", name="See what it comes to").click()
    expect(pieces).to_have_attribute("aria-invalid", "true")
    look("refund-refused")
    pieces.fill("2")
    desk.get_by_role("button", name="See what it comes to").click()
    button = desk.get_by_role("button", name=re.compile("^Give .* back$"))
    expect(button).to_be_in_viewport()
    look("refund-agree")
    button.click()
    expect(desk.get_by_role("heading", level=1, name=f"Order {number}")).to_be_visible()
