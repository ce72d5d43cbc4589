"""A member of staff at a browser: an account, the login, and the way to a product or an order by what pages say."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from shop.staff.accounts import create_admin
from tests.journeys.support.house import House

EMAIL, PASSWORD = "owner@example.com", "correct horse battery"
# What WCAG 2.2 AA asks for and a machine can see. The size of what a finger must hit is not looked at unless asked for.
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "rules": {"target-size": {"enabled": True}},
}


def log_in(page: Page, house: House) -> None:
    """Make the owner's account and log in with it, at the back office's door."""
    create_admin(house.database, EMAIL, PASSWORD)
    page.goto(f"{house.url}/admin/")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1, name="Home")).to_be_visible()


def open_product(page: Page, title: str) -> None:
    page.get_by_role("link", name="Products").first.click()
    page.get_by_role("link", name=title).click()
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()


def expect_said(page: Page, words: str) -> None:
    """The page says what has just been done, where somebody sees it."""
    expect(page.get_by_role("status")).to_have_text(words)
    expect(page.get_by_role("status")).to_be_in_viewport()


def faults(page: Page) -> list[str]:
    """What axe finds, and whether the page is wider than its window."""
    found = Axe().run(page, options=RULES).response["violations"]
    said = [f"{page.url}: {it['id']}: {node['html'][:160]}" for it in found for node in it["nodes"]]
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return said + ([f"{page.url}: {wide} pixels too wide"] if wide > 0 else [])


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until `wanted` has the focus and shows it. Raises AssertionError when it is never reached."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            assert wanted.evaluate("element => getComputedStyle(element).outlineStyle") != "none", (
                "the focus is not seen"
            )
            return
    raise AssertionError(f"the keyboard never reaches {wanted}")
