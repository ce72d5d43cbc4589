"""GET /embed/frame: the card under a story, framed by another origin."""

import gzip
import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shop.app import create_app
from shop.catalog import stock
from shop.catalog.models import Product
from shop.config import Settings
from shop.db import Database, now
from shop.web.house import House
from tests.builders import a_product, shipping_to, variants_of
from tests.support.statements import statements

STORY = "https://news.example/2018/06/kim"
WARM = 4


@pytest.fixture
def shirt(database: Database) -> str:
    """A shirt in four sizes and two colours on sale, sent to two countries."""
    with database.transaction() as session:
        a_product(
            session,
            "tee",
            title="Summit shirt",
            options={"Size": ["S", "M", "L", "XL"], "Colour": ["Black", "White"]},
            with_image=True,
        )
        shipping_to(session, "SG", "MY")
    return "tee"


def frame(client: FlaskClient, product: str = "tee", **asked: str) -> TestResponse:
    return client.get("/embed/frame", query_string={"product": product, "story": STORY, "title": "Kim", **asked})


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags(answer: TestResponse) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(answer.get_data(as_text=True))
    return parser.tags


def hidden(answer: TestResponse, name: str) -> str:
    return next(at["value"] or "" for tag, at in tags(answer) if tag == "input" and at.get("name") == name)


def radios(answer: TestResponse) -> list[dict[str, str | None]]:
    return [at for tag, at in tags(answer) if tag == "input" and at.get("type") == "radio"]


def test_the_card_shows_picture_price_choices_and_both_buttons(client: FlaskClient, shirt: str) -> None:
    answer = frame(client, cta="Buy a Trump-Kim t-shirt:")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    for words in ("Buy a Trump-Kim t-shirt:", "Summit shirt", "$39.00", "Size", "Colour", "Add to cart", "Buy now"):
        assert words in page
    assert len(radios(answer)) == 6
    sources = [at for tag, at in tags(answer) if tag == "source"]
    assert [at["type"] for at in sources] == ["image/avif", "image/webp"]
    image = next(at for tag, at in tags(answer) if tag == "img")
    assert (image["width"], image["height"], image["alt"]) == ("1600", "1600", "A shirt")


def test_add_stays_in_the_frame_and_buy_now_takes_the_whole_window(client: FlaskClient, shirt: str) -> None:
    found = tags(frame(client))
    form = next(at for tag, at in found if tag == "form")
    assert (form["method"], form["action"], form.get("target")) == ("post", "/embed/cart", None)
    buttons = [at for tag, at in found if tag == "button"]
    assert "formaction" not in buttons[0]
    assert (buttons[1]["formaction"], buttons[1]["formtarget"]) == ("/embed/checkout", "_top")


def test_the_shops_own_country_is_chosen_first_among_those_served(client: FlaskClient, shirt: str) -> None:
    found = [at for tag, at in tags(frame(client)) if tag == "option"]
    assert [at["value"] for at in found] == ["MY", "SG"]
    assert [at["value"] for at in found if "selected" in at] == ["SG"]


