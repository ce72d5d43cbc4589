"""Every page of a reader's path under axe: narrow and wide, light and dark."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.support.axe import violations
from tests.journeys.support.browsers import HEIGHT, NARROW, WIDE, Browsers
from tests.journeys.support.house import House
from tests.journeys.support.steps import (
    DECLINED_CARD,
    SECURE_CARD,
    choose,
    embed_in,
    expect_paid,
    fill_in_buyer,
    pay,
    press_pay,
)

SHIRT = "/products/trump-kim-tee"
Visit = Callable[[Browsers, Page, House], None]


def at(address: Callable[[House], str], status: int = 200) -> Visit:
    """A page that is reached by its address alone."""

    def visit(browsers: Browsers, page: Page, house: House) -> None:
        if status != 200:
            browsers.expects(status, ".*")
        page.goto(address(house))

    return visit


def a_cart(browsers: Browsers, page: Page, house: House) -> None:
    page.goto(house.url + SHIRT)
    choose(page, "M", "Black")
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_role("heading", name="Your cart")).to_be_visible()


def a_cart_with_an_error(browsers: Browsers, page: Page, house: House) -> None:
    a_cart(browsers, page, house)
    browsers.expects(422, r"/cart/lines/\d+")
    page.get_by_label("Quantity").fill("x")
    page.get_by_role("button", name=re.compile("^Update quantity")).click()
    expect(page.get_by_label("Quantity")).to_have_attribute("aria-invalid", "true")


def a_cart_from_a_used_ticket(browsers: Browsers, page: Page, house: House) -> None:
    page.goto(f"{house.url}/cart/handover/{'x' * 24}")
    expect(page.get_by_role("alert")).to_be_visible()


def a_product_with_nothing_chosen(browsers: Browsers, page: Page, house: House) -> None:
    page.goto(house.url + SHIRT)
    browsers.expects(422, "/cart/lines")
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_role("alert")).to_be_visible()


def a_product_from_the_story(browsers: Browsers, page: Page, house: House) -> None:
    page.goto(house.plain_article_url)
    page.locator(".product-card").click()
    expect(page.get_by_text("Back to the story")).to_be_visible()


def the_card_in_a_window_of_its_own(browsers: Browsers, page: Page, house: House) -> None:
    page.goto(house.url + "/embed/frame?product=trump-kim-tee")
    page.evaluate("document.querySelectorAll('[required]').forEach((box) => (box.required = false))")
    browsers.expects(422, "/embed/checkout")
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_role("alert")).to_be_visible()


def the_payment_page(browsers: Browsers, page: Page, house: House) -> None:
    page.goto(house.url + SHIRT)
    choose(page, "M", "Black")
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_role("heading", name="Pay The Courier Shop")).to_be_visible()


def a_payment_page_with_errors(browsers: Browsers, page: Page, house: House) -> None:
    the_payment_page(browsers, page, house)
    browsers.expects(422, "/c/pay/.*")
    press_pay(page)
    expect(page.get_by_role("alert")).to_be_visible()


def a_declined_card(browsers: Browsers, page: Page, house: House) -> None:
    the_payment_page(browsers, page, house)
    browsers.expects(422, "/c/pay/.*")
    pay(page, DECLINED_CARD)
    expect(page.get_by_role("alert")).to_be_visible()


def the_banks_question(browsers: Browsers, page: Page, house: House) -> None:
    the_payment_page(browsers, page, house)
    pay(page, SECURE_CARD)
    expect(page.get_by_role("button", name="Complete authentication")).to_be_visible()


def paynows_code(browsers: Browsers, page: Page, house: House) -> None:
    paying_by(page, browsers, house, "PayNow")
    expect(page.get_by_role("button", name="Simulate scan")).to_be_visible()


def grabpays_question(browsers: Browsers, page: Page, house: House) -> None:
    paying_by(page, browsers, house, "GrabPay")
    expect(page.get_by_role("button", name="Authorise payment")).to_be_visible()


def paying_by(page: Page, browsers: Browsers, house: House, way: str) -> None:
    the_payment_page(browsers, page, house)
    fill_in_buyer(page)
    page.get_by_role("radio", name=way).check()
    press_pay(page)


def a_waiting_order(browsers: Browsers, page: Page, house: House) -> None:
    the_payment_page(browsers, page, house)
    page.goto(f"{house.url}/orders/{house.orders()[0].access_token}")
    expect(page.get_by_role("link", name="Check again")).to_be_visible()


def a_paid_order(browsers: Browsers, page: Page, house: House) -> None:
    a_product_from_the_story(browsers, page, house)
    choose(page, "M", "Black")
    page.get_by_role("button", name="Buy now").click()
    pay(page)
    expect_paid(page, house)


def a_payment_page_paid_before(browsers: Browsers, page: Page, house: House) -> None:
    the_payment_page(browsers, page, house)
    address = page.url
    pay(page)
    expect_paid(page, house)
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("This has been paid")


def an_order_not_paid_in_time(browsers: Browsers, page: Page, house: House) -> None:
    the_payment_page(browsers, page, house)
    house.stripe.expire(house.stripe.sessions()[0]["id"])
    page.goto(f"{house.url}/orders/{house.orders()[0].access_token}/return")
    expect(page.get_by_role("heading", name="Not paid in time")).to_be_visible()
    expect(page.get_by_text("Shipping is added")).to_have_count(0)


def an_order_to_order_again(browsers: Browsers, page: Page, house: House) -> None:
    an_order_not_paid_in_time(browsers, page, house)
    page.goto(f"{house.url}/orders/{house.orders()[0].access_token}/again")
    expect(page.get_by_role("button", name="Put it into the cart")).to_be_visible()


def a_sold_out_product(browsers: Browsers, page: Page, house: House) -> None:
    house.leave("UMB-BREAKING", 0)
    page.goto(house.url + "/products/breaking-news-umbrella")
    expect(page.get_by_text("Sold out for now.")).to_be_visible()


def a_sold_out_card(browsers: Browsers, page: Page, house: House) -> None:
    a_sold_out_product(browsers, page, house)
    page.goto(house.url + "/embed/frame?product=breaking-news-umbrella")
    expect(page.get_by_text("Sold out", exact=True)).to_be_visible()


PAGES: dict[str, Visit] = {
    "front page": at(lambda house: house.newsroom_url),
    "plain article": at(lambda house: house.plain_article_url),
    "newsroom 404": at(lambda house: f"{house.newsroom_url}/nothing", 404),
    "shelf": at(lambda house: house.url),
    "product": at(lambda house: house.url + SHIRT),
    "product from the story": a_product_from_the_story,
    "product with nothing chosen": a_product_with_nothing_chosen,
    "sold-out product": a_sold_out_product,
    "empty cart": at(lambda house: f"{house.url}/cart"),
    "cart": a_cart,
    "cart with an error": a_cart_with_an_error,
    "cart from a used ticket": a_cart_from_a_used_ticket,
    "404": at(lambda house: f"{house.url}/products/nothing", 404),
    "sold-out card": a_sold_out_card,
    "card of nothing": at(lambda house: f"{house.url}/embed/frame?product=nothing"),
    "card gone wrong": at(lambda house: f"{house.url}/embed/cart", 405),
    "card in a window of its own": the_card_in_a_window_of_its_own,
    "payment page": the_payment_page,
    "payment page with errors": a_payment_page_with_errors,
    "declined card": a_declined_card,
    "bank's question": the_banks_question,
    "PayNow's code": paynows_code,
    "GrabPay's question": grabpays_question,
    "page of controls": at(lambda house: f"{house.stripe_url}/_control"),
    "payment page paid before": a_payment_page_paid_before,
    "payment page of nothing": at(lambda house: f"{house.stripe_url}/c/pay/cs_test_nothing", 404),
    "waiting order": a_waiting_order,
    "paid order": a_paid_order,
    "order not paid in time": an_order_not_paid_in_time,
    "order to order again": an_order_to_order_again,
}


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_on(browsers: Browsers, shared_house: House, name: str) -> None:
    page = browsers.open()
    PAGES[name](browsers, page, shared_house)

    assert looked_at(page, browsers, "light") + looked_at(page, browsers, "dark") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_article_and_in_its_card(browsers: Browsers, house: House, scheme: str) -> None:
    page = browsers.open(scheme=scheme)  # type: ignore[arg-type]
    page.goto(house.article_url)
    card = embed_in(page)
    choose(card, "M")
    found = looked_at(page, browsers, scheme, "offer")
    house.leave("TKT-BLK-M", 0)
    browsers.expects(422, "/embed/cart")
    card.get_by_role("button", name="Add to cart").click()
    expect(card.get_by_role("alert")).to_be_visible()
    found += looked_at(page, browsers, scheme, "refused")
    choose(card, "L")
    card.get_by_role("button", name="Add to cart").click()
    expect(card.get_by_text("Added to your cart")).to_be_visible()

    assert found + looked_at(page, browsers, scheme, "added") == []


def test_axe_would_find_something(browsers: Browsers, shared_house: House) -> None:
    page = browsers.open()
    page.goto(shared_house.article_url)
    embed_in(page)
    for document in page.frames:
        document.evaluate("document.querySelector('img').removeAttribute('alt')")

    found = violations(page)

    assert [line.split(" Images")[0] for line in found] == ["on the page: image-alt:", "in the frame: image-alt:"]


def looked_at(page: Page, browsers: Browsers, scheme: str, step: str = "") -> list[str]:
    """What axe finds at both widths in this scheme; photographed too."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    found = []
    for width in (NARROW, WIDE):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        found += [f"{scheme}, {width}: {one}" for one in violations(page)]
    browsers.snap(page, f"{step}-{scheme}".strip("-"), [WIDE if scheme == "light" else NARROW])
    return found
