"""How a story comes to be known, and which of those who tell of it is believed.

An order's link only claims; a story's page, or a news sitemap, tells; the publisher's feeds know better; what staff have written
stands. A field that nobody has filled is completed by whoever tells of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from shop.articles.addresses import is_publisher
from shop.articles.clock import touch_stories
from shop.articles.models import Article, ArticleTag
from shop.articles.purging import purge
from shop.articles.story import Story, claimed, tag_key
from shop.db import insert_new
from shop.errors import InvalidChange

SOURCES = ("order", "page", "feed", "hand")  # the later, the more it is believed
FIELDS = ("title", "section", "author", "summary", "published_at")
RESOLVED_BY = frozenset({"title", "section", "author", "tags"})  # what decides what stands under a story


@dataclass(frozen=True, slots=True)
class Known:
    """What became of stories: how many are new, and of how many something else is known than before."""

    new: int = 0
    changed: int = 0

    def __add__(self, other: "Known") -> "Known":
        return Known(self.new + other.new, self.changed + other.changed)


def know(session: Session, story: Story, source: str) -> int:
    """Insert or complete the article of a story on one of the publisher's hosts; which those are is the caller's business.

    Returns its id. Never commits.
    """
    know_all(session, [story], source)
    return session.scalars(select(Article.id).where(Article.url == story.url)).one()


def know_all(session: Session, stories: Iterable[Story], source: str) -> Known:
    """As `know`, for many: three statements and one for each that is new or has changed. Never commits.

    Articles are locked in the order of their ids, and added in that of their addresses, so that two who are told of the same
    stories wait for each other.
    """
    new, changed = _learn(session, stories, source)
    _announce(session, new, [article for article, differs in changed if differs & RESOLVED_BY])
    return Known(new, sum(bool(differs) for _, differs in changed))


def by_hand(
    session: Session,
    url: str,
    *,
    hosts: tuple[str, ...],
    title: str,
    section: str = "",
    author: str = "",
    tags: Sequence[str] = (),
    published_at: datetime | None = None,
) -> int:
    """What staff write of a story, new or known: it is so, until they write otherwise. Returns its id. Never commits.

    Raises InvalidChange for an address that is not the publisher's, and for a story without a title.
    """
    story = claimed(url.strip(), title=title, section=section, author=author, tags=tuple(tags))
    if story is None or not is_publisher(story.url, hosts):
        raise InvalidChange("url", "Write the whole address of a story on one of the publisher's sites.")
    if not story.title:
        raise InvalidChange("title", "Write the story's headline.")
    new, _ = _learn(session, [story], "hand")
    article = _locked(session, [story.url])[story.url]
    # What they leave open is open again.
    article.section, article.author = story.section, story.author
    article.published_at = published_at or article.published_at
    _tag(article, story.tags)
    session.flush()
    _announce(session, new, [] if new else [article])
    return article.id


def _learn(session: Session, stories: Iterable[Story], source: str) -> tuple[int, list[tuple[Article, set[str]]]]:
    """How many are new, and what differs of each of the others."""
    told = {story.url: story for story in stories}
    known = _locked(session, list(told))
    new = 0
    for url in sorted(told.keys() - known.keys()):
        if _add(session, told[url], source):
            new += 1
        else:  # somebody has been faster
            known |= _locked(session, [url])
    return new, [(article, _complete(session, article, told[url], source)) for url, article in known.items()]


def _announce(session: Session, new: int, stale: Sequence[Article]) -> None:
    """To processes and caches, if something else may stand under a story now."""
    if stale:
        purge(session, *(f"article-{article.id}" for article in stale))
    if new or stale:
        touch_stories(session)


def _locked(session: Session, urls: list[str]) -> dict[str, Article]:
    found = session.scalars(
        select(Article)
        .where(Article.url.in_(urls))
        .order_by(Article.id)
        .with_for_update()
        .options(selectinload(Article.tags))
        .execution_options(populate_existing=True)
    )
    return {article.url: article for article in found}


def _add(session: Session, story: Story, source: str) -> bool:
    fields: dict[str, Any] = {name: getattr(story, name) for name in FIELDS}
    article_id = insert_new(session, Article, {"url": story.url, "source": source} | fields)
    if article_id is None:
        return False
    session.add_all(ArticleTag(article_id=article_id, key=key, tag=tag) for key, tag in _keyed(story.tags).items())
    session.flush()
    return True


def _complete(session: Session, article: Article, story: Story, source: str) -> set[str]:
    """Which fields are others now."""
    believed = SOURCES.index(source) >= SOURCES.index(article.source)
    differs: set[str] = set()
    for name in FIELDS:
        told, stands = getattr(story, name), getattr(article, name)
        if told and told != stands and (believed or not stands):
            setattr(article, name, told)
            differs.add(name)
    if story.tags and (believed or not article.tags) and _tag(article, story.tags):
        differs.add("tags")
    if believed and source != article.source:
        if article.source == "order":
            differs |= RESOLVED_BY  # until now a page's claims counted more
        article.source = source
    session.flush()
    return differs


def _tag(article: Article, tags: Sequence[str]) -> bool:
    """Whether that changed anything. Rows that stay are left alone."""
    wanted = _keyed(tags)
    stands = {row.key: row for row in article.tags}
    if {key: row.tag for key, row in stands.items()} == wanted:
        return False
    for key in stands.keys() - wanted.keys():
        article.tags.remove(stands[key])
    for key, tag in wanted.items():
        if key in stands:
            stands[key].tag = tag
        else:
            article.tags.append(ArticleTag(key=key, tag=tag))
    return True


def _keyed(tags: Sequence[str]) -> dict[str, str]:
    keyed: dict[str, str] = {}
    for tag in tags:
        keyed.setdefault(tag_key(tag), tag)
    return keyed