def test_a_shop_that_ships_to_one_country_says_so_instead_of_asking(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        a_product(session, "mug")
        shipping_to(session, "SG")
    answer = frame(client, "mug")
    assert "Ships to Singapore" in answer.get_data(as_text=True)
    assert hidden(answer, "country") == "SG"


def test_the_placement_in_the_form_names_the_story(app: Flask, client: FlaskClient, shirt: str) -> None:
    house: House = app.extensions["understory"]
    placement = house.placements.verify(hidden(frame(client, title="Suddenly in demand"), "placement"))
    assert placement is not None
    assert (placement.url, placement.title, placement.layout) == (STORY, "Suddenly in demand", "card")


def test_every_reader_gets_the_same_document_whatever_their_browser_sends(app: Flask, shirt: str) -> None:
    readers = [{}, {"Accept-Language": "ta"}, {"Cookie": "cart=abc"}, {"User-Agent": "Mozilla/5.0", "DNT": "1"}]
    answers = [app.test_client().get("/embed/frame?product=tee", headers=headers) for headers in readers]
    assert len({answer.data for answer in answers}) == 1
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    assert "cookie" not in answers[0].headers.get("Vary", "").lower()


def test_a_browser_that_has_the_document_is_told_so(client: FlaskClient, shirt: str) -> None:
    tag = frame(client).headers["ETag"]
    again = client.get(
        "/embed/frame",
        query_string={"product": "tee", "story": STORY, "title": "Kim"},
        headers={"If-None-Match": tag},
    )
    assert (again.status_code, again.data) == (304, b"")


def test_a_sold_out_value_cannot_be_chosen(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee", options={"Size": ["S", "M"]}, stock=0)
        variants_of(session, product)[1].on_hand = 2
    small, medium = radios(frame(client))
    assert "disabled" in small
    assert "disabled" not in medium


def test_a_sold_out_combination_is_named_and_told_to_the_script(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee", options={"Size": ["S", "M"], "Colour": ["Black", "White"]})
        gone = variants_of(session, product)[3]
        gone.on_hand = 0
        key = gone.choice_key
    page = frame(client, "tee").get_data(as_text=True)
    assert "Sold out: M / White." in page
    assert f'"{key}": ""' in html.unescape(page)


def test_stock_and_price_are_those_of_now(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee")
        variant_id = variants_of(session, product)[0].id
    assert "Add to cart" in frame(client).get_data(as_text=True)
    with database.transaction() as session:
        stock.adjust(session, variant_id, -3, "counted again", "tests")
    assert "Add to cart" not in frame(client).get_data(as_text=True)


def test_more_choices_than_fit_as_buttons_are_a_list(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        a_product(session, "shoe", options={"Size": [str(size) for size in range(36, 46)]})
    answer = frame(client, "shoe")
    assert not radios(answer)
    assert any(tag == "select" and (at["name"] or "").startswith("option_") for tag, at in tags(answer))


def main_of(answer: TestResponse) -> dict[str, str | None]:
    return next(at for tag, at in tags(answer) if tag == "main")


NO_PRODUCT = ("nothing", "../etc", "a\x00b", "é", "x" * 5000, "' OR 1=1 --", "tee tee", "<b>tee")


@pytest.mark.parametrize("slug", NO_PRODUCT)
def test_a_product_that_there_is_not_leaves_an_empty_place_and_says_why_to_the_loader(
    client: FlaskClient, slug: str
) -> None:
    answer = frame(client, slug)
    assert answer.status_code == 200
    said = main_of(answer)
    assert (said["data-state"], said["data-reason"]) == ("absent", "unknown-product")
    assert said["data-product"] in {slug, ""}
    assert "frame-ancestors *" in answer.headers["Content-Security-Policy"]
    assert not [tag for tag, _ in tags(answer) if tag in {"form", "button", "input"}]


@pytest.mark.parametrize("fields", [{"status": "draft"}, {"status": "archived"}, {"publish_at": timedelta(1)}])
def test_a_product_that_readers_are_not_to_see_leaves_an_empty_place(
    database: Database, client: FlaskClient, fields: dict[str, object]
) -> None:
    given = {name: now() + value if isinstance(value, timedelta) else value for name, value in fields.items()}
    with database.transaction() as session:
        a_product(session, "tee", title="A secret", **given)  # type: ignore[arg-type]
    answer = frame(client)
    assert answer.status_code == 200
    assert (main_of(answer)["data-state"], main_of(answer)["data-reason"]) == ("absent", "not-on-sale")
    assert "A secret" not in answer.get_data(as_text=True)


HOSTILE = [
    "<script>alert(1)</script>",
    '" onload="alert(1)',
    "'><img src=x onerror=alert(1)>",
    "{{ 7*7 }}",
    "</title><b>",
]


def test_markup_in_the_address_stays_text(client: FlaskClient, shirt: str) -> None:
    plain = [(tag, set(at)) for tag, at in tags(frame(client, cta="plain"))]
    for text in HOSTILE:
        answer = frame(client, cta=text, title=text)
        assert [(tag, set(at)) for tag, at in tags(answer)] == plain, text
        assert hidden(answer, "cta") == text


def test_markup_in_the_catalogue_stays_text(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        a_product(session, "tee", title="<b>x</b>", options={"<i>Size": ['"><script>']}, tagline="<u>y</u>")
    found = {tag for tag, _ in tags(frame(client))}
    assert not found & {"b", "i", "u"}
    assert len([tag for tag, _ in tags(frame(client)) if tag == "script"]) == 1


NO_STORY = [
    "javascript:alert(1)",
    "data:text/html,x",
    "https://news.example/" + "a" * 10_240,
    "//news.example/a",
    "https://user:pw@news.example/",
    "https://[bad",
    "not an address",
    "https://news.example/\x00",
    "https://news.example/?q=" + "é" * 300,
    "",
]


def test_what_is_no_storys_address_sells_without_naming_a_story(client: FlaskClient, shirt: str) -> None:
    for story in NO_STORY:
        answer = client.get("/embed/frame", query_string={"product": "tee", "story": story})
        assert answer.status_code == 200, story
        assert hidden(answer, "placement") == "", story
        assert "javascript:" not in answer.get_data(as_text=True)


def test_a_long_call_to_action_is_cut_and_control_characters_go(client: FlaskClient, shirt: str) -> None:
    cta = hidden(frame(client, cta="Buy\x00\x1b it\n now " + "x" * 10_000), "cta")
    assert cta.startswith("Buy it now xxx")
    assert len(cta) == 120


@pytest.fixture
def client_of(
    make_settings: Callable[..., Settings], database: Database, shirt: str
) -> Iterator[Callable[..., FlaskClient]]:
    """Makes shops with other settings, and closes them."""
    made: list[Flask] = []

    def make(**overrides: object) -> FlaskClient:
        made.append(create_app(make_settings(**overrides)))
        return made[-1].test_client()

    yield make
    for app in made:
        app.extensions["understory"].database.close()


def test_anyone_may_frame_it_while_no_publisher_is_named(client: FlaskClient, shirt: str) -> None:
    answer = frame(client)
    assert "frame-ancestors *" in answer.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in answer.headers


def test_only_the_publishers_hosts_may_frame_it(client_of: Callable[..., FlaskClient]) -> None:
    client = client_of(shop_url="https://shop.example", shop_publisher_hosts=("news.example", "*.paper.example"))
    for answer in (frame(client), frame(client, "nothing"), client.post("/embed/cart", data={"product": "tee"})):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.endswith("frame-ancestors https://news.example https://*.paper.example")
        assert "X-Frame-Options" not in answer.headers


def test_a_story_on_a_strangers_host_earns_no_placement(client_of: Callable[..., FlaskClient]) -> None:
    client = client_of(shop_publisher_hosts=("news.example",))
    assert hidden(frame(client), "placement") != ""
    for story in ("https://evil.example/a", "https://news.example.evil.example/", "https://notnews.example/"):
        assert hidden(frame(client, story=story), "placement") == ""


def test_the_policy_allows_no_inline_code_and_only_the_way_to_the_payment_page(client: FlaskClient, shirt: str) -> None:
    answer = frame(client)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'; style-src 'self';" in policy
    assert "form-action 'self' http://127.0.0.1:9;" in policy
    assert "unsafe" not in policy
    page = answer.get_data(as_text=True)
    assert "style=" not in page
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\son\w+=", page)


def test_pages_that_isolate_themselves_may_frame_it(client: FlaskClient, shirt: str) -> None:
    headers = frame(client).headers
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def test_no_cookie_is_read_or_set(client: FlaskClient, shirt: str) -> None:
    client.set_cookie("cart", "somebody")
    client.set_cookie("session", "something")
    answers = [
        frame(client),
        frame(client, "nothing"),
        client.get("/embed.js"),
        client.get("/embed/frame.css"),
        client.post("/embed/cart", data={"product": "tee"}),
        client.post("/embed/frame", data={"product": "tee"}),
        client.post("/embed/checkout", data={"product": "tee"}),
        client.post("/embed/checkout", data={"product": "nothing"}),
        client.get("/embed/unknown"),
    ]
    for answer in answers:
        assert "Set-Cookie" not in answer.headers
        assert "cookie" not in answer.headers.get("Vary", "").lower()


def test_a_card_that_is_asked_for_anew_asks_the_database_in_few_statements(
    app: Flask, client: FlaskClient, shirt: str
) -> None:
    engine = app.extensions["understory"].database.engine
    with statements(engine) as cold:
        frame(client)
    assert len(cold) <= 11
    with statements(engine) as warm:
        frame(client, cta="another", story="https://news.example/other")
    assert len(warm) <= WARM


def test_a_change_in_the_catalogue_is_seen_at_once(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee", title="Before")
        product_id = product.id
    assert "Before" in frame(client, cta="one").get_data(as_text=True)
    with database.transaction() as session:
        session.get_one(Product, product_id).title = "After"
        stock.touch_catalogue(session)
    # Another address, for what is kept may be up to a second old.
    assert "After" in frame(client, cta="two").get_data(as_text=True)


def test_invented_addresses_fill_no_memory(app: Flask, client: FlaskClient, shirt: str) -> None:
    for number in range(30):
        frame(client, cta=f"cta {number}", story=f"https://news.example/{number}", title=str(number))
        frame(client, f"nothing-{number}")
    assert len(app.extensions["understory.embed"]._kept) == 1


def test_document_style_and_script_are_at_most_nine_kilobytes_together(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        options = {"Size": ["S", "M", "L", "XL", "XXL"], "Colour": ["Black", "White", "Red", "Navy", "Sand"]}
        a_product(session, "tee", title="Trump-Kim summit t-shirt", options=options, with_image=True)
        shipping_to(
            session,
            *"AT AU BE BN CA CH DE DK ES FI FR GB HK ID IE IN IT JP KR MY NL NO NZ PH PL PT SE SG TH US".split(),  # noqa: SIM905
        )
    answer = frame(client, cta="Buy a Trump-Kim t-shirt:")
    needed = [at["href"] for tag, at in tags(answer) if tag == "link" and at["rel"] == "stylesheet"]
    needed += [at["src"] for tag, at in tags(answer) if tag == "script"]
    assert len(needed) == 2, "with the document three requests, and the picture"
    packed = [len(answer.data and gzip.compress(answer.data, 6))]
    for address in needed:
        sent = client.get(address or "", headers={"Accept-Encoding": "gzip"})
        assert sent.headers.get("Content-Encoding") == "gzip", address
        packed.append(len(sent.data))
    assert sum(packed) <= 9 * 1024, packed
