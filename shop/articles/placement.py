"""Placement: which story, on which publisher's page, in which form, brought a reader to a product.

A placement travels as a signed token on links and forms, never in a cookie. A token that does not verify is treated as
absent. Only stories on the allow-listed publisher hosts get one.
"""

from dataclasses import dataclass

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.articles.addresses import canonical, is_publisher
from shop.articles.models import Article
from shop.db import insert_new

TITLE_LIMIT = 300
LAYOUTS = ("card", "link", "plain")


@dataclass(frozen=True, slots=True)
class Placement:
    """A verified placement: the story's canonical URL, its title as the page gave it, and the layout that was shown."""

    url: str
    title: str = ""
    layout: str = "link"


class PlacementSigner:
    """Makes and checks placement tokens. `keys` are the newest first; all of them verify."""

    def __init__(self, keys: tuple[str, ...], hosts: tuple[str, ...]) -> None:
        self._serializer = URLSafeSerializer(list(reversed(keys)), salt="placement-1")
        self._hosts = hosts

    def sign(self, url: str, title: str = "", layout: str = "link") -> str:
        """A token for the story at `url`; empty if it is no address of a story on an allowed host."""
        story = canonical(url)
        if story is None or not is_publisher(story, self._hosts):
            return ""
        layout = layout if layout in LAYOUTS else "link"
        return self._serializer.dumps([story, title.strip()[:TITLE_LIMIT], layout])

    def verify(self, token: str) -> Placement | None:
        """The placement in `token`, or None for a token that is empty, foreign or tampered with."""
        if not token or len(token) > 4000:
            return None
        try:
            url, title, layout = self._serializer.loads(token)
        except (BadData, ValueError, TypeError):
            return None
        return Placement(url, title, layout) if is_publisher(url, self._hosts) else None


def remember(session: Session, placement: Placement) -> int:
    """The id of the placement's article, adding it if it is new and its title if that was not known. Never commits.

    One statement for a story that is known, two for a new one.
    """
    known = select(Article.id, Article.title).where(Article.url == placement.url)
    article = session.execute(known).one_or_none()
    if article is None:
        # Nearly every story is known. Of one that is not, the unique key decides who adds it.
        added = insert_new(session, Article, {"url": placement.url, "title": placement.title})
        if added is not None:
            return int(added)
        article = session.execute(known).one()
    if placement.title and not article.title:
        session.execute(update(Article).where(Article.id == article.id).values(title=placement.title))
    return int(article.id)
