"""Looking at a story's own page, over real HTTP: it is kept if it is one and calls itself by the address that was asked for."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from shop.articles.curious import Curious
from shop.articles.knowing import know
from shop.articles.models import Article
from shop.articles.pages import look_at, read_page
from shop.articles.story import Story, find_story
from shop.config import Settings
from shop.db import Database
from shop.demo.newsroom import NewsroomSettings, create_newsroom
from shop.demo.stories import STORIES
from tests.support.feeds import SITE, html, metas
from tests.support.publisher import Publisher, publishing
from tests.support.serving import eventually

HTML = "text/html; charset=utf-8"
URL = f"{SITE}/story"
Make = Callable[..., Settings]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as publisher:
        yield publisher


@pytest.fixture
def settings(make_settings: Make, publisher: Publisher) -> Settings:
    return make_settings(shop_publisher_hosts=f"{publisher.netloc} www.example.com")


def urls(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(Article.url)))


def read(head: str, url: str = URL) -> Story | None:
    return read_page(html(head).encode(), HTML, url)


def told(head: str) -> Story:
    story = read(head)
    assert story is not None
    return story


# Reading.


def test_a_story_tells_of_itself_in_json_ld() -> None:
    graph = """<script type="application/ld+json">{"@context": "https://schema.org", "@graph": [
      {"@type": "Organization", "name": "Paper"},
      {"@type": ["NewsArticle", "Thing"], "headline": "The man to meet &amp; greet", "articleSection": ["World", "Asia"],
       "keywords": "North Korea, Kim,", "author": [{"@type": "Person", "name": "Devi"}, {"name": "Marcus"}, "Nur"],
       "datePublished": "2018-06-10T06:30:00+08:00", "description": "Long shunned."}]}</script>"""
    assert told(graph + f'<link rel="canonical" href="/story/?utm_source=x#top">{metas(URL, "Another")}') == Story(
        url=URL,
        title="The man to meet & greet",
        section="World",
        author="Devi, Marcus, Nur",
        tags=("North Korea", "Kim"),
        published_at=datetime(2018, 6, 9, 22, 30, tzinfo=UTC),
        summary="Long shunned.",
    )


def test_a_story_tells_of_itself_in_metas() -> None:
    head = metas(URL, "Kim &amp; Trump", ["North Korea", "Kim"]) + (
        '<meta property="article:section" content="World"><meta name="author" content="Devi">'
        '<meta name="author" content="desk@example.com"><meta property="article:published_time" content="2018-06-10">'
        '<meta property="og:description" content="Long shunned.">'
    )
    assert told(head) == Story(
        url=URL,
        title="Kim & Trump",
        section="World",
        author="Devi",
        tags=("North Korea", "Kim"),
        published_at=datetime(2018, 6, 10, tzinfo=UTC),
        summary="Long shunned.",
    )


def test_the_demo_newsroom_s_pages_tell_what_its_feeds_tell() -> None:
    newsroom = create_newsroom(NewsroomSettings(SITE, "https://shop.example.com")).test_client()
    for written in STORIES:
        story = read_page(newsroom.get(written.path).data, HTML, SITE + written.path)
        assert story == Story(
            url=SITE + written.path,
            title=written.title,
            section=written.section,
            author=", ".join(written.writers),
            tags=written.tags,
            published_at=written.published_at.astimezone(UTC),
            summary=written.standfirst,
        )
    assert read_page(newsroom.get("/").data, HTML, SITE) is None


@pytest.mark.parametrize(
    "said",
    [
        "[]",
        "{",
        "null",
        '"NewsArticle"',
        '{"@type": "Product", "headline": "x"}',
        '{"@type": 7, "headline": "x"}',
        '{"@type": "NewsArticle"}',
        '{"@type": "NewsArticle", "headline": {"a": 1}, "author": [[1]], "keywords": {}, "datePublished": 5}',
        '{"@graph": 5}',
        "[" * 100_000,
    ],
)
def test_json_ld_that_says_nothing_is_no_story(said: str) -> None:
    assert read(f'<script type="application/ld+json">{said}</script>') is None


def test_markup_in_what_a_page_says_is_kept_as_text_without_it() -> None:
    head = (
        '<script type="application/ld+json">{"@type": "NewsArticle",'
        ' "headline": "<b>Kim<\\/b> &lt;img src=x onerror=alert(1)&gt;", "author": {"name": "<i>Devi<\\/i>"}}</script>'
    )
    story = told(head)
    assert (story.title, story.author) == ("Kim <img src=x onerror=alert(1)>", "Devi")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", HTML),
        (b"\0\xff", HTML),
        (b"<", "text/html; charset=nobody-knows"),
        (b"%PDF-1.7", "application/pdf"),
        (b"<html></html>", ""),
        (b"<html><head><title>A page</title></head></html>", HTML),
        ("\ufeff".encode(), "text/html; charset=utf-16"),
    ],
)
def test_what_is_no_page_of_a_story_is_none(body: bytes, kind: str) -> None:
    assert read_page(body, kind, URL) is None


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252"])
def test_a_page_is_read_in_its_own_characters(charset: str) -> None:
    page = html(metas(URL, "Café am Königsplatz")).replace('"utf-8"', f'"{charset}"').encode(charset)
    for kind in (f"text/html;charset={charset}", f'text/html; charset="{charset.upper()}"', "text/html"):
        story = read_page(page, kind, URL)
        assert story is not None
        assert story.title == "Café am Königsplatz"


def test_entities_that_lie_outside_are_not_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush")
    page = f'<!DOCTYPE html [<!ENTITY e SYSTEM "{secret.as_uri()}">]>' + html(metas(URL, "a &e; b"))
    assert "hush" not in str(read_page(page.encode(), "application/xhtml+xml", URL))


@given(
    st.one_of(
        st.binary(max_size=400),
        st.text(max_size=200).map(lambda text: html(metas(text, text)).encode("utf-8", "replace")),
    )
)
def test_whatever_comes_is_a_story_or_none(body: bytes) -> None:
    read_page(body, HTML, URL)


# Looking.


def test_a_story_that_is_there_becomes_known(database: Database, settings: Settings, publisher: Publisher) -> None:
    url = f"{publisher.url}/story"
    publisher.says("/story", html(metas(f"{url}/", "The man to meet", ["Kim"])), content_type=HTML)
    article_id = look_at(database, settings, f"{url}?utm_source=x#top")
    with database.reading() as session:
        story = find_story(session, url)
        assert story is not None
        assert (story.id, story.title, story.tags) == (article_id, "The man to meet", ("Kim",))
        assert session.scalars(select(Article.source)).one() == "page"
    assert look_at(database, settings, url) is None
    assert len(publisher.asked) == 1


def test_a_story_that_only_an_order_has_told_of_is_looked_at(
    database: Database, settings: Settings, publisher: Publisher
) -> None:
    url = f"{publisher.url}/story"
    publisher.says("/story", html(metas(url, "The truth")), content_type=HTML)
    with database.transaction() as session:
        know(session, Story(url, title="A stranger's word"), "order")
    assert look_at(database, settings, url) is not None
    with database.reading() as session:
        assert session.scalars(select(Article.title)).all() == ["The truth"]


def test_what_is_not_that_very_story_makes_no_row(database: Database, settings: Settings, publisher: Publisher) -> None:
    site = publisher.url
    publisher.says("/other", html(metas(f"{site}/story")), content_type=HTML)
    publisher.says("/foreign", html(metas("https://elsewhere.example/story")), content_type=HTML)
    publisher.says("/script", html(metas("javascript:alert(1)")), content_type=HTML)
    publisher.says("/page", html(f'<link rel="canonical" href="{site}/page"><title>About</title>'), content_type=HTML)
    publisher.says("/moved", status=301, location="/real")
    publisher.says(
        "/real",
        html('<meta property="og:type" content="article"><meta property="og:title" content="x">'),
        content_type=HTML,
    )
    publisher.says("/away", status=302, location="https://elsewhere.example/")
    publisher.says("/inside", status=302, location="http://169.254.169.254/")
    publisher.says("/soft", html(metas(f"{site}/404")), content_type=HTML)
    publisher.says("/error", html(metas(f"{site}/error")), status=500, content_type=HTML)
    publisher.says("/feed", metas(f"{site}/feed"), content_type="application/xml")
    publisher.says("/large", html(metas(f"{site}/large")) + " " * 4_000_000, content_type=HTML)
    for path in (*publisher.answers, "/nowhere"):
        if path != "/real":
            assert look_at(database, settings, site + path) is None, path
    assert urls(database) == []


@pytest.mark.parametrize(
    "url",
    ["", "javascript:alert(1)", "https://elsewhere.example/story", "http://169.254.169.254/", "http://[", "x" * 10_000],
)
def test_what_is_no_address_of_the_publishers_is_not_asked(
    database: Database, settings: Settings, publisher: Publisher, url: str
) -> None:
    assert look_at(database, settings, url) is None
    assert (publisher.asked, urls(database)) == ([], [])


def test_without_hosts_nothing_is_looked_at(database: Database, make_settings: Make, publisher: Publisher) -> None:
    publisher.says("/story", html(metas(f"{publisher.url}/story")), content_type=HTML)
    assert look_at(database, make_settings(), f"{publisher.url}/story") is None
    assert publisher.asked == []


# Being curious.


class Clock:
    def __init__(self) -> None:
        self.moment = 1000.0

    def __call__(self) -> float:
        return self.moment


def test_ten_thousand_unknown_addresses_are_a_few_questions_and_no_memory() -> None:
    handed: list[str] = []
    over = threading.Event()

    def hand_on(url: str) -> None:
        handed.append(url)
        over.wait(10)

    curious = Curious(hand_on, ("www.example.com",))
    for number in range(10_000):
        curious.wonder(f"{SITE}/{number}")
    eventually(lambda: handed)
    assert handed == [f"{SITE}/0"]
    assert len(curious._waiting) <= 100
    assert len(curious._asked) <= 2000
    over.set()


def test_whoever_waits_is_handed_on_in_turn_and_seldom() -> None:
    handed: list[tuple[str, float]] = []
    curious = Curious(lambda url: handed.append((url, time.monotonic())), ("www.example.com",), pause=0.05)
    for number in range(5):
        curious.wonder(f"{SITE}/{number}")
        curious.wonder(f"{SITE}/{number}")
    eventually(lambda: len(handed) == 5 and not curious._at_work)
    curious.wonder(f"{SITE}/5")
    eventually(lambda: len(handed) == 6)
    assert [url for url, _ in handed] == [f"{SITE}/{number}" for number in range(6)]
    assert all(later - earlier >= 0.045 for (_, earlier), (_, later) in itertools.pairwise(handed))


def test_an_address_is_asked_for_once_an_hour() -> None:
    handed: list[str] = []
    clock = Clock()
    curious = Curious(handed.append, ("www.example.com",), pause=0.001, clock=clock)
    for _ in range(3):
        for _ in range(10):
            curious.wonder(URL)
        clock.moment += 3600
    eventually(lambda: len(handed) == 3)


def test_what_is_remembered_is_bounded() -> None:
    curious = Curious(lambda _: None, ("www.example.com",), pause=0.0, most_remembered=10)
    for number in range(100):
        curious.wonder(f"{SITE}/{number}")
        assert len(curious._asked) <= 10


def test_nobody_is_curious_about_strangers_or_without_hosts() -> None:
    handed: list[str] = []
    Curious(handed.append, ("www.example.com",)).wonder("https://elsewhere.example/story")
    Curious(handed.append, ()).wonder(URL)
    assert handed == []
