"""The journeys' own stage: a test that cannot fail is a defect, so these show that it bites."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from werkzeug import Request, Response

from tests.journeys.support.browsers import Browsers
from tests.journeys.support.house import House
from tests.journeys.support.steps import embed_in
from tests.support.serving import serving

COOKIE = ("Set-Cookie", "probe=1; Path=/; Secure; SameSite=None")
NO_ICON = "<link rel=icon href=data:,>"


@pytest.fixture
def probe() -> Iterator[str]:
    """A page that sets a cookie, and one that shows it in a frame."""

    @Request.application
    def app(request: Request) -> Response:
        if request.path == "/frame":
            return Response(
                f"<!doctype html><title>Frame</title><p>Framed</p>{NO_ICON}", mimetype="text/html", headers=[COOKIE]
            )
        framed = f"<iframe src='http://{request.query_string.decode()}/frame'></iframe><script>1</script>"
        policy = {"Content-Security-Policy": "script-src 'none'"} if request.path == "/strict" else {}
        return Response(f"<!doctype html><title>Page</title>{NO_ICON}{framed}", mimetype="text/html", headers=policy)

    with serving(app) as served:
        yield served.url.removeprefix("http://127.0.0.1")


@pytest.mark.parametrize(("kind", "kept"), [("page", []), ("lenient_page", ["probe"])])
def test_only_the_lenient_browser_keeps_the_cookies_of_third_parties(
    request: pytest.FixtureRequest, probe: str, kind: str, kept: list[str]
) -> None:
    page: Page = request.getfixturevalue(kind)

    page.goto(f"http://courier.localhost{probe}/page?127.0.0.1{probe}")
    expect(page.frame_locator("iframe").get_by_text("Framed")).to_be_visible()
    assert [cookie["name"] for cookie in page.context.cookies()] == kept

    page.goto(f"http://127.0.0.1{probe}/frame")
    assert [cookie["name"] for cookie in page.context.cookies()] == ["probe"]


def test_what_a_policy_refuses_is_a_complaint(browsers: Browsers, probe: str) -> None:
    page = browsers.open()

    page.goto(f"http://courier.localhost{probe}/strict?127.0.0.1{probe}")

    with pytest.raises(AssertionError, match="Content Security Policy"):
        browsers.close()
    browsers.forgive()


def test_a_missing_page_is_a_complaint_unless_it_was_expected(browsers: Browsers, shared_house: House) -> None:
    page = browsers.open()
    browsers.expects(404, "/products/nothing")

    page.goto(f"{shared_house.url}/products/nothing")
    page.goto(f"{shared_house.url}/products/nothing-else")

    with pytest.raises(AssertionError, match=r"404 from /products/nothing-else$"):
        browsers.close()
    browsers.forgive()


def test_the_newsroom_the_shop_and_stripe_are_three_sites(shared_house: House, page: Page) -> None:
    page.goto(shared_house.article_url)
    expect(embed_in(page).get_by_role("button", name="Buy now")).to_be_visible()
    hosts = [url.split(":")[1] for url in (shared_house.url, shared_house.newsroom_url, shared_house.stripe_url)]
    assert len(set(hosts)) == 3
