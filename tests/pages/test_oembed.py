"""What other sites are told about a product's address, so that they can show it (oEmbed 1.0)."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.etree import ElementTree as ET

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shop.catalog.models import OldSlug, ProductImage
from shop.config import Settings
from shop.db import Database, now
from shop.web.assets import STATIC
from shop.web.embed.oembed import HEIGHTS, OTHERS
from tests.builders import a_product
from tests.support.reader import Page

SHOP = "http://localhost"
MUG = f"{SHOP}/products/mug"
STORY = "https://news.example/2018/06/kim?page=2&x=1"


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(shop_name="The Courier Shop", shop_publisher_hosts="news.example")


@pytest.fixture(autouse=True)
def mug(database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "mug", title="Deadline mug", with_image=True)


def ask(client: FlaskClient, url: str | None = MUG, **more: str) -> TestResponse:
    return client.get("/oembed", query_string=({"url": url} if url is not None else {}) | more)


def told(client: FlaskClient, url: str = MUG, **more: str) -> dict[str, Any]:
    answer = ask(client, url, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] = {name: value or "" for name, value in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_product_is_told_as_rich_html_that_holds_its_frame_and_a_link(client: FlaskClient) -> None:
    answer = ask(client)
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    said = answer.get_json()
    assert said["version"] == "1.0"
    assert said["type"] == "rich"
    assert said["title"] == "Deadline mug"
    assert said["provider_name"] == "The Courier Shop"
    assert said["provider_url"] == SHOP
    assert said["cache_age"] == 24 * 3600
    elements = Elements(said["html"])
    assert set(elements.found) == {"blockquote", "a", "iframe"}
    assert elements.words == "Deadline mug"
    assert elements.found["a"]["href"] == MUG
    frame = elements.found["iframe"]
    assert (frame["width"], frame["height"]) == (str(said["width"]), str(said["height"]))
    assert "Deadline mug" in frame["title"]
    address = urlsplit(frame["src"])
    assert (address.netloc, address.path) == ("localhost", "/embed/frame")
    assert client.get(f"{address.path}?{address.query}").status_code == 200


def test_the_html_is_what_wordpress_lets_through(client: FlaskClient) -> None:
    html = told(client)["html"]
    # It looks for these by pattern: the quotation first, then a frame with nothing in it, and its address in quotes.
    assert re.fullmatch(r"<blockquote [^>]*>.*?</blockquote><iframe [^>]*></iframe>", html)
    assert len(re.findall(r" src=(['\"])(.*?)\1", html)) == 1
    elements = Elements(html).found
    assert elements["blockquote"]["class"] == elements["iframe"]["class"] == "wp-embedded-content"
    # As an element of XML, too.
    ET.fromstring(f"<div>{html}</div>")


def test_xml_says_the_same_as_json(client: FlaskClient) -> None:
    answer = ask(client, format="xml")
    assert answer.status_code == 200
    assert answer.content_type == "text/xml; charset=utf-8"
    assert answer.text.startswith('<?xml version="1.0" encoding="utf-8" standalone="yes"?>')
    assert "<!DOCTYPE" not in answer.text
    root = ET.fromstring(answer.data)
    assert root.tag == "oembed"
    assert {child.tag: child.text for child in root} == {
        name: str(value) for name, value in told(client, format="json").items()
    }


@pytest.mark.parametrize("form", ["yaml", "html", "jsonp", "json,xml", "0"])
def test_a_format_that_is_not_offered_is_not_implemented(client: FlaskClient, form: str) -> None:
    answer = ask(client, format=form)
    assert answer.status_code == 501
    assert answer.mimetype == "application/problem+json"


def test_the_format_may_be_left_out_and_written_in_any_case(client: FlaskClient) -> None:
    for form in ({}, {"format": ""}, {"format": "JSON"}):
        assert ask(client, **form).mimetype == "application/json"
    assert ask(client, format="XML").mimetype == "text/xml"


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "mug",
        "/products/mug",
        f"{SHOP}/",
        f"{SHOP}/cart",
        f"{SHOP}/products/",
        f"{SHOP}/products/nothing",
        f"{SHOP}/products/mug/more",
        f"{SHOP}/embed/frame",
        f"{SHOP}/embed/frame?product=nothing",
        f"{SHOP}/oembed?url={MUG}",
        "https://elsewhere.example/products/mug",
        "http://localhost.elsewhere.example/products/mug",
        "http://localhost@elsewhere.example/products/mug",
        "http://elsewhere.example@localhost/products/mug",
        "http://localhost:8080/products/mug",
        "http://[localhost/products/mug",
        "javascript:alert(1)//localhost/products/mug",
        "ftp://localhost/products/mug",
        f"{MUG}?x=" + "x" * 10_000,
        f"{MUG}?" + "&".join(f"x{n}=" for n in range(90)),
        f"{SHOP}/products/m%00ug",
        f"{SHOP}/products/\udcff",
    ],
)
def test_what_is_no_product_of_this_shop_is_not_found_and_never_unauthorised(
    client: FlaskClient, url: str | None
) -> None:
    query = "" if url is None else urlencode({"url": url.encode("utf-8", "surrogateescape")})
    answer = client.get(f"/oembed?{query}")
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["code"] == "not_found"
    assert "public" not in answer.headers["Cache-Control"]


def test_a_draft_is_not_told_of_nor_what_has_not_begun_or_has_ended(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "draft", status="draft")
        a_product(session, "soon", publish_at=now() + timedelta(hours=1))
        a_product(session, "over", unpublish_at=now() - timedelta(hours=1))
    for slug in ("draft", "soon", "over"):
        assert ask(client, f"{SHOP}/products/{slug}").status_code == 404


def test_what_is_sold_out_is_still_told_of_for_its_frame_says_so(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "gone", title="Gone", stock=0)
    assert told(client, f"{SHOP}/products/gone")["title"] == "Gone"


def test_no_consumer_keeps_an_answer_beyond_the_products_end(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "brief", unpublish_at=now() + timedelta(minutes=30))
    assert 1700 < told(client, f"{SHOP}/products/brief")["cache_age"] <= 1800


@pytest.mark.parametrize(
    "url", [MUG, f"{MUG}/", f"{SHOP}/p/mug", "https://localhost/products/mug", "http://LOCALHOST/products/mug#top"]
)
def test_an_address_may_be_written_in_several_ways(client: FlaskClient, url: str) -> None:
    assert told(client, url)["title"] == "Deadline mug"


def test_a_sale_from_the_frame_or_the_link_is_the_pasted_storys(app: Flask, client: FlaskClient) -> None:
    html = told(client, f"{MUG}?{urlencode({'story': STORY, 'title': 'Kim, in demand', 'x': '1'})}")["html"]
    elements = Elements(html).found
    frame = {name: value for name, (value,) in parse_qs(urlsplit(elements["iframe"]["src"]).query).items()}
    assert set(frame) == {"product", "placement"}
    link = {name: value for name, (value,) in parse_qs(urlsplit(elements["a"]["href"]).query).items()}
    assert link == {"placement": frame["placement"]}
    placement = app.extensions["understory"].placements.verify(frame["placement"])
    assert (placement.url, placement.title, placement.layout) == (STORY, "Kim, in demand", "oembed")
    card = Page(client.get("/embed/frame", query_string=frame))
    assert card.form("/embed/cart").fields["placement"] == frame["placement"]
    assert "Kim, in demand" in client.get("/products/mug", query_string=link).text


@pytest.mark.parametrize("story", ["https://elsewhere.example/kim", "javascript:alert(1)", "x", f"{STORY}&{'x' * 600}"])
def test_a_story_that_is_none_of_the_publishers_is_left_out(client: FlaskClient, story: str) -> None:
    elements = Elements(told(client, f"{MUG}?{urlencode({'story': story})}")["html"]).found
    assert elements["a"]["href"] == MUG
    assert parse_qs(urlsplit(elements["iframe"]["src"]).query) == {"product": ["mug"]}


def test_a_frames_own_address_is_told_with_what_it_says(client: FlaskClient) -> None:
    said = {"product": "mug", "cta": "Buy a mug", "lang": "ms", "layout": "line", "placement": "a-token"}
    html = told(client, f"{SHOP}/embed/frame?{urlencode(said | {'handle': 'x', 'press': 'y'})}")["html"]
    assert parse_qs(urlsplit(Elements(html).found["iframe"]["src"]).query) == {k: [v] for k, v in said.items()}


def test_an_address_that_a_product_once_had_is_told_as_what_stands_there_now(
    client: FlaskClient, database: Database
) -> None:
    with database.transaction() as session:
        newer = a_product(session, "mug-2", title="Second edition")
        old = a_product(session, "old", title="First edition", status="archived", successor_id=newer.id)
        session.add(OldSlug(slug="older", product_id=old.id))
    for slug in ("old", "older"):
        said = told(client, f"{SHOP}/products/{slug}")
        assert said["title"] == "Second edition"
        assert Elements(said["html"]).found["a"]["href"] == f"{SHOP}/products/mug-2"


def test_html_in_an_address_or_a_title_stays_text(client: FlaskClient, database: Database) -> None:
    nasty = '"><script>alert(1)</script>\x00'
    with database.transaction() as session:
        a_product(session, "nasty", title=f"Mug {nasty}\ufffe"[:140])
    url = f"{SHOP}/products/nasty?{urlencode({'story': nasty, 'title': nasty})}"
    for form in ("json", "xml"):
        answer = ask(client, url, format=form)
        assert answer.status_code == 200
        html = answer.get_json()["html"] if form == "json" else ET.fromstring(answer.data).findtext("html")
        assert html
        assert "<script" not in html
        assert set(Elements(html).found) == {"blockquote", "a", "iframe"}


# Sizes


@pytest.mark.parametrize(
    ("widest", "width", "height"), [("600", 600, 364), ("300", 300, 404), ("1", 1, 404), ("9999", 640, 252)]
)
def test_the_card_keeps_within_the_width_and_has_the_height_that_it_needs_there(
    client: FlaskClient, widest: str, width: int, height: int
) -> None:
    said = told(client, maxwidth=widest)
    assert (said["width"], said["height"]) == (width, height)


@pytest.mark.parametrize(
    ("highest", "layout", "height"),
    [("364", None, 364), ("363", "line", 72), ("72", "line", 72), ("71", "button", 60), ("1", "button", 1)],
)
def test_the_card_gives_way_to_what_keeps_within_the_height(
    client: FlaskClient, highest: str, layout: str | None, height: int
) -> None:
    said = told(client, maxwidth="600", maxheight=highest)
    assert (said["width"], said["height"]) == (600, height)
    frame = Elements(said["html"]).found["iframe"]
    assert (frame["width"], frame["height"]) == ("600", str(height))
    assert parse_qs(urlsplit(frame["src"]).query).get("layout") == ([layout] if layout else None)


@pytest.mark.parametrize(
    ("layout", "height"), [("line", 72), ("shelf", 332), ("button", 60), ("card", 364), ("x", 364)]
)
def test_another_layout_has_its_own_height(client: FlaskClient, layout: str, height: int) -> None:
    said = told(client, f"{SHOP}/embed/frame?product=mug&layout={layout}", maxwidth="600")
    assert said["height"] == height


def test_the_heights_are_those_that_the_loader_holds_free() -> None:
    loader = (STATIC / "embed.js").read_text(encoding="utf-8")
    narrow, least, wide, middle, most = map(
        int, re.findall(r"wide < (\d+) \? (\d+) : wide < (\d+) \? (\d+) : (\d+)", loader)[0]
    )
    assert ((wide, most), (narrow, middle), (0, least)) == HEIGHTS
    assert {name: str(height) for name, height in OTHERS.items()} == dict(
        re.findall(r"\b(line|shelf|button): (\d+)", loader)
    )


@pytest.mark.parametrize("name", ["maxwidth", "maxheight"])
@pytest.mark.parametrize(
    "given", ["0", "-5", "6e2", "600px", "٦٠٠", "1_000", "12345678", "x" * 10_000, " 600", "600.0"]
)
def test_a_limit_that_is_no_number_of_pixels_is_a_bad_request(client: FlaskClient, name: str, given: str) -> None:
    answer = ask(client, **{name: given})
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert name in answer.get_json()["detail"]


def test_an_empty_limit_is_none(client: FlaskClient) -> None:
    assert told(client, maxwidth="", maxheight="") == told(client)


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ({}, (1280, 960)),
        ({"maxwidth": "1000"}, (960, 720)),
        ({"maxwidth": "640"}, (640, 480)),
        ({"maxheight": "479"}, (320, 240)),
        ({"maxwidth": "900", "maxheight": "300"}, (320, 240)),
    ],
)
def test_the_thumbnail_is_the_largest_that_keeps_within_the_limits(
    client: FlaskClient, database: Database, limits: dict[str, str], size: tuple[int, int]
) -> None:
    with database.transaction() as session:
        product = a_product(session, "tote")
        session.add(ProductImage(product_id=product.id, key="ab" * 16, alt="A tote", width=1600, height=1200))
    said = told(client, f"{SHOP}/products/tote", **limits)
    assert (said["thumbnail_width"], said["thumbnail_height"]) == size
    assert said["thumbnail_url"] == f"{SHOP}/media/{'ab' * 16}-{size[0]}.jpg"


@pytest.mark.parametrize("limits", [{"maxwidth": "319"}, {"maxheight": "100"}])
def test_without_a_picture_that_is_small_enough_there_is_no_thumbnail(
    client: FlaskClient, limits: dict[str, str]
) -> None:
    assert not {name for name in told(client, **limits) if name.startswith("thumbnail")}


# Being found, and being kept


def test_a_products_page_says_where_both_forms_are_to_be_had(client: FlaskClient) -> None:
    page = Page(client.get("/products/mug"))
    for kind, mimetype in (("application/json+oembed", "application/json"), ("text/xml+oembed", "text/xml")):
        (link,) = page.all("link", type=kind)
        assert link["rel"] == "alternate"
        assert link["title"] == "Deadline mug"
        assert link["href"].startswith(f"{SHOP}/oembed?")
        # Nothing but what is needed, as the standard asks.
        assert set(parse_qs(urlsplit(link["href"]).query)) == {"url", "format"}
        answer = client.get(link["href"].removeprefix(SHOP))
        assert answer.status_code == 200
        assert answer.mimetype == mimetype
        assert "Deadline mug" in answer.text


def test_the_links_stand_where_wordpress_looks_for_them(client: FlaskClient) -> None:
    html = client.get("/products/mug").text
    assert html.index("application/json+oembed") < html.index("</head>") < 100_000
    (found,) = re.findall(r"<link([^<>]+json\+oembed[^<>]+)/?>", html)
    assert 'href="' in found


def test_the_answer_is_the_same_for_everybody_and_open_to_every_origin(client: FlaskClient) -> None:
    answer = ask(client)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in answer.headers
    assert json.loads(ask(client).data) == json.loads(answer.data)
