"""Placement: under which story, put there by which tie-in, in which slot and form, a reader was brought to a product.

A placement travels as a signed token on links and forms, never in a cookie. A token that does not verify is treated as
absent. Only stories on the allow-listed publisher hosts get one.

A token does not expire. It names no reader and opens nothing: whoever wants a fresh one has only to ask, so an end would stop
nobody who copies them. But a letter to readers or a page in an archive keeps its link for years, and what that sells was
sold there. What a token says cannot be changed, and no part of one fits another: the signature is over all of it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.articles.addresses import URL_LIMIT, canonical, is_publisher
from shop.articles.models import Article, TieIn
from shop.db import insert_new, now

TITLE_LIMIT = 300
LAYOUTS = ("card", "line", "shelf", "button", "link", "plain", "email", "amp", "oembed")
SLOT = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
# Far above any token of ours: a story's address and headline have their limits.
LONGEST_TOKEN = 4000
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Placement:
    """A verified placement: the story's canonical URL, its title as the page gave it, and the layout that was shown.

    `tie_in_id` is the tie-in by which the product stood there, None for one that the page named itself. `at` is the hour, in
    UTC, in which the token was made; None for one from before tokens said so.
    """

    url: str
    title: str = ""
    layout: str = "link"
    tie_in_id: int | None = None
    slot: str = ""
    at: datetime | None = None


class PlacementSigner:
    """Makes and checks placement tokens. `keys` are the newest first; all of them verify. Safe between threads."""

    def __init__(self, keys: tuple[str, ...], hosts: tuple[str, ...]) -> None:
        oldest_first = list(reversed(keys))
        self._serializer = URLSafeSerializer(oldest_first, salt="placement-2")
        self._first_serializer = URLSafeSerializer(oldest_first, salt="placement-1")
        self._hosts = hosts
        # Many readers of one story ask for the same token, and bring it back; signing costs as much as the rest of a page.
        self._signed = lru_cache(maxsize=1024)(self._sign)
        # A token that is not ours raises, and so is not kept: whoever invents them fills nothing.
        self._known = lru_cache(maxsize=1024)(self._read)

    def sign(
        self,
        url: str,
        title: str = "",
        layout: str = "link",
        *,
        tie_in_id: int | None = None,
        slot: str = "story",
    ) -> str:
        """A token for the story at `url`; empty if it is no address of a story on an allowed host."""
        if not url or len(url) > URL_LIMIT:
            return ""
        layout = layout if layout in LAYOUTS else "link"
        slot = slot if SLOT.fullmatch(slot) else "story"
        return self._signed(url, title.strip()[:TITLE_LIMIT], layout, tie_in_id, slot, int(now().timestamp()) // HOUR)

    def verify(self, token: str) -> Placement | None:
        """The placement in `token`, or None for a token that is empty, foreign or tampered with."""
        if not token or len(token) > LONGEST_TOKEN:
            return None
        try:
            return self._known(token)
        except (BadData, ValueError, TypeError):
            return None

    def _sign(self, url: str, title: str, layout: str, tie_in_id: int | None, slot: str, hour: int) -> str:
        story = canonical(url)
        if story is None or not is_publisher(story, self._hosts):
            return ""
        return str(self._serializer.dumps([story, title, layout, tie_in_id, slot, hour]))

    def _read(self, token: str) -> Placement:
        placement = self._newest(token)
        if not is_publisher(placement.url, self._hosts):
            raise ValueError("not a story of the publisher's any more")
        return placement

    def _newest(self, token: str) -> Placement:
        try:
            url, title, layout, tie_in_id, slot, hour = self._serializer.loads(token)
        except BadData:
            # Made by an earlier release: links in letters and on archived pages keep them.
            url, title, layout = self._first_serializer.loads(token)
            return Placement(canonical(url) or url, title, layout)
        at = datetime.fromtimestamp(hour * HOUR, UTC)
        # Once more canonical: what that is may have changed since, and the story must be found under what it is now.
        return Placement(canonical(url) or url, title, layout, tie_in_id, slot, at)


class Remembered(NamedTuple):
    """The rows that a placement names: its article, and its tie-in if that is still there."""

    article_id: int
    tie_in_id: int | None


def remember(session: Session, placement: Placement) -> Remembered:
    """The placement's article, adding it if it is new and its title if that was not known, and its tie-in. Never commits.

    One statement for a story that is known; two for a new one, three if the placement names a tie-in.
    """
    tie_in = select(TieIn.id).where(TieIn.id == placement.tie_in_id).scalar_subquery()
    known = select(Article.id, Article.title, tie_in.label("tie_in_id")).where(Article.url == placement.url)
    article = session.execute(known).one_or_none()
    if article is None:
        # Nearly every story is known. Of one that is not, the unique key decides who adds it.
        added = insert_new(session, Article, {"url": placement.url, "title": placement.title})
        if added is not None and placement.tie_in_id is None:
            return Remembered(int(added), None)
        article = session.execute(known).one()
    if placement.title and not article.title:
        session.execute(update(Article).where(Article.id == article.id).values(title=placement.title))
    return Remembered(article.id, article.tie_in_id)
