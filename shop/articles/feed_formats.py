"""What a feed or a news sitemap says, as stories. Whatever is in the bytes: nothing is fetched for them and no entity unfolds."""

import re
from calendar import timegm
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any
from urllib.parse import urljoin

import feedparser
import lxml.html
from lxml import etree

from shop.articles.story import Story, claimed
from shop.db import now
from shop.errors import ShopError

MOST_STORIES = 1000
MOST_SITEMAPS = 5
SUMMARY_LIMIT = 2000
MARKUP_LIMIT = 50_000
SECTION = re.compile(r"(?:^|[/:#])sections?/?$", re.IGNORECASE)
INERT = {"load_dtd": False, "no_network": True, "resolve_entities": False, "huge_tree": False, "recover": True}


class NotAFeed(ShopError):
    """What came is nothing that lists stories. The message says what it lacks."""

    code = "not_a_feed"
    status = 422


@dataclass(frozen=True, slots=True)
class Listing:
    """What was listed: `stories`, the newest first; or the `sitemaps` that a sitemap index leads to.

    A sitemap says less of a story, and often says it otherwise, than a feed does: `is_sitemap`.
    """

    stories: tuple[Story, ...] = ()
    sitemaps: tuple[str, ...] = ()
    is_sitemap: bool = False


def read_listing(body: bytes, content_type: str, base_url: str) -> Listing:
    """The stories of RSS, Atom, RDF or a news sitemap, a thousand at most, with whatever of it can be read.

    Whose hosts they are on is not looked at. Raises NotAFeed.
    """
    root = _root(body)
    if root == "sitemapindex":
        return Listing(sitemaps=_sitemaps(body, base_url), is_sitemap=True)
    found = _of_sitemap(body, base_url) if root == "urlset" else _of_feed(body, content_type, base_url)
    by_url: dict[str, Story] = {}
    for story in found:
        by_url.setdefault(story.url, story)
    newest = sorted(by_url.values(), key=_age)
    return Listing(tuple(newest[:MOST_STORIES]), is_sitemap=root == "urlset")


def believable(moment: datetime | None) -> datetime | None:
    """A story's time; None for one that would stand at the head of every list for days."""
    return moment if moment is not None and moment < now() + timedelta(days=1) else None


