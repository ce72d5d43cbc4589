"""What a story's own page says of it, read by the worker when a reader has asked for a story that no feed has told of yet.

A reader's browser only gives the address; nothing that it says is kept. The page must answer, be on one of the publisher's hosts,
call itself an article, and name that very address as its own.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import lxml.html
import structlog
from lxml import etree
from sqlalchemy import exists, select

from shop.articles.addresses import canonical, is_publisher
from shop.articles.feed_formats import SUMMARY_LIMIT, believable, joined, moment_of, plain
from shop.articles.fetching import NotFetched, Reach, fetch
from shop.articles.knowing import know
from shop.articles.models import Article
from shop.articles.story import Story, claimed
from shop.config import Settings
from shop.db import Database

log = structlog.get_logger(__name__)

MOST_BYTES = 3_000_000
ARTICLES = ("Article", "BlogPosting", "Report")  # how the types of schema.org end that a story has


def look_at(database: Database, settings: Settings, url: str) -> int | None:
    """Fetch the story at `url` and keep what its page says, unless it is known already. Returns the article's id, if it is one.

    One transaction, after the page has come. The reasons for which nothing is kept are no errors: anybody may write an address.
    """
    story_url, hosts = canonical(url), settings.shop_publisher_hosts
    # Without hosts, in development, any address would be a story's.
    if story_url is None or not hosts or not is_publisher(story_url, hosts):
        return None
    with database.reading() as session:
        if session.scalar(select(exists().where(Article.url == story_url, Article.source != "order"))):
            return None
    try:
        fetched = fetch(story_url, Reach.of(settings), most_bytes=MOST_BYTES)
        story = read_page(fetched.body, fetched.content_type, fetched.url)
    except NotFetched as refusal:
        log.info("story_not_found", reason=str(refusal))
        return None
    if story is None or story.url != story_url:
        log.info("story_not_found", reason="It is no article, or one with another address.")
        return None
    with database.transaction() as session:
        return know(session, story, "page")


def read_page(body: bytes, content_type: str, url: str) -> Story | None:
    """The story that an HTML page tells, under the address that it calls its own; None for a page that is no article."""
    page = _parsed(body, content_type)
    if page is None:
        return None
    metas = _metas(page)
    told = next(_articles(page), {})
    if not told and "article" not in metas.get("og:type", ()):
        return None
    own = _first(page.xpath("//link[@rel='canonical']/@href")) or url
    sections = _texts(told.get("articleSection")) or metas.get("article:section", [])
    authors = _names(told.get("author")) or [name for name in metas.get("author", []) if "@" not in name]
    keywords = [word for text in _texts(told.get("keywords")) for word in text.split(",")]
    story = claimed(
        joined(url, str(own)),
        title=_first(_texts(told.get("headline"))) or _first(metas.get("og:title", [])),
        section=_first(sections),
        author=", ".join(dict.fromkeys(authors)),
        tags=tuple(filter(None, map(str.strip, keywords or metas.get("article:tag", [])))),
    )
    if story is None or not story.title:
        return None
    published = _first(_texts(told.get("datePublished"))) or _first(metas.get("article:published_time", []))
    summary = _first(_texts(told.get("description"))) or _first(metas.get("og:description", []))
    return replace(
        story, published_at=believable(moment_of(published)), summary=" ".join(summary.split())[:SUMMARY_LIMIT]
    )


def _parsed(body: bytes, content_type: str) -> Any:
    kind, _, rest = content_type.lower().partition(";")
    if kind.strip() not in {"text/html", "application/xhtml+xml"}:
        return None
    charset = rest.partition("charset=")[2].partition(";")[0].strip(" \"'") or _utf8_if_it_is(body)
    try:
        return lxml.html.document_fromstring(body, parser=lxml.html.HTMLParser(encoding=charset, no_network=True))
    except (etree.LxmlError, ValueError, LookupError):  # nothing in it, or a charset that nobody knows
        return None


def _utf8_if_it_is(body: bytes) -> str | None:
    """Else lxml takes what the page itself says, or Latin."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _metas(page: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for meta in page.iter("meta"):
        name = (meta.get("property") or meta.get("name") or "").strip().lower()
        content = (meta.get("content") or "").strip()
        if name and content:
            found.setdefault(name, []).append(content)
    return found


def _articles(page: Any) -> Iterator[dict[str, Any]]:
    """What JSON-LD on the page says of articles."""
    for script in page.iter("script"):
        if (script.get("type") or "").strip().lower() != "application/ld+json":
            continue
        try:
            said = json.loads(script.text or "")
        except (ValueError, RecursionError):
            continue
        for thing in _things(said):
            if any(kind.endswith(ARTICLES) for kind in _texts(thing.get("@type"))):
                yield thing


def _things(said: Any) -> Iterator[dict[str, Any]]:
    for thing in said if isinstance(said, list) else [said]:
        if isinstance(thing, dict):
            yield thing
            graph = thing.get("@graph")
            yield from (inner for inner in (graph if isinstance(graph, list) else ()) if isinstance(inner, dict))


def _texts(value: Any) -> list[str]:
    """One text or several, of which others may have made anything."""
    values = value if isinstance(value, list) else [value]
    return [plain(text).strip() for text in values if isinstance(text, str) and text.strip()]


def _names(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [name for each in values for name in _texts(each.get("name") if isinstance(each, dict) else each)]


def _first(values: Iterable[str]) -> str:
    return next(iter(values), "")
