"""From the story to a paid order, by a reader with a mouse and a card."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.support.browsers import Browsers
from tests.journeys.support.house import STORY, House
from tests.journeys.support.steps import (
    DECLINED_CARD,
    SECURE_CARD,
    buy_now,
    choose,
    embed_in,
    expect_paid,
    pay,
    press_pay,
    type_card,
)


def expect_the_story_named(page: Page, house: House) -> None:
    story = page.get_by_role("link", name=STORY.title)
    expect(story).to_have_attribute("href", house.article_url)


def test_a_reader_buys_the_shirt_under_the_story(browsers: Browsers, page: Page, house: House) -> None:
    page.goto(house.article_url)
    card = embed_in(page)
    choose(card, "M")
    expect(card.locator("[data-price]")).to_have_text("$39.00")
    browsers.snap(page, "1-chosen")
    card.get_by_role("button", name="Buy now").click()
    expect(page.get_by_role("heading", name="Pay The Courier Shop")).to_be_visible()
    browsers.snap(page, "2-payment-page")

    pay(page)

    expect_paid(page, house)
    expect_the_story_named(page, house)
    expect(page.get_by_text("Trump-Kim summit t-shirt")).to_be_visible()
    expect(page.get_by_text("M / Black")).to_be_visible()
    browsers.snap(page, "3-paid")
    [order] = house.orders()
    assert (order.status, order.story.article_url, order.email) == ("paid", house.article_url, "joanna@example.com")
    assert house.stock_of("TKT-BLK-M") == (39, 0)


def test_the_receipt_lies_in_the_mailroom_once(page: Page, house: House, browsers: Browsers) -> None:
    page.goto(house.article_url)
    buy_now(page, "L")
    pay(page)
    expect_paid(page, house)
    number = house.orders()[0].number

    assert house.send_mail().sent == 1
    assert house.send_mail().sent == 0

    page.goto(f"{house.newsroom_url}/mail")
    expect(page.get_by_role("list").get_by_text("To joanna@example.com")).to_have_count(1)
    browsers.snap(page, "1-mailroom")
    page.get_by_role("link", name=re.compile(number)).click()
    expect(page.get_by_role("region", name="The message as plain text")).to_contain_text("Trump-Kim summit t-shirt")
    browsers.snap(page, "2-receipt")


@pytest.mark.parametrize("article", ["with the embed's link", "plain"])
def test_a_reader_without_scripts_buys_by_the_link(browsers: Browsers, house: House, article: str) -> None:
    page = browsers.open(scripts=False)
    page.goto(house.plain_article_url if article == "plain" else house.article_url)
    browsers.snap(page, "1-article")
    page.get_by_role("link", name=STORY.merchandise.link).click()  # type: ignore[union-attr]
    expect(page.get_by_role("heading", level=1, name="Trump-Kim summit t-shirt")).to_be_visible()
    choose(page, "M", "White")
    browsers.snap(page, "2-product")
    page.get_by_role("button", name="Buy now").click()

    pay(page)

    expect_paid(page, house)
    expect_the_story_named(page, house)
    [order] = house.orders()
    assert (order.story.article_url, order.lines[0].sku) == (house.article_url, "TKT-WHT-M")


def test_a_declined_card_is_said_and_a_good_one_pays(browsers: Browsers, page: Page, house: House) -> None:
    page.goto(house.article_url)
    buy_now(page, "M")
    browsers.expects(422, r"/c/pay/cs_test_\w+")
    pay(page, DECLINED_CARD)
    expect(page.get_by_role("alert")).to_contain_text("Nothing was charged.")
    expect(page.get_by_label("Card number")).to_have_accessible_description("Your card was declined.")
    browsers.snap(page, "1-declined")
    assert [order.status for order in house.orders()] == ["pending"]

    type_card(page)
    press_pay(page)

    expect_paid(page, house)
    assert [order.status for order in house.orders()] == ["paid"]
    assert house.stock_of("TKT-BLK-M") == (39, 0)


def test_a_bank_that_asks_who_is_paying_is_answered(browsers: Browsers, page: Page, house: House) -> None:
    page.goto(house.article_url)
    buy_now(page, "M")
    pay(page, SECURE_CARD)
    browsers.snap(page, "1-bank")
    browsers.expects(422, r"/c/pay/cs_test_\w+/3ds")
    page.get_by_role("button", name="Fail authentication").click()
    expect(page.get_by_role("alert")).to_be_visible()
    browsers.snap(page, "2-refused")

    type_card(page, SECURE_CARD)
    press_pay(page)
    page.get_by_role("button", name="Complete authentication").click()

    expect_paid(page, house)
    assert house.stock_of("TKT-BLK-M") == (39, 0)


def test_a_waiting_order_turns_to_paid_by_itself_within_a_second(browsers: Browsers, page: Page, house: House) -> None:
    page.clock.install()
    waiting_order(page, house)
    browsers.snap(page, "1-waiting")
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=2))

    house.stripe.deliver_now()
    page.clock.run_for(1000)  # the page's own clock, so that a busy machine neither makes it early nor late

    expect(page.get_by_role("heading", level=1, name="Paid")).to_be_visible()
    expect_the_story_named(page, house)


def test_a_waiting_order_shows_paid_without_scripts_too(browsers: Browsers, house: House) -> None:
    page = browsers.open(scripts=False)
    waiting_order(page, house)

    page.get_by_role("link", name="Check again").click()

    expect_paid(page, house)


def waiting_order(page: Page, house: House) -> None:
    """Pay while Stripe neither tells nor answers, so that the reader comes back to an order that waits."""
    page.goto(house.article_url)
    page.get_by_role("link", name=STORY.merchandise.link).click()  # type: ignore[union-attr]
    choose(page, "M", "Black")
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_role("heading", name="Pay The Courier Shop")).to_be_visible()
    house.stripe.hold_deliveries()
    house.stripe.fail_next(2)
    pay(page)
    expect(page.get_by_text("If you have paid, this takes a few seconds")).to_be_visible()
    house.stripe.clear_faults()
