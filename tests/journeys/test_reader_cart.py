"""A cart that begins under the story, and the last shirt that two readers want."""

import re

from playwright.sync_api import FrameLocator, Page, expect

from tests.journeys.support.browsers import Browsers
from tests.journeys.support.house import House
from tests.journeys.support.steps import add_to_cart, choose, embed_in, expect_paid, pay, soon_under_the_story


def cart_line(page: Page) -> tuple[str, str]:
    """What the cart's only line says: its words and its quantity."""
    line = page.get_by_role("list", name="In your cart").get_by_role("listitem")
    expect(line).to_have_count(1)
    return line.get_by_role("heading").inner_text(), line.get_by_label("Quantity").input_value()


def test_a_cart_filled_under_the_story_is_handed_over_survives_a_cancelled_payment_and_is_paid(
    browsers: Browsers, page: Page, house: House
) -> None:
    page.goto(house.article_url)
    card = add_to_cart(page, "M")
    browsers.snap(page, "1-added")
    card.get_by_role("button", name="Keep reading").click()
    choose(card, "M", "White")
    card.get_by_role("button", name="Add to cart").click()
    expect(card.get_by_text("2 items in your cart")).to_be_visible()
    card.get_by_role("button", name="View cart").click()

    expect(page.get_by_role("status")).to_contain_text("Here is the cart that you filled under the story.")
    expect(page.get_by_text("M / White", exact=True)).to_be_visible()
    page.get_by_role("button", name=re.compile(r"Remove .*White")).click()
    page.get_by_label("Quantity").fill("2")
    page.get_by_role("button", name=re.compile("^Update quantity")).click()
    expect(page.locator(".line-total")).to_have_text("$78.00")
    assert cart_line(page) == ("Trump-Kim summit t-shirt", "2")
    browsers.snap(page, "2-cart")
    page.get_by_role("button", name="Pay with Stripe").click()
    page.get_by_role("link", name="Back to The Courier Shop").click()

    expect(page.get_by_role("status")).to_contain_text("nothing was charged. Your cart is as you left it.")
    assert cart_line(page) == ("Trump-Kim summit t-shirt", "2")
    assert house.stock_of("TKT-BLK-M") == (40, 0)
    browsers.snap(page, "3-cancelled")
    page.get_by_role("button", name="Pay with Stripe").click()
    pay(page)

    expect_paid(page, house)
    expect(page.get_by_role("link", name="Back to the story")).to_have_attribute("href", house.article_url)
    assert house.stock_of("TKT-BLK-M") == (38, 0)
    page.get_by_role("link", name="Cart").click()
    expect(page.get_by_text("There is nothing in it yet.")).to_be_visible()
    browsers.snap(page, "4-empty-cart")


def test_a_hand_over_works_once(browsers: Browsers, page: Page, house: House) -> None:
    page.goto(house.article_url)
    card = add_to_cart(page, "M")
    ticket = card.locator("input[name=ticket]").input_value()
    card.get_by_role("button", name="View cart").click()
    expect(page.get_by_role("status")).to_contain_text("filled under the story")
    stranger = browsers.open()

    stranger.goto(f"{house.url}/cart/handover/{ticket}")

    expect(stranger.get_by_role("alert")).to_contain_text("has been used already")
    expect(stranger.get_by_text("There is nothing in it yet.")).to_be_visible()
    assert cart_line(page)[1] == "1"


def test_a_cart_that_the_reader_has_already_is_joined_by_the_one_from_the_story(page: Page, house: House) -> None:
    page.goto(f"{house.url}/products/front-page-tote")
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_role("list", name="In your cart").get_by_role("listitem")).to_have_count(1)
    page.goto(house.article_url)
    card = add_to_cart(page, "M")

    card.get_by_role("button", name="View cart").click()

    expect(page.get_by_role("list", name="In your cart").get_by_role("listitem")).to_have_count(2)


def test_another_country_is_another_price_for_shipping_at_once(page: Page, house: House) -> None:
    page.goto(house.article_url)
    add_to_cart(page, "M").get_by_role("button", name="View cart").click()
    rates = page.locator(".rates")
    expect(rates).to_contain_text("Standard post")
    expect(page.get_by_role("button", name="Update country")).to_be_hidden()

    page.get_by_label("Ship to").select_option(label="Malaysia")

    expect(rates).to_contain_text("Airmail")
    page.reload()
    expect(rates).to_contain_text("Airmail")
    page.get_by_role("button", name="Pay with Stripe").click()
    expect(page.get_by_role("radio", name=re.compile(r"^Airmail 5 to 9 business days"))).to_be_visible()


def test_without_scripts_a_button_changes_the_country(browsers: Browsers, house: House) -> None:
    page = browsers.open(scripts=False)
    page.goto(house.url + "/products/front-page-tote")
    page.get_by_role("button", name="Add to cart").click()

    page.get_by_label("Ship to").select_option(label="Malaysia")
    page.get_by_role("button", name="Update country").click()

    expect(page.locator(".rates")).to_contain_text("Airmail")


def test_of_two_readers_who_want_the_last_shirt_one_pays_and_one_is_told(browsers: Browsers, house: House) -> None:
    house.leave("TKT-WHT-S", 1)
    readers = [browsers.open(), browsers.open()]
    for reader in readers:
        reader.goto(house.article_url)
        choose(embed_in(reader), "S", "White")
    browsers.expects(409, "/embed/checkout")

    for reader in readers:
        reader.frame_locator("shop-embed iframe").get_by_role("button", name="Buy now").click(no_wait_after=True)
    for reader in readers:
        reader.wait_for_url(lambda url: not url.startswith(house.newsroom_url))

    lucky, late = sorted(readers, key=lambda reader: reader.url.startswith(house.url))
    expect(late.get_by_role("alert")).to_contain_text("Trump-Kim summit t-shirt (S / White)")
    browsers.snap(late, "1-told")
    assert house.stock_of("TKT-WHT-S") == (1, 1)
    pay(lucky)
    expect_paid(lucky, house)
    assert house.stock_of("TKT-WHT-S") == (0, 0)
    assert [order.status for order in house.orders()] == ["paid"]
    late.goto(house.article_url)

    def is_gone(card: FrameLocator) -> bool:
        card.get_by_role("radio", name="White", exact=True).check()
        return card.get_by_role("radio", name="S", exact=True).is_disabled()

    card = soon_under_the_story(late, is_gone)
    expect(card.get_by_role("radio", name="S", exact=True)).to_be_disabled()
    browsers.snap(late, "2-gone")
