"""The demo newsroom's pages: what a reader, a search engine and the shop's embed find there."""

import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from PIL import Image

from shop.demo.catalogue import DEMO_PRODUCTS
from shop.demo.newsroom import NewsroomSettings, create_newsroom, publisher_policy
from shop.demo.stories import BOAT_OFF_UBIN, KIM_IN_DEMAND, RELATED_STORY, STORIES, Story

PAPER = "https://news.example"
SHOP = "https://shop.example"
ARTICLE = "/2018/06/10/kim-jong-un-in-demand"
SECTION_PAGES = ("/", "/sections/world", "/sections/singapore", "/sections/life")
EVERY_PAGE = (*SECTION_PAGES, *(before + story.path for story in STORIES for before in ("", "/plain")))


class Page(HTMLParser):
    """The elements of a page in order, each with its attributes, and the text inside each kind of element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inside: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, text: str) -> None:
        for tag in set(self._open):
            self.inside[tag] = self.inside.get(tag, "") + text

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [
            attributes for name, attributes in self.elements if name == tag and wanted.items() <= attributes.items()
        ]

    def meta(self, name: str) -> str:
        (found,) = self.all("meta", property=name)
        return found["content"]


@pytest.fixture
def reader() -> FlaskClient:
    return create_newsroom(NewsroomSettings(PAPER + "/", SHOP)).test_client()


def page_at(reader: FlaskClient, path: str) -> Page:
    answer = reader.get(path)
    assert answer.status_code == 200, path
    return Page(answer.text)


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_every_page_opens_names_itself_once_and_reads_in_order(reader: FlaskClient, path: str) -> None:
    page = page_at(reader, path)
    assert len(page.all("h1")) == 1
    assert page.inside["h1"].strip()
    assert "The Kallang Courier" in page.inside["title"]
    assert all("alt" in image for image in page.all("img"))
    assert RELATED_STORY not in reader.get(path).text


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_every_link_within_the_paper_leads_somewhere(reader: FlaskClient, path: str) -> None:
    page = page_at(reader, path)
    own = [link["href"] for link in page.all("a") if link["href"].startswith("/")]
    files = [tag["src"] for tag in page.all("img")] + [
        tag["href"] for tag in page.all("link") if tag["rel"] != "canonical"
    ]
    assert own
    for target in {*own, *files}:
        with reader.get(target) as answer:
            assert answer.status_code == 200, target


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_nothing_on_a_page_is_inline(reader: FlaskClient, path: str) -> None:
    page = page_at(reader, path)
    assert not page.all("style")
    assert all("src" in script for script in page.all("script"))
    for _, attributes in page.elements:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]


def test_the_article_carries_one_script_in_its_head_and_one_embed_under_its_text(reader: FlaskClient) -> None:
    html = reader.get(ARTICLE).text
    page = Page(html)
    assert page.all("script") == [{"async": "", "src": f"{SHOP}/embed.js"}]
    assert page.all("shop-embed") == [{"product": "trump-kim-tee", "cta": "Buy a Trump-Kim t-shirt:"}]
    story = "https%3A%2F%2Fnews.example%2F2018%2F06%2F10%2Fkim-jong-un-in-demand"
    headline = "Long+shunned%2C+Kim+Jong-un+is+suddenly+the+man+to+meet"
    link = f"{SHOP}/products/trump-kim-tee?story={story}&amp;title={headline}"
    assert f'<script async src="{SHOP}/embed.js"></script>' in html.partition("</head>")[0]
    assert (
        '<shop-embed product="trump-kim-tee" cta="Buy a Trump-Kim t-shirt:">'
        f'<a href="{link}">Buy a Trump-Kim t-shirt</a></shop-embed>'
    ) in html
    assert html.index("with more names in his address book") < html.index("<shop-embed") < html.index("</article>")


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
def test_the_canonical_address_is_the_article_on_both_of_its_pages(reader: FlaskClient, story: Story) -> None:
    for path in (story.path, f"/plain{story.path}"):
        page = page_at(reader, path)
        assert [link["href"] for link in page.all("link", rel="canonical")] == [PAPER + story.path]
        assert page.meta("og:url") == PAPER + story.path
        assert page.meta("og:title") == story.title
        assert page.meta("og:type") == "article"


def test_the_picture_for_other_sites_is_a_real_picture(reader: FlaskClient) -> None:
    address = page_at(reader, ARTICLE).meta("og:image")
    assert address.startswith(PAPER + "/")
    answer = reader.get(urlsplit(address).path)
    assert answer.mimetype == "image/png"
    with Image.open(BytesIO(answer.data)) as image:
        assert image.size == (1200, 675)


def test_the_article_tells_the_story_in_full_with_the_related_one_in_its_middle(reader: FlaskClient) -> None:
    blocks = list(KIM_IN_DEMAND.blocks())
    words = sum(len(block.text.split()) for block in blocks)
    assert 450 <= words <= 600
    kinds = [block.kind for block in blocks]
    assert kinds.count("related") == 1
    assert 3 < kinds.index("related") < len(kinds) - 3
    text = " ".join(reader.get(ARTICLE).text.split())
    for fact in ("31 May", "Sergey Lavrov", "4 June", "Vladivostok", "2014", "Shinzo Abe", "Moon Jae-in", "3 June"):
        assert fact in text
    for fact in ("Mun Jong-nam", "Bashar al-Assad", "1966 and 1969", "10 June 2018"):
        assert fact in text
    assert text.index("An island built for holidays") < text.index("A caller from Damascus")


def test_nothing_is_sold_under_the_tragedy_and_nothing_is_loaded_from_the_shop(reader: FlaskClient) -> None:
    for path in (BOAT_OFF_UBIN.path, f"/plain{BOAT_OFF_UBIN.path}"):
        html = reader.get(path).text
        page = Page(html)
        assert not page.all("shop-embed")
        assert not page.all("script")
        assert "product-line" not in html
        assert f"{SHOP}/products" not in html


def test_the_plain_page_has_no_script_and_one_link_to_the_product(reader: FlaskClient) -> None:
    page = page_at(reader, f"/plain{ARTICLE}")
    assert not page.all("script")
    assert not page.all("shop-embed")
    (link,) = [a["href"] for a in page.all("a") if a["href"].startswith(f"{SHOP}/products/")]
    assert urlsplit(link).path == "/products/trump-kim-tee"
    assert parse_qs(urlsplit(link).query) == {
        "story": [PAPER + ARTICLE],
        "title": ["Long shunned, Kim Jong-un is suddenly the man to meet"],
    }


def test_what_stands_under_the_stories_is_in_the_shop_and_published() -> None:
    on_sale = {
        product.slug for product in DEMO_PRODUCTS if product.status == "active" and _is_out(product.publish_in_days)
    }
    offered = [story.merchandise.product for story in STORIES if story.merchandise]
    assert "trump-kim-tee" in offered
    assert set(offered) <= on_sale


def _is_out(days: int | None) -> bool:
    return days is not None and days <= 0


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/2018/06/10/no-such-story",
        "/2017/06/10/kim-jong-un-in-demand",
        "/plain/2018/06/10/no-such-story",
        "/sections/sport",
        "/pictures/../stories.py",
        "/pictures/nobody.png",
        "/static/nothing.css",
        "/static/../newsroom.py",
        "/mail",
        "/mail/receipt.eml",
        "/2018/06/10/%00%ff",
    ],
)
def test_a_page_that_is_not_there_says_so_in_the_papers_look(reader: FlaskClient, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code == 404
    assert "This page was spiked" in answer.text
    assert "newsroom.css" in answer.text
    assert answer.headers["Content-Security-Policy"] == publisher_policy(SHOP)


def test_a_method_that_a_page_does_not_take_is_refused_in_the_papers_look(reader: FlaskClient) -> None:
    answer = reader.post(ARTICLE)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "newsroom.css" in answer.text


@pytest.mark.parametrize("path", ["/", ARTICLE, "/healthz", "/static/newsroom.css", "/nothing"])
def test_the_policy_lets_in_the_shop_for_script_frame_and_picture_and_nobody_else(
    reader: FlaskClient, path: str
) -> None:
    with reader.get(path) as answer:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Strict-Transport-Security"]
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == SHOP
    assert policy["frame-src"] == SHOP
    assert policy["img-src"] == f"'self' {SHOP}"
    assert "unsafe" not in str(policy)
    assert [name for name, value in policy.items() if SHOP in value] == ["script-src", "frame-src", "img-src"]


def test_a_paper_on_plain_http_does_not_promise_https() -> None:
    reader = create_newsroom(NewsroomSettings("http://127.0.0.1:5001", "http://127.0.0.1:5000")).test_client()
    assert "Strict-Transport-Security" not in reader.get("/").headers


def test_a_shop_below_a_path_is_allowed_by_its_origin() -> None:
    settings = NewsroomSettings(PAPER, "https://example.com:8443/shop/")
    reader = create_newsroom(settings).test_client()
    answer = reader.get(ARTICLE)
    assert 'src="https://example.com:8443/shop/embed.js"' in answer.text
    assert "script-src https://example.com:8443;" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "shop.example",
        "ftp://shop.example",
        "https://",
        "https://shop.example/?a=1",
        "https://a.example; script-src *",
    ],
)
def test_an_address_that_is_none_is_refused_at_the_start(address: str) -> None:
    with pytest.raises(ValueError, match="shop_url"):
        NewsroomSettings(PAPER, address)
    with pytest.raises(ValueError, match="public_url"):
        NewsroomSettings(address, SHOP)


def test_the_paper_says_that_it_is_well(reader: FlaskClient) -> None:
    answer = reader.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_the_newsroom_knows_the_shop_by_its_address_alone() -> None:
    seen = "import sys, shop.demo.newsroom; print(*sorted(m for m in sys.modules if m.split('.')[0] == 'shop'))"
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    outside = [name for name in done.stdout.split() if name != "shop" and not name.startswith("shop.demo")]
    assert outside == []
