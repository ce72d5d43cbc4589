"""What is pasted into pages: each form is HTML that says what was meant, and nothing that a stranger wrote gets out of it."""

from datetime import date
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest

from shop.articles.placement import PlacementSigner
from shop.articles.snippets import snippets
from shop.catalog.price_tag import PriceTags
from shop.catalog.showcase import ProductView, Showcase
from shop.config import Settings
from shop.db import Database
from shop.money import Money
from tests.builders import a_product

DAY = date(2018, 6, 12)
STORY = "https://news.example/2018/06/kim?page=1&part=2"
HOSTILE = "\"><script>alert(1)</script>&[x] '"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Nothing here is about the database, so one kind of it will do."""
    return sqlite_url


@pytest.fixture
def shirt(database: Database) -> ProductView:
    with database.transaction() as session:
        a_product(session, "tee", title="Summit <i>shirt</i> & more", price=3900)
    with database.reading() as session:
        view = Showcase().product(session, "tee")
    assert view is not None
    return view


class Tags(HTMLParser):
    """The tags of a piece of HTML with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> dict[str, str]:
        return next(at for name, at in self.found if name == tag)


def forms(settings: Settings, product: ProductView | None = None, **said: str) -> dict[str, str]:
    return {form.kind: form.text for form in snippets(settings, product, day=DAY, **said)}


def test_for_a_product_there_are_six_forms_and_for_a_page_the_ones_that_need_none(
    settings: Settings, shirt: ProductView
) -> None:
    assert list(forms(settings, shirt)) == ["product", "iframe", "div", "card", "amp", "shortcode"]
    assert list(forms(settings, story=STORY)) == ["page", "iframe", "div", "amp", "shortcode"]
    assert list(forms(settings)) == ["page", "div", "shortcode"]


def test_the_line_for_every_page_names_no_product(settings: Settings) -> None:
    page = Tags(forms(settings)["page"])
    assert page.of("script")["src"] == f"{settings.shop_url}/embed.js"
    assert page.of("shop-embed") == {}
    assert page.text.strip() == ""


def test_the_element_and_the_div_say_the_same_and_hold_a_link(settings: Settings, shirt: ProductView) -> None:
    made = forms(settings, shirt, story=STORY, headline="Kim & co", cta="Buy it:")
    element, div = Tags(made["product"]), Tags(made["div"])
    said = {"product": "tee", "cta": "Buy it:", "story": STORY, "headline": "Kim & co"}
    assert element.of("shop-embed") == said
    assert div.of("div") == {"class": "shop-embed"} | {f"data-{name}": value for name, value in said.items()}
    for tags in (element, div):
        link = urlsplit(tags.of("a")["href"])
        assert link.path == "/products/tee"
        assert parse_qs(link.query) == {"story": [STORY], "title": ["Kim & co"]}
        assert tags.text.strip() == "Buy it:"


@pytest.mark.parametrize(("kind", "tag"), [("iframe", "iframe"), ("amp", "amp-iframe")])
def test_frames_ask_for_what_the_element_would(settings: Settings, shirt: ProductView, kind: str, tag: str) -> None:
    made = forms(settings, shirt, story=STORY, headline="Kim", cta="Buy it:")
    asked = urlsplit(Tags(made[kind]).of(tag)["src"])
    assert asked.path == "/embed/frame"
    assert parse_qs(asked.query) == {"product": ["tee"], "story": [STORY], "title": ["Kim"], "cta": ["Buy it:"]}


def test_an_amp_frame_may_send_forms_and_leave_by_a_press_and_stands_in_for_itself_until_it_is_there(
    settings: Settings, shirt: ProductView
) -> None:
    tags = Tags(forms(settings, shirt)["amp"])
    frame = tags.of("amp-iframe")
    assert {"resizable", "sandbox", "width", "height"} <= set(frame)
    assert {"allow-scripts", "allow-forms", "allow-top-navigation-by-user-activation"} <= set(frame["sandbox"].split())
    assert {"placeholder", "overflow"} <= set(tags.of("a"))


def test_a_letters_card_names_product_and_price_of_the_day_and_its_link_the_story(
    settings: Settings, shirt: ProductView
) -> None:
    tags = Tags(forms(settings, shirt, story=STORY, headline="Kim")["card"])
    image = tags.of("img")
    assert image["alt"] == f"Summit <i>shirt</i> & more, $39.00, {settings.shop_name}"
    assert (image["width"], image["height"]) == ("600", "200")
    price = parse_qs(urlsplit(image["src"]).query)["price"][0]
    tag = PriceTags(settings.secret_keys).read(price)
    assert tag is not None
    assert (tag.slug, tag.price, tag.day) == ("tee", Money(3900, settings.shop_currency), DAY)
    token = parse_qs(urlsplit(tags.of("a")["href"]).query)["placement"][0]
    placement = PlacementSigner(settings.secret_keys, ()).verify(token)
    assert placement is not None
    assert (placement.title, placement.layout) == ("Kim", "email")


def test_a_shortcode_holds_its_words_in_quotes(settings: Settings, shirt: ProductView) -> None:
    assert forms(settings, shirt, cta='The "best" [shirt]')["shortcode"] == (
        '[merch product="tee" cta="The \'best\' (shirt)"]'
    )


@pytest.mark.parametrize("with_product", [True, False])
def test_what_a_stranger_wrote_stays_text(settings: Settings, shirt: ProductView, with_product: bool) -> None:
    product = shirt if with_product else None
    plain = forms(settings, product, story=STORY, headline="x", cta="x")
    hostile = forms(settings, product, story=STORY + HOSTILE, headline=HOSTILE, cta=HOSTILE)
    for kind, text in hostile.items():
        if kind == "shortcode":
            assert text.count("[") == text.count("]") == 1
            assert text.count('"') == plain[kind].count('"')
        else:
            shapes = [[(tag, set(at)) for tag, at in Tags(one).found] for one in (text, plain[kind])]
            assert shapes[0] == shapes[1], kind
