"""A product's address pasted into a WordPress post: the card shows, says how high it is, and leads to buying."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.support.browsers import Browsers
from tests.journeys.support.house import House, open_house
from tests.journeys.support.steps import choose, expect_paid, pay
from tests.support.serving import Served, serving
from tests.support.wordpress import COLUMN, create_blog


@pytest.fixture
def blog() -> Iterator[Served]:
    """The site that is to show it, on a host of its own."""
    with serving() as served:
        served.url = served.url.replace("127.0.0.1", "blog.localhost")
        yield served


@pytest.fixture
def house_for(prepared: Path, tmp_path: Path, blog: Served) -> Iterator[Callable[[str], House]]:
    """Opens a shop whose frames this host may show, and pastes the shirt's address into the blog's post."""
    opened = []

    def open_for(host: str) -> House:
        manager = open_house(prepared, tmp_path / "var", shop_publisher_hosts=host)
        house = manager.__enter__()
        opened.append(manager)
        story = {"story": f"{blog.url}/post", "title": "A post"}
        blog.app = create_blog(f"{house.url}/products/trump-kim-tee?{urlencode(story)}")
        return house

    yield open_for
    for manager in opened:
        manager.__exit__(None, None, None)


def calm(browsers: Browsers) -> None:
    """The frame tries whether it may send a form, and Chromium notes each time that it may not."""
    browsers.complaints[:] = [heard for heard in browsers.complaints if "Blocked form submission" not in heard]


@pytest.fixture
def post(page: Page, blog: Served, house_for: Callable[[str], House]) -> tuple[Page, House]:
    """The post in a browser, with the card in it ready."""
    house = house_for(blog.url.removeprefix("http://"))
    page.goto(f"{blog.url}/post")
    expect(page.locator("iframe.wp-embedded-content[style]")).to_have_count(0)
    return page, house


def test_the_card_takes_the_links_place_as_high_as_it_is(post: tuple[Page, House], browsers: Browsers) -> None:
    page, _ = post
    frame = page.locator("iframe.wp-embedded-content")
    expect(frame).to_be_visible()
    expect(page.locator("blockquote.wp-embedded-content")).to_be_hidden()
    inside = page.frame_locator("iframe.wp-embedded-content")
    expect(inside.get_by_role("heading", level=1, name=re.compile("Trump"))).to_be_visible()
    body = inside.locator("body")
    needed = body.evaluate("(body) => Math.ceil(body.getBoundingClientRect().height)")
    expect(frame).to_have_attribute("height", str(needed))
    assert 200 <= needed <= 1000
    assert body.evaluate("() => document.documentElement.scrollHeight <= innerHeight")
    assert frame.bounding_box()["width"] == pytest.approx(COLUMN, abs=4)  # type: ignore[index]
    browsers.snap(page, "post", widths=(1280,))
    calm(browsers)


def test_a_reader_buys_from_the_card_in_a_post(post: tuple[Page, House], browsers: Browsers) -> None:
    page, house = post
    card = page.frame_locator("iframe.wp-embedded-content")
    choose(card, "M")
    card.get_by_role("button", name="Buy now").click()
    # No form can be sent out of that sandbox, so the goods are put into a cart, which the reader is handed in the shop.
    expect(page).to_have_url(f"{house.url}/cart?handover=1")
    page.get_by_role("button", name="Pay with Stripe").click()
    pay(page)
    expect_paid(page, house)
    (order,) = house.orders()
    assert order.lines[0].sku == "TKT-BLK-M"
    assert order.lines[0].article_url.endswith("/post")
    calm(browsers)


def test_the_title_in_the_card_leads_to_the_product(post: tuple[Page, House], browsers: Browsers) -> None:
    page, house = post
    page.frame_locator("iframe.wp-embedded-content").get_by_role("link", name=re.compile("Trump")).click()
    expect(page).to_have_url(re.compile(re.escape(house.url) + r"/products/trump-kim-tee"))
    calm(browsers)


def test_where_the_shop_does_not_know_the_site_the_link_stays(
    browsers: Browsers, blog: Served, house_for: Callable[[str], House]
) -> None:
    house = house_for("www.elsewhere.example")
    page = browsers.open()
    page.goto(f"{blog.url}/post")
    page.wait_for_load_state("networkidle")
    browsers.forgive()  # the browser says that it refused the frame
    link = page.locator("blockquote.wp-embedded-content a")
    expect(link).to_be_visible()
    link.click()
    expect(page).to_have_url(re.compile(re.escape(house.url) + "/products/trump-kim-tee"))
