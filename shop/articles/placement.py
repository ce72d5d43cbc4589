"""Placement: which story, on which publisher's page, in which form, brought a reader to a product.

A placement travels as a signed token on links and forms, never in a cookie. A token that does not verify is treated as
absent. Only stories on the allow-listed publisher hosts get one.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.articles.models import Article
from shop.db import insert_new

URL_LIMIT = 500
TITLE_LIMIT = 300
LAYOUTS = ("card", "link", "plain")
# A host's name, in any alphabet, or its number in IPv6. Browsers end a host at a backslash, which `urlsplit` takes for a part of
# it: "https://elsewhere.example\.publisher.example" would count as the publisher's and lead elsewhere.
HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+")
# Parameters that say how a reader came, not what is read; all that begin with utm_ do, too.
TRACKING = frozenset({"fbclid", "gclid", "mc_cid", "mc_eid", "igshid", "ref", "amp"})


@dataclass(frozen=True, slots=True)
class Placement:
    """A verified placement: the story's canonical URL, its title as the page gave it, and the layout that was shown."""

    url: str
    title: str = ""
    layout: str = "link"


def canonical(url: str) -> str | None:
    """`url` in the one form under which a story is known, or None for what cannot be a story's address.

    Host in lower case, no default port, no fragment, no tracking parameters, no trailing slash.
    """
    if not url or len(url) > URL_LIMIT or any(ch.isspace() or ord(ch) < 32 for ch in url):
        return None
    try:
        url.encode()  # half a character has no form in an address
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.password:
        return None
    if not HOST.fullmatch(host):
        return None
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{host}]" if ":" in host else host  # IPv6
    netloc = host if port in {None, default} else f"{host}:{port}"
    query = urlencode(
        sorted(
            (name, value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
            if not name.lower().startswith("utm_") and name.lower() not in TRACKING
        )
    )
    path = parts.path.rstrip("/") or "/"
    story = f"{parts.scheme}://{netloc}{path}" + (f"?{query}" if query else "")
    # Percent-encoding may have made it longer than the column that keeps it.
    return story if len(story) <= URL_LIMIT else None


def is_publisher(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether a canonical `url` is on one of the publisher's `hosts` ("www.example.com", "*.example.com", "host:port").

    With no hosts set (development), every host counts.
    """
    if not hosts:
        return True
    parts = urlsplit(url)
    host = parts.hostname or ""
    for allowed in hosts:
        if allowed.startswith("*."):
            if host.endswith(allowed[1:]):
                return True
        elif allowed in {host, parts.netloc}:
            return True
    return False


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
