"""GET /embed/frame by the address of the story: what editors have put there, and nothing where nothing belongs."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from shop.app import create_app
from shop.articles.clock import touch_stories
from shop.articles.models import Article, Suppression, TieIn, TieInProduct
from shop.articles.rules import Rule, key_of
from shop.catalog.models import Product
from shop.config import Settings
from shop.db import Database, now
from shop.web.house import House
from tests.builders import a_product, shipping_to
from tests.support.reader import Page
from tests.support.statements import statements

STORY = "https://news.example/2018/06/kim"


def tie(
    session: Session, *products: Product, article: Article | None = None, rule: Rule | None = None, **fields: Any
) -> int:
    """A tie-in of these products: under one article, or under every one that the rule matches."""
    made: dict[str, Any] = {"article_id": article.id if article else None}
    if rule is not None:
        made |= {
            "rule_section": rule.section,
            "rule_tag": rule.tag,
            "rule_author": rule.author,
            "rule_words": rule.words,
            "rule_key": key_of(rule),
        }
    row = TieIn(**made | fields)
    session.add(row)
    session.flush()
    session.add_all(
        TieInProduct(tie_in_id=row.id, product_id=product.id, position=place) for place, product in enumerate(products)
    )
    touch_stories(session)
    return row.id


def an_article(session: Session, url: str = STORY, **fields: Any) -> Article:
    article = Article(**{"url": url, "title": "Kim, as the feed has it", "source": "feed"} | fields)
    session.add(article)
    session.flush()
    return article


def suppress(session: Session, key: str) -> None:
    scope = key.partition(":")[0]
    session.add(Suppression(scope=scope, key=key, open_key=key))
    touch_stories(session)


@pytest.fixture
def goods(database: Database) -> list[Product]:
    with database.transaction() as session:
        shipping_to(session, "SG")
        return [
            a_product(session, slug, title=slug.title(), options={"Size": ["S", "M"]})
            for slug in ("tee", "mug", "cap", "pin", "bag")
        ]


def frame(client: FlaskClient, story: str = STORY, **asked: str) -> Page:
    page = Page(client.get("/embed/frame", query_string={"story": story, **asked}))
    assert page.status == 200
    return page


def main_of(page: Page) -> dict[str, str]:
    return page.all("main")[0]


def shown(page: Page) -> list[str]:
    """The products that a frame shows, by their addresses."""
    found = [at["href"] for at in page.all("a") if at.get("href", "").startswith("/products/")]
    return list(dict.fromkeys(urlsplit(address).path.rpartition("/")[2] for address in found))


def test_what_is_tied_to_the_story_stands_there(
    app: Flask, client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        article_id = (article := an_article(session)).id
        tie_in_id = tie(session, goods[0], article=article, cta="Buy a Trump-Kim t-shirt:")
    page = frame(client, f"{STORY}/?utm_source=x#top", title="What the page claims")
    assert (main_of(page)["data-state"], main_of(page)["data-product"]) == ("offer", "tee")
    assert "Buy a Trump-Kim t-shirt:" in page.words
    house: House = app.extensions["understory"]
    placement = house.placements.verify(page.form("/embed/cart").fields["placement"])
    assert placement is not None
    assert (placement.url, placement.title, placement.layout) == (STORY, "Kim, as the feed has it", "card")
    assert (placement.tie_in_id, placement.slot) == (tie_in_id, "story")
    keys = page.headers["Surrogate-Key"].split()
    assert {"stories", f"article-{article_id}", f"tie-in-{tie_in_id}", f"product-{goods[0].id}"} <= set(keys)


def test_what_the_page_says_of_a_story_that_nobody_has_told_of_is_believed_and_makes_no_row(
    client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        tie(session, goods[0], rule=Rule(tag="North Korea"))
        tie(session, goods[1], rule=Rule(section="World", author="Mei Tan", words="summit"), priority=5)
    assert shown(frame(client)) == []
    assert shown(frame(client, tags="Asia, north korea ,x")) == ["tee"]
    told = {"section": "world", "author": "Joe Lim, Mei Tan", "title": "The Summit", "tags": "North Korea"}
    assert shown(frame(client, **told)) == ["mug"]
    with database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Article)) == 0


def test_what_the_publisher_has_told_of_a_story_weighs_more_than_what_its_page_says(
    client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        an_article(session, section="Sport")
        tie(session, goods[0], rule=Rule(section="World"))
        tie(session, goods[1], rule=Rule(section="Sport"))
    assert shown(frame(client, section="World")) == ["mug"]


def test_each_slot_has_its_own(client: FlaskClient, database: Database, goods: list[Product]) -> None:
    with database.transaction() as session:
        article = an_article(session)
        tie(session, goods[0], article=article)
        tie(session, goods[1], article=article, slot="margin")
    assert shown(frame(client)) == shown(frame(client, slot="../nonsense")) == ["tee"]
    assert shown(frame(client, slot="margin")) == ["mug"]
    assert main_of(frame(client, slot="footer"))["data-reason"] == "nothing-here"


def test_a_set_of_products_is_a_shelf_of_at_most_four(
    app: Flask, client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        tie_in_id = tie(session, *goods, article=an_article(session), cta="More of it:")
    page = frame(client)
    assert main_of(page)["data-layout"] == "shelf"
    assert shown(page) == ["tee", "mug", "cap", "pin"]
    house: House = app.extensions["understory"]
    for way in (at for at in page.all("a") if "data-card" in at):
        placement = house.placements.verify(parse_qs(urlsplit(way["data-card"]).query)["placement"][0])
        assert placement is not None
        assert (placement.tie_in_id, placement.layout) == (tie_in_id, "shelf")


@pytest.mark.parametrize(
    ("of_page", "of_editors", "layout"),
    [("", "", "card"), ("", "line", "line"), ("button", "line", "button"), ("nonsense", "line", "line")],
)
def test_the_layout_is_what_the_page_keeps_room_for_then_what_editors_chose(
    client: FlaskClient, database: Database, goods: list[Product], of_page: str, of_editors: str, layout: str
) -> None:
    with database.transaction() as session:
        tie(session, goods[0], article=an_article(session), layout=of_editors)
    assert main_of(frame(client, layout=of_page))["data-layout"] == layout


def test_what_editors_call_to_stands_before_what_the_template_does(
    client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        article = an_article(session)
        tie(session, goods[0], article=article, cta="Of editors:")
        tie(session, goods[1], article=article, slot="margin")
    assert "Of editors:" in frame(client, cta="Of the template:").words
    assert "Of the template:" in frame(client, cta="Of the template:", slot="margin").words


def absent(page: Page) -> str:
    said = main_of(page)
    assert said["data-state"] == "absent"
    assert not [tag for tag, _ in page.tags if tag in {"form", "a", "button", "h1", "img"}], "not a word to readers"
    assert page.words == ""
    return said["data-reason"]


def test_where_nothing_belongs_nothing_stands(client: FlaskClient, goods: list[Product]) -> None:
    assert absent(frame(client)) == "nothing-here"


@pytest.mark.parametrize("key", ["everywhere", "section:world", "tag:north korea", "article"])
def test_a_story_from_which_merchandise_was_taken_away_shows_none(
    client: FlaskClient, database: Database, goods: list[Product], key: str
) -> None:
    with database.transaction() as session:
        article = an_article(session, section="World")
        session.execute(
            sa.text("INSERT INTO article_tags (article_id, key, tag) VALUES (:id, 'north korea', 'North Korea')"),
            {"id": article.id},
        )
        tie(session, goods[0], article=article)
        suppress(session, f"article:{article.id}" if key == "article" else key)
    assert absent(frame(client)) == "suppressed"
    # A snippet that names the product itself stands under the same story.
    assert absent(frame(client, product="tee")) == "suppressed"


def test_a_section_that_only_the_page_names_is_enough_to_take_merchandise_away(
    client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        suppress(session, "section:world")
    assert absent(frame(client, product="tee", section="World")) == "suppressed"
    assert main_of(frame(client, product="tee", section="Sport"))["data-state"] == "offer"


def test_a_product_that_was_taken_away_is_shown_nowhere(
    client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        tie(session, goods[0], goods[1], article=an_article(session))
        suppress(session, f"product:{goods[0].id}")
    assert shown(frame(client)) == ["mug"]
    for story in (STORY, "", "https://news.example/other"):
        assert absent(frame(client, story, product="tee")) == "suppressed"
    sent = {"product": "tee"}
    assert main_of(Page(client.post("/embed/frame", data=sent)))["data-state"] == "gone"


def test_a_sensitive_story_shows_what_was_tied_to_it_by_hand_alone(
    client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        tie(session, goods[0], rule=Rule(section="World"))
    told = {"section": "World", "title": "Twelve dead in earthquake"}
    assert absent(frame(client, **told)) == "suppressed"
    with database.transaction() as session:
        tie(session, goods[1], article=an_article(session, title=told["title"], section="World"))
    assert shown(frame(client, **told, cta="again")) == ["mug"]


def test_a_successor_that_was_taken_away_does_not_stand_in(
    client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        old = a_product(session, "old-tee", stock=0, successor_id=goods[0].id)
        tie(session, old, article=an_article(session))
    assert shown(frame(client)) == ["tee"]
    with database.transaction() as session:
        suppress(session, f"product:{goods[0].id}")
    assert absent(frame(client, cta="again")) == "nothing-here"


def test_a_tie_in_that_ends_is_kept_no_longer_than_it_lasts(
    client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        tie(session, goods[0], article=an_article(session), ends_at=now() + timedelta(seconds=2))
    header = frame(client).headers["Cache-Control"]
    assert "stale-while-revalidate=0" in header
    assert "max-age=1" in header or "max-age=2" in header


@pytest.fixture
def strict(make_settings: Callable[..., Settings], database: Database, goods: list[Product]) -> Iterator[FlaskClient]:
    """A shop that knows who its publisher is."""
    with database.transaction() as session:
        tie(session, goods[0], rule=Rule())
    app = create_app(make_settings(shop_publisher_hosts=("news.example",)))
    yield app.test_client()
    app.extensions["understory"].database.close()


@pytest.mark.parametrize(
    "story",
    [
        "https://evil.example/a",
        "https://news.example.evil.example/",
        "https://notnews.example/",
        "https://evil.example/news.example",
        "https://evil.example?https://news.example/",
        "https://ne\u0301ws.example/",
        "https://news.example:8443.evil.example/",
    ],
)
def test_a_stranger_gets_nothing_and_makes_no_row(strict: FlaskClient, database: Database, story: str) -> None:
    assert shown(frame(strict)) == ["tee"]
    assert absent(frame(strict, story)) in {"host-not-allowed", "bad-address"}
    with database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Article)) == 0


@pytest.mark.parametrize(
    "story",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "//news.example/a",
        "https://user:pw@news.example/",
        "https://[bad",
        "not an address",
        "https://news.example/\x00",
        "https://news.example/" + "a" * 10_240,
        "https://evil.example\\.news.example/",
        "https://news.example/\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        "<script>alert(1)</script>",
    ],
)
def test_what_is_no_storys_address_gets_nothing(strict: FlaskClient, story: str) -> None:
    assert absent(frame(strict, story)) == "bad-address"


HOSTILE = [
    "<script>alert(1)</script>",
    '" onload="alert(1)',
    "\x00\x1b[31m",
    "x" * 10_240,
    "{{ 7*7 }}",
    "%s%(x)s",
    "'; --",
    "\u202e\u0000",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_garbage_about_the_story_is_text_and_breaks_nothing(
    client: FlaskClient, database: Database, goods: list[Product], text: str
) -> None:
    with database.transaction() as session:
        tie(session, goods[0], rule=Rule())
    plain = [(tag, set(at)) for tag, at in frame(client, cta="x").tags]
    page = frame(client, **dict.fromkeys(("title", "section", "author", "tags", "slot", "layout", "lang", "cta"), text))
    assert [(tag, set(at)) for tag, at in page.tags] == plain


def test_ten_thousand_tags_are_read_as_a_few(client: FlaskClient, database: Database, goods: list[Product]) -> None:
    with database.transaction() as session:
        tie(session, goods[0], rule=Rule(tag="last"))
    assert shown(frame(client, tags=",".join([*(f"tag-{n}" for n in range(900)), "last"]))) == []
    assert shown(frame(client, tags="last," + "x," * 900)) == ["tee"]


def test_a_story_that_is_asked_for_anew_takes_few_statements_whatever_is_tied(
    app: Flask, client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        for number in range(40):
            tie(session, goods[0], rule=Rule(tag=f"tag {number}"))
        tie(session, *goods[:4], article=an_article(session))
    frame(client)
    with statements(app.extensions["understory"].database.engine) as sent:
        assert len(shown(frame(client, cta="another"))) == 4
    assert len(sent) <= 8, sent


def test_what_is_shown_is_counted_once_for_each_product_of_it(
    app: Flask, client: FlaskClient, database: Database, goods: list[Product]
) -> None:
    with database.transaction() as session:
        article_id = (article := an_article(session)).id
        tie_in_id = tie(session, goods[0], goods[1], article=article)
    for _ in range(3):
        frame(client)
    house: House = app.extensions["understory"]
    house.counters.flush(house.database)
    with database.reading() as session:
        counted = session.execute(
            sa.text(
                "SELECT step, article_id, product_id, tie_in_id, slot, layout, times FROM insight_counts ORDER BY product_id"
            )
        ).all()
    assert [tuple(row) for row in counted] == [
        ("served", article_id, product.id, tie_in_id, "story", "shelf", 3) for product in goods[:2]
    ]