def moment_of(text: str) -> datetime | None:
    """A moment as ISO 8601 or mail write it, in UTC where no zone is said."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
            return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def joined(base_url: str, link: str) -> str:
    """The whole address of a link; empty for none."""
    try:
        return urljoin(base_url, link.strip()) if link.strip() else ""
    except ValueError:
        return ""


def plain(markup: str, between: str = "") -> str:
    """HTML as the text that a reader sees, with `between` where an element begins or ends."""
    if "<" not in markup and "&" not in markup:
        return markup
    try:
        parsed = lxml.html.fragment_fromstring(markup[:MARKUP_LIMIT], create_parent="div")
    except (etree.LxmlError, ValueError):  # such as characters that no document may hold
        return markup
    etree.strip_elements(parsed, "script", "style", etree.Comment, etree.ProcessingInstruction, with_tail=False)
    return between.join(parsed.itertext())


def _age(story: Story) -> float:
    return -story.published_at.timestamp() if story.published_at else 0.0


def _root(body: bytes) -> str:
    """The name of the first element, without its namespace."""
    try:
        for _, element in etree.iterparse(BytesIO(body), events=("start",), **INERT):
            return str(etree.QName(element).localname).lower()
    except (etree.LxmlError, ValueError):
        pass
    return ""


# Feeds


def _of_feed(body: bytes, content_type: str, base_url: str) -> Iterator[Story]:
    headers = {"content-type": content_type, "content-location": base_url}
    try:
        # A stream: of a text feedparser would open the file or the address that it names. Its cleaning of HTML is not needed,
        # since no HTML is kept.
        read = feedparser.parse(
            BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except (ValueError, LookupError) as error:  # an encoding, say, that is none
        raise NotAFeed("It is no feed that can be read.") from error
    if not read.get("version") and not read.entries:
        raise NotAFeed("It is no feed: neither RSS nor Atom nor a news sitemap.")
    for entry in read.entries:
        link = entry.get("feedburner_origlink") or entry.get("link") or ""
        tags = [tag for tag in entry.get("tags", ()) if tag.get("term") or tag.get("label")]
        sections = [tag for tag in tags if SECTION.search(tag.get("scheme") or "")]
        story = claimed(
            joined(base_url, link),
            title=_words(entry.get("title_detail")),
            section=_name(sections[0]) if sections else entry.get("prism_section") or "",
            author=_authors(entry),
            tags=tuple(_name(tag) for tag in tags if tag not in sections),
        )
        if story is not None:
            detail = entry.get("summary_detail") or next(iter(entry.get("content", ())), None)
            yield replace(story, published_at=_moment(entry), summary=_tidy(_words(detail, " "))[:SUMMARY_LIMIT])


def _words(detail: Any, between: str = "") -> str:
    if not detail:
        return ""
    value = str(detail.get("value") or "")
    return value if detail.get("type") == "text/plain" else plain(value, between)


def _name(tag: Any) -> str:
    return str(tag.get("label") or tag.get("term"))


def _authors(entry: Any) -> str:
    """Names only: an address of somebody's mail is nobody's name."""
    names = [str(author.get("name") or "").strip() for author in entry.get("authors", ())]
    return ", ".join(dict.fromkeys(name for name in names if name and "@" not in name))


def _moment(entry: Any) -> datetime | None:
    for name in ("published", "updated"):
        if name not in entry:
            continue
        parsed = entry.get(f"{name}_parsed")
        try:
            return believable(datetime.fromtimestamp(timegm(parsed), UTC) if parsed else moment_of(str(entry[name])))
        except (ValueError, OverflowError, OSError):
            return None
    return None


def _tidy(text: str) -> str:
    return " ".join(text.replace("\0", "").split())


# Sitemaps


def _elements(body: bytes, name: str) -> Iterator[dict[str, str]]:
    """Each element of that name, as the texts in it by their names. What comes before the place where the file breaks is read."""
    try:
        for _, element in etree.iterparse(BytesIO(body), events=("end",), tag=f"{{*}}{name}", **INERT):
            texts: dict[str, str] = {}
            for inner in element.iter(etree.Element):
                texts.setdefault(_named(inner), (inner.text or "").strip())
            element.clear()
            yield texts
    except (etree.LxmlError, ValueError):
        return


def _named(element: Any) -> str:
    """A picture and a film have a title, too, which is not the story's."""
    name = etree.QName(element)
    space = name.namespace or ""
    return (
        f"news:{name.localname}"
        if "/sitemap-news/" in space
        else ""
        if "/schemas/sitemap-" in space
        else name.localname
    )


def _of_sitemap(body: bytes, base_url: str) -> Iterator[Story]:
    listed = told = 0
    for texts in _elements(body, "url"):
        listed += 1
        title = texts.get("news:title")
        if not title:  # a page of the site, which need not be a story
            continue
        told += 1
        keywords = tuple(filter(None, map(str.strip, texts.get("news:keywords", "").split(","))))
        story = claimed(joined(base_url, texts.get("loc", "")), title=title, tags=keywords)
        if story is not None:
            yield replace(story, published_at=believable(moment_of(texts.get("news:publication_date", ""))))
    if listed and not told:
        raise NotAFeed("It is a sitemap that names no news: the shop needs a news sitemap, or a feed.")


def _sitemaps(body: bytes, base_url: str) -> tuple[str, ...]:
    """The newest sitemaps of an index."""
    never = datetime.min.replace(tzinfo=UTC)
    dated = [
        (moment_of(texts.get("lastmod", "")) or never, joined(base_url, texts["loc"]))
        for texts in _elements(body, "sitemap")
        if texts.get("loc")
    ]
    newest: Iterable[str] = (url for _, url in sorted(dated, key=lambda pair: pair[0], reverse=True))
    return tuple(dict.fromkeys(newest))[:MOST_SITEMAPS]
