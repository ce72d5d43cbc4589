"""The rows of a report under which something counts: their keys, and what people call them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

NO_STORY = ("", "No story")
Name = tuple[str, str]  # key, label


class Names:
    """Names for a report by `by`. `tags` are those of each article; `day_of` tells the shop's day of a moment."""

    def __init__(self, by: str, tags: Mapping[int, Iterable[Name]], day_of: Callable[[datetime], date]) -> None:
        self._tags = tags
        self._day_of = day_of
        self._find: Callable[[Any], Iterable[Name]] | None = {
            "article": _by_article,
            "author": _by_author,
            "section": _by_section,
            "tag": self._by_tag,
            "product": _by_product,
            "placement": _by_placement,
        }.get(by)

    def of(self, row: Any, at: date | datetime | None) -> Iterable[Name]:
        """The names of a row that has the columns of this kind of report, and happened at that moment or on that day."""
        if self._find is not None:
            return self._find(row)
        assert at is not None
        day = (self._day_of(at) if isinstance(at, datetime) else at).isoformat()
        return [(day, day)]

    def _by_tag(self, row: Any) -> Iterable[Name]:
        if row.url is None:
            return [NO_STORY]
        return self._tags.get(row.article_id) or [(" ", "No tag")]


def _by_article(row: Any) -> Iterable[Name]:
    if row.url:
        return [(row.url, row.title or row.url)]
    # Its article may be gone; the line still says what it was.
    address = getattr(row, "article_url", "")
    return [(address, row.article_title or address)] if address else [NO_STORY]


def _by_author(row: Any) -> Iterable[Name]:
    if row.url is None:
        return [NO_STORY]
    names = {name for part in row.author.split(",") if (name := part.strip())}
    return [(name, name) for name in sorted(names)] or [(" ", "No author")]


def _by_section(row: Any) -> Iterable[Name]:
    if row.url is None:
        return [NO_STORY]
    return [(row.section, row.section) if row.section else (" ", "No section")]


def _by_product(row: Any) -> Iterable[Name]:
    if row.product_id is None and not row.product_slug:
        return [("", "No product")]
    # A product that has been renamed is still one: lines remember the address that it had.
    key = str(row.product_id or row.product_slug)
    return [(key, row.product_title or f"Product {key}")]


def _by_placement(row: Any) -> Iterable[Name]:
    if not (row.tie_in_id or row.slot or row.layout):
        return [("", "No placement")]
    tie_in = f"tie-in {row.tie_in_id}" if row.tie_in_id else "named in the page"
    words = (tie_in, row.slot and f"slot {row.slot}", row.layout)
    return [(f"{row.tie_in_id or ''}/{row.slot}/{row.layout}", ", ".join(word for word in words if word))]
