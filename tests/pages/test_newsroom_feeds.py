"""Where the demo newsroom tells machines of its stories: feeds, a news sitemap, and the links that announce them."""

import xml.etree.ElementTree as ET

import pytest
from flask.testing import FlaskClient

from shop.demo.newsroom import FEEDS, NewsroomSettings, create_newsroom
from shop.demo.stories import STORIES
from tests.pages.test_newsroom_stories import PAPER, SHOP, page_at

NAMES = {
    "atom": "http://www.w3.org/2005/Atom",
    "map": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
}


@pytest.fixture
def reader() -> FlaskClient:
    return create_newsroom(NewsroomSettings(PAPER, SHOP)).test_client()


@pytest.mark.parametrize(
    ("path", "title", "address"),
    [
        ("/feeds/rss.xml", "channel/item/title", "channel/item/link"),
        ("/feeds/atom.xml", "atom:entry/atom:title", "atom:entry/atom:id"),
        ("/news-sitemap.xml", "map:url/news:news/news:title", "map:url/map:loc"),
    ],
)
def test_every_story_is_told_newest_first_under_its_canonical_address(
    reader: FlaskClient, path: str, title: str, address: str
) -> None:
    document = ET.fromstring(reader.get(path).data)
    newest = sorted(STORIES, key=lambda story: story.published, reverse=True)
    assert [found.text for found in document.findall(title, NAMES)] == [story.title for story in newest]
    assert [found.text for found in document.findall(address, NAMES)] == [PAPER + story.path for story in newest]


@pytest.mark.parametrize("path", FEEDS)
def test_whoever_has_a_feed_is_not_sent_it_again(reader: FlaskClient, path: str) -> None:
    first = reader.get(path)
    assert "max-age=300" in first.headers["Cache-Control"]
    for header, known in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")):
        again = reader.get(path, headers={header: first.headers[known]})
        assert (again.status_code, again.data) == (304, b"")
    assert reader.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_every_page_announces_the_feeds_and_the_paper_its_sitemap(reader: FlaskClient) -> None:
    for path in ("/", STORIES[0].path, "/sections/life"):
        announced = page_at(reader, path).all("link", rel="alternate")
        assert [(link["href"], link["type"]) for link in announced] == [
            (path, kind) for path, (_, kind) in FEEDS.items() if "/feeds/" in path
        ]
    assert f"Sitemap: {PAPER}/news-sitemap.xml" in reader.get("/robots.txt").text.splitlines()


def test_a_story_says_of_itself_what_the_feeds_say_of_it(reader: FlaskClient) -> None:
    for story in STORIES:
        page = page_at(reader, story.path)
        assert [meta["content"] for meta in page.all("meta", property="article:tag")] == list(story.tags)
        assert [meta["content"] for meta in page.all("meta", name="author")] == list(story.writers)
        assert page.meta("article:section") == story.section
        assert page.meta("article:published_time") == story.published_at.isoformat()
