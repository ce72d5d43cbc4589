"""A story as what decides about it sees it: what is stored of it, or what a page says of itself."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.orm import Session

from shop.articles.addresses import canonical
from shop.articles.models import Article, ArticleTag
from shop.articles.words import folded

TITLE_LIMIT, SECTION_LIMIT, AUTHOR_LIMIT, TAG_LIMIT = 300, 120, 300, 80
MOST_TAGS = 20


@dataclass(frozen=True, slots=True)
class Story:
    """A story under its canonical `url`. Several authors are parted by ", "; `published_at` is UTC.

    `id` is that of the stored article, None for a story that the shop knows by its page's word alone. `guard_approved`:
    somebody has looked at a sensitive story and let rules put merchandise under it.
    """

    url: str
    title: str = ""
    section: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()
    published_at: datetime | None = None
    summary: str = ""
    id: int | None = None
    guard_approved: bool = False

    @property
    def authors(self) -> tuple[str, ...]:
        """Each of the authors by themselves."""
        return tuple(name.strip() for name in self.author.split(",") if name.strip())


def claimed(url: str, title: str = "", section: str = "", author: str = "", tags: Iterable[str] = ()) -> Story | None:
    """What a page says of itself, cut to what the columns hold; None if `url` is no address of a story.

    Anybody may write it: whitespace, control characters and halves of characters are taken out, and nothing else is changed,
    so whoever shows it escapes it. Whether the host is the publisher's is the caller's to ask.
    """
    story_url = canonical(url)
    if story_url is None:
        return None
    named: dict[str, str] = {}
    for tag in tags:
        shown = one_line(tag, TAG_LIMIT)
        if key := tag_key(shown):
            named.setdefault(key, shown)
        if len(named) == MOST_TAGS:
            break
    return Story(
        story_url,
        one_line(title, TITLE_LIMIT),
        one_line(section, SECTION_LIMIT),
        one_line(author, AUTHOR_LIMIT),
        tuple(named.values()),
    )


def one_line(text: str, limit: int) -> str:
    """At most `limit` characters of it on one line, without what no database takes."""
    # Far more than can be kept is not worth cleaning.
    cleaned = "".join(ch if ch.isprintable() else _instead(ch) for ch in text[: limit * 4])
    return " ".join(cleaned.split())[:limit].rstrip()


def _instead(character: str) -> str:
    return "" if "\ud800" <= character <= "\udfff" else " " if character < "\x7f" or character.isspace() else character


def tag_key(tag: str) -> str:
    """By what a tag is found. Folding may have made it longer than the column that keeps it."""
    return folded(tag)[:TAG_LIMIT].rstrip()


_ARTICLES, _TAGS = (cast("Table", model.__table__) for model in (Article, ArticleTag))
_KNOWN = (
    select(
        *(_ARTICLES.c[name] for name in ("id", "url", "title", "section", "author", "summary", "published_at")),
        _ARTICLES.c.source,
        _ARTICLES.c.guard_approved_at,
        _TAGS.c.tag,
    )
    .select_from(_ARTICLES.outerjoin(_TAGS, _TAGS.c.article_id == _ARTICLES.c.id))
    .where(_ARTICLES.c.url.in_(bindparam("urls", expanding=True)))
    .order_by(_ARTICLES.c.id, _TAGS.c.key)
)


def find_story(reader: Session | Connection, url: str) -> Story | None:
    """The stored story under `url`, whatever way the address is written; None if there is none. One statement.

    A host with and without "www." is one publisher's, and a mobile page may leave it out; the address as written comes first.
    """
    story_url = canonical(url)
    found = known(reader, story_url) if story_url else None
    return found[0] if found else None


def known(reader: Session | Connection, story_url: str) -> tuple[Story, str] | None:
    """As `find_story`, for a canonical address; with the source of what is known."""
    rows = reader.execute(_KNOWN, {"urls": [story_url, twin_of(story_url)]}).all()
    if not rows:
        return None
    url = story_url if any(row.url == story_url for row in rows) else rows[0].url
    own = [row for row in rows if row.url == url]
    return story_of(own[0], (row.tag for row in own if row.tag is not None)), own[0].source


def story_of(row: Any, tags: Iterable[str]) -> Story:
    """A row of `articles` as a story."""
    return Story(
        url=row.url,
        title=row.title,
        section=row.section,
        author=row.author,
        tags=tuple(tags),
        published_at=row.published_at,
        summary=row.summary,
        id=row.id,
        guard_approved=row.guard_approved_at is not None,
    )


def as_resolved(reader: Session | Connection, asked: Story) -> Story:
    """What is believed of a story of which `asked` is what its page says. One statement.

    What the publisher or staff have told stands wholly. Of a story that is known by an order alone there is only what some
    reader's page said, which weighs no more than what this one says.
    """
    found = known(reader, asked.url)
    if found is None:
        return replace(asked, id=None, guard_approved=False)
    story, source = found
    if source != "order":
        return story
    return replace(
        story,
        title=asked.title or story.title,
        section=asked.section or story.section,
        author=asked.author or story.author,
        tags=asked.tags or story.tags,
        summary=asked.summary or story.summary,
        published_at=asked.published_at or story.published_at,
    )


def twin_of(story_url: str) -> str:
    """The same address with "www." before its host, or without."""
    scheme, _, rest = story_url.partition("://")
    return f"{scheme}://{rest[4:] if rest.startswith('www.') else f'www.{rest}'}"
