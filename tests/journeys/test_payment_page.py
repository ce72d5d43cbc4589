"""The local Stripe in a browser without scripts: paying by an app, a page left open, and the page of controls."""

import re

from playwright.sync_api import Page, expect

from tests.journeys.support.axe import violations
from tests.journeys.support.browsers import NARROW, Browsers
from tests.journeys.support.house import House
from tests.journeys.support.steps import choose, expect_paid, fill_in_buyer, press_pay

SHIRT = "/products/trump-kim-tee"


def open_payment_page(page: Page, house: House) -> str:
    """Buy a shirt in the shop, up to the payment page; its address."""
    page.goto(house.url + SHIRT)
    choose(page, "M", "Black")
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_text("Local Stripe, no real money.")).to_be_visible()
    return page.url


def test_a_reader_scans_a_code_and_the_order_is_paid(browsers: Browsers, house: House) -> None:
    page = browsers.open(scripts=False, width=NARROW)
    open_payment_page(page, house)
    fill_in_buyer(page)
    page.get_by_role("radio", name="PayNow").check()
    expect(page.get_by_label("Card number")).to_be_hidden()
    press_pay(page)
    code = page.get_by_role("img", name="QR code")
    expect(code).to_be_visible()
    browsers.snap(page, "paynow")
    page.get_by_role("button", name="Simulate scan").click()
    expect_paid(page, house)


def test_a_reader_whom_grabpay_refuses_pays_another_way(browsers: Browsers, house: House) -> None:
    page = browsers.open(scripts=False)
    open_payment_page(page, house)
    fill_in_buyer(page)
    page.get_by_role("radio", name="GrabPay").check()
    press_pay(page)
    browsers.snap(page, "grabpay")
    browsers.expects(422, "/c/pay/.*/grabpay")
    page.get_by_role("button", name="Fail payment").click()
    expect(page.get_by_text("GrabPay did not authorise the payment.")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value("joanna@example.com")
    page.get_by_role("radio", name="Card").check()
    press_pay(page)
    expect_paid(page, house)


def test_a_page_that_is_left_open_says_by_itself_that_it_has_expired(browsers: Browsers, house: House) -> None:
    page = browsers.open(scripts=False)
    address = open_payment_page(page, house)
    session = house.stripe.sessions()[0]
    house.stripe.advance(session["expires_at"] - session["created"] - 3)
    browsers.expects(410, "/c/pay/.*")
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("This payment page has expired", timeout=15_000)
    browsers.snap(page, "expired")


def test_whoever_tries_the_shop_out_pays_and_disputes_by_the_page_of_controls(browsers: Browsers, house: House) -> None:
    shop = browsers.open()
    open_payment_page(shop, house)
    page = browsers.open(scripts=False)
    page.goto(f"{house.stripe_url}/_control")
    page.get_by_role("button", name="Pay", exact=True).first.click()
    expect(page.get_by_role("status")).to_have_text("Paid.")
    page.get_by_role("button", name="Dispute").first.click()
    expect(page.get_by_text(re.compile("Dispute of .* needs response"))).to_be_visible()
    page.get_by_text("charge.dispute.created").click()
    expect(page.get_by_role("button", name="Send once more")).to_be_visible()
    assert house.stripe.disputes()[0]["status"] == "needs_response"
    browsers.snap(page, "controls")
    shop.goto(f"{house.stripe_url}/_control")
    assert violations(shop) == []
