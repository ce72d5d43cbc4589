"""The steps that several journeys take, each as a person takes it: by what is written on the page."""

import re
from collections.abc import Callable
from typing import cast

from playwright.sync_api import FrameLocator, Page, expect

from tests.journeys.support.house import House
from tests.support.serving import eventually

GOOD_CARD = "4242 4242 4242 4242"
DECLINED_CARD = "4000 0000 0000 0002"
SECURE_CARD = "4000 0025 0000 3155"


def embed_in(page: Page) -> FrameLocator:
    """The shop's card under the story, scrolled to and ready."""
    page.locator("shop-embed").scroll_into_view_if_needed()
    expect(page.locator("shop-embed iframe")).to_be_visible()
    card = page.frame_locator("shop-embed iframe")
    expect(card.get_by_role("heading", level=1)).to_be_visible()
    return card


def soon_under_the_story(page: Page, seen: Callable[[FrameLocator], bool]) -> FrameLocator:
    """The card that a reader sees who opens the story again, with what has changed: at the latest after ten seconds."""

    def look() -> FrameLocator | None:
        page.reload()
        card = embed_in(page)
        return card if seen(card) else None

    return cast("FrameLocator", eventually(look, within=10))


def choose(card: FrameLocator | Page, *values: str) -> None:
    """Choose a size, a colour, by the words on their buttons."""
    for value in values:
        card.get_by_role("radio", name=value, exact=True).check()


def fill_in_buyer(page: Page, email: str = "joanna@example.com") -> None:
    """Type who is paying and where it goes, on the payment page."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Full name").fill("Joanna Lim")
    page.get_by_label("Address", exact=True).fill("12 Kallang Way")
    page.get_by_label("Postal code").fill("349216")


def type_card(page: Page, number: str = GOOD_CARD) -> None:
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expiry").fill("12 / 34")
    page.get_by_label("CVC").fill("123")


def pay(page: Page, number: str = GOOD_CARD, email: str = "joanna@example.com") -> None:
    """Wait for the payment page, fill it in by typing, and press Pay."""
    expect(page.get_by_text("Local Stripe, no real money.")).to_be_visible()
    fill_in_buyer(page, email)
    type_card(page, number)
    press_pay(page)


def press_pay(page: Page) -> None:
    page.get_by_role("button", name=re.compile(r"^Pay .*\d")).click()


def expect_paid(page: Page, house: House) -> None:
    """The browser stands on the page of a paid order."""
    expect(page).to_have_url(re.compile(re.escape(house.url) + r"/orders/[\w-]{16,}$"))
    expect(page.get_by_role("heading", level=1, name="Paid")).to_be_visible()


def buy_now(page: Page, *values: str) -> None:
    """On the article: choose in the card under the story and press Buy now."""
    card = embed_in(page)
    choose(card, *values)
    card.get_by_role("button", name="Buy now").click()


def add_to_cart(page: Page, *values: str) -> FrameLocator:
    """On the article: choose in the card, press Add to cart, and wait for the card to say that it is done."""
    card = embed_in(page)
    choose(card, *values)
    card.get_by_role("button", name="Add to cart").click()
    expect(card.get_by_text("Added to your cart")).to_be_visible()
    return card
