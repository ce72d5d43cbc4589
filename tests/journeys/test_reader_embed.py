"""The card as a guest under somebody else's story: it keeps nothing, moves nothing, and needs no mouse."""

import re
from typing import Any

import pytest
from playwright.sync_api import Error, Frame, Page, expect

from tests.journeys.support.browsers import Browsers
from tests.journeys.support.house import House
from tests.journeys.support.steps import add_to_cart, embed_in, expect_paid

KEPT = """async () => ({
  cookies: document.cookie,
  local: localStorage.length,
  session: sessionStorage.length,
  databases: (await indexedDB.databases()).length,
  caches: (await caches.keys()).length,
  workers: (await navigator.serviceWorker.getRegistrations()).length,
})"""
NOTHING = {"cookies": "", "local": 0, "session": 0, "databases": 0, "caches": 0, "workers": 0}
# Notes from the document's first moment on what moved without the reader having done anything.
WATCH = """
window.moved = [];
const rect = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(" ");
const told = ({ node, previousRect, currentRect }) =>
  `${node && (node.outerHTML || node.data || "").slice(0, 60)} from ${rect(previousRect)} to ${rect(currentRect)}`;
new PerformanceObserver((list) => {
  for (const shift of list.getEntries())
    if (!shift.hadRecentInput) window.moved.push(shift.sources.map(told).join("; "));
}).observe({ type: "layout-shift", buffered: true });
"""
# Chromium may lay a frame out before its style sheet has come. The loader shows the frame after that, so nobody sees it.
UNSTYLED = re.compile(r"<body>.* from 8 8 \d+ \d+ to 0 0 ", re.DOTALL)
FOCUSED = """() => {
  const on = document.activeElement;
  const label = on.labels && on.labels[0] ? on.labels[0].innerText : on.innerText || on.getAttribute("aria-label") || "";
  return `${on.localName} ${on.name || ""} ${label.trim()}`.replace(/\\s+/g, " ");
}"""


def frame_of(page: Page) -> Frame:
    """The document inside the card under the story."""
    found = page.locator("shop-embed iframe").element_handle().content_frame()
    assert found is not None
    return found


def test_the_card_keeps_no_cookie_and_no_storage_where_it_could(lenient_page: Page, house: House) -> None:
    lenient_page.goto(house.article_url)
    add_to_cart(lenient_page, "M")

    assert frame_of(lenient_page).evaluate(KEPT) == NOTHING
    assert lenient_page.context.cookies() == []


def test_the_card_knows_its_cart_again_where_it_may_keep_nothing(page: Page, house: House) -> None:
    page.goto(house.article_url)
    add_to_cart(page, "M")
    with pytest.raises(Error, match="Access is denied"):
        frame_of(page).evaluate(KEPT)

    # The cart's handle lies with the newsroom, so the next page under the same roof knows the cart.
    page.goto(house.article_url)
    card = add_to_cart(page, "M")
    expect(card.get_by_text("2 items in your cart")).to_be_visible()


def test_the_shop_sets_its_first_cookie_only_when_the_reader_goes_there(page: Page, house: House) -> None:
    page.goto(house.article_url)
    card = add_to_cart(page, "M")
    assert page.context.cookies() == []

    card.get_by_role("button", name="View cart").click()

    expect(page.get_by_role("status")).to_contain_text("filled under the story")
    cookies: list[Any] = page.context.cookies()
    assert {(cookie["name"], cookie["domain"]) for cookie in cookies} == {
        ("cart", "127.0.0.1"),
        ("session", "127.0.0.1"),
    }
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in cookies)


@pytest.mark.parametrize("width", [390, 700, 1280])
def test_nothing_moves_when_the_card_comes_under_the_story(browsers: Browsers, shared_house: House, width: int) -> None:
    page = browsers.open(width=width)
    page.add_init_script(WATCH)
    page.goto(shared_house.article_url)

    card = embed_in(page)
    expect(card.get_by_role("button", name="Buy now")).to_be_visible()
    page.wait_for_load_state("networkidle")

    assert page.evaluate("window.moved") == []
    assert [shift for shift in frame_of(page).evaluate("window.moved") if not UNSTYLED.match(shift)] == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", ["/", "/products/trump-kim-tee", "/products/deadline-mug"])
def test_nothing_moves_on_the_shops_pages(browsers: Browsers, shared_house: House, width: int, path: str) -> None:
    page = browsers.open(width=width)
    page.add_init_script(WATCH)
    page.goto(shared_house.url + path)

    page.get_by_role("contentinfo").scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")

    assert page.evaluate("window.moved") == []


def test_what_moves_is_noticed(browsers: Browsers, shared_house: House) -> None:
    page = browsers.open(bypass_csp=True)
    page.add_init_script(WATCH)
    page.goto(shared_house.url)

    page.evaluate("document.body.insertAdjacentHTML('afterbegin', '<div style=\"height: 200px\"></div>')")

    page.wait_for_function("window.moved.length > 0")


def test_a_reader_with_only_a_keyboard_buys_from_the_story_to_the_paid_order(page: Page, house: House) -> None:
    page.goto(house.article_url)
    tab_to(page, "a Buy a Trump-Kim t-shirt")
    expect(page.frame_locator("shop-embed iframe").get_by_role("button", name="Buy now")).to_be_visible()
    tab_to(page, "input option_1 S")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    tab_to(page, "button Buy now")
    page.keyboard.press("Enter")

    expect(page.get_by_text("Local Stripe, no real money.")).to_be_visible()
    for field, text in (
        ("input email E-mail", "joanna@example.com"),
        ("input name Full name", "Joanna Lim"),
        ("input line1 Address", "12 Kallang Way"),
        ("input postal_code Postal code", "349216"),
        ("input number Card number", "4242424242424242"),
        ("input exp Expiry (MM / YY)", "1234"),
        ("input cvc CVC", "123"),
    ):
        tab_to(page, field)
        page.keyboard.type(text)
    tab_to(page, "button Pay")
    page.keyboard.press("Enter")

    expect_paid(page, house)
    assert [order.lines[0].sku for order in house.orders()] == ["TKT-BLK-M"]
    tab_to(page, "a Back to the story")
    page.keyboard.press("Enter")
    expect(page).to_have_url(house.article_url)


def tab_to(page: Page, wanted: str, most: int = 40) -> None:
    """Press Tab until the focus stands what begins with `wanted` ("tag name label"), on the page or inside the card."""
    seen: list[str] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        on = page.evaluate(FOCUSED)
        if on.startswith("shop-embed"):
            on = frame_of(page).evaluate(FOCUSED)
        seen.append(on)
        if on.replace("  ", " ").startswith(wanted):
            return
    raise AssertionError(f"Tab never came to {wanted!r}, but to {seen}")
