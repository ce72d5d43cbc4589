"""The frame in the story's language: every sentence, every amount, and every refusal."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask.testing import FlaskClient

from shop.app import create_app
from shop.catalog import stock
from shop.config import Settings
from shop.db import Database
from tests.builders import a_product, shipping_to, variants_of
from tests.rules.test_mail_languages import said_in_english
from tests.support.reader import Page

LANGUAGES = {
    "zh-Hans": ("zh-Hans-SG", "加入购物车", "立即购买", "$39.00", "新加坡"),
    "ms": ("ms-SG", "Masukkan ke troli", "Beli sekarang", "$39.00", "Singapura"),
    "ta": ("ta-SG", "கூடையில் சேர்", "இப்போதே வாங்கு", "$ 39.00", "சிங்கப்பூர்"),
    "en": ("en-SG", "Add to cart", "Buy now", "$39.00", "Singapore"),
}


@pytest.fixture
def tee(database: Database) -> None:
    with database.transaction() as session:
        shipping_to(session, "SG", "MY")
        a_product(session, "tee", title="Hemd", options={"Größe": ["Klein", "Groß"], "Auge": ["Rot", "Blau"]}, stock=1)
        a_product(session, "mug", title="Tasse", stock=0)
        mixed = a_product(session, "cap", title="Kappe", options={"Größe": ["Klein", "Groß"], "Auge": ["Rot", "Blau"]})
        stock.adjust(session, variants_of(session, mixed)[0].id, -3, "counted", "tests")


def get(client: FlaskClient, **asked: str) -> Page:
    return Page(client.get("/embed/frame", query_string={"product": "tee", **asked}))


def assert_nothing_english(page: Page) -> None:
    """No sentence of the catalogues stands there untranslated; what the products say is in none of the languages."""
    words = f" {page.words} " + " ".join(at.get("data-unreached", "") for at in page.all("main"))
    names = {"Buy", "Sold out"}
    left = {
        message
        for message in said_in_english()
        if "%" not in message
        and (len(message) > 8 or message in names)
        and re.search(rf"(?<!\w){re.escape(message)}(?!\w)", words)
    }
    assert left == set()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_card_speaks_the_language_that_the_page_asks_for(client: FlaskClient, tee: None, lang: str) -> None:
    tag, add, buy, price, country = LANGUAGES[lang]
    page = get(client, lang=lang)
    assert page.all("html")[0]["lang"] == tag
    for words in (add, buy, price, country):
        assert words in unescape(page.text).replace("\xa0", " ")
    assert page.form("/embed/cart").fields["lang"] == tag
    if lang != "en":
        assert_nothing_english(page)


@pytest.mark.parametrize(
    "lang", ["", "xx", "en-", "zh-Hant", "x" * 5000, "../ta", "ta\x00", "<b>", "zh_Hans; DROP", "*", "\u0bb5"]
)
def test_a_language_that_the_shop_does_not_speak_is_its_own(client: FlaskClient, tee: None, lang: str) -> None:
    page = get(client, lang=lang)
    assert page.status == 200
    assert page.all("html")[0]["lang"] == "en-SG"
    assert "lang" not in page.form("/embed/cart").fields


def test_what_a_browser_asks_for_changes_nothing_in_what_everybody_gets(client: FlaskClient, tee: None) -> None:
    tamil = client.get("/embed/frame?product=tee", headers={"Accept-Language": "ta"})
    assert 'lang="en-SG"' in tamil.get_data(as_text=True)


@pytest.mark.parametrize("lang", ["zh-Hans", "ms", "ta"])
@pytest.mark.parametrize("layout", ["card", "line", "shelf", "button"])
@pytest.mark.parametrize("product", ["tee", "mug", "cap", "nothing"])
def test_each_layout_and_state_is_in_it(client: FlaskClient, tee: None, lang: str, layout: str, product: str) -> None:
    assert_nothing_english(get(client, lang=lang, layout=layout, product=product))


REFUSALS = {
    "nothing chosen": {},
    "a combination that is gone": {"option": "first", "quantity": "5"},
    "a bad quantity": {"option": "first", "quantity": "x"},
    "a country that is not served": {"option": "first", "country": "FR"},
    "a price of yesterday": {"option": "first", "shown_prices": "1:1"},
    "no such product": {"product": "nothing"},
    "a handle of one's own": {"option": "first", "handle": "x"},
}


@pytest.mark.parametrize("lang", ["zh-Hans", "ms", "ta"])
@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("address", ["/embed/cart", "/embed/checkout"])
def test_each_refusal_and_each_success_is_in_it(
    client: FlaskClient, tee: None, lang: str, case: str, address: str
) -> None:
    card = get(client, lang=lang)
    form = dict(card.form("/embed/cart").fields)
    sent = dict(REFUSALS[case])
    if sent.pop("option", ""):
        for at in card.all("input", type="radio"):
            form.setdefault(at["name"], at["value"])
    answer = Page(client.post(address, data=form | sent))
    assert answer.all("html")[0]["lang"] == LANGUAGES[lang][0]
    assert_nothing_english(answer)


@pytest.mark.parametrize("lang", ["zh-Hans", "ms", "ta"])
def test_the_answer_to_a_form_for_something_that_is_gone_is_in_it(client: FlaskClient, tee: None, lang: str) -> None:
    for address in ("/embed/frame", "/embed/cart", "/embed/checkout", "/embed/waitlist"):
        answer = Page(client.post(address, data={"lang": lang, "product": "nothing"}))
        assert answer.status == 404
        assert answer.all("html")[0]["lang"] == LANGUAGES[lang][0]
        assert_nothing_english(answer)


def test_a_shop_in_another_language_speaks_that_where_no_other_is_asked_for(
    database: Database, make_settings: Callable[..., Settings], tee: None
) -> None:
    app = create_app(make_settings(shop_locale="ms_MY"))
    try:
        page = Page(app.test_client().get("/embed/frame?product=tee"))
        assert page.all("html")[0]["lang"] == "ms-MY"
        assert "Masukkan ke troli" in page.words
        assert Page(app.test_client().get("/embed/frame?product=tee&lang=en")).all("html")[0]["lang"] == "en-MY"
        # The shop's own pages are written in English, whatever its locale.
        assert "Add to cart" in Page(app.test_client().get("/products/tee")).words
    finally:
        app.extensions["understory"].database.close()
