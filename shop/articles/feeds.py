"""The publisher's feeds: which there are, and asking them for new stories.

A feed is asked every five minutes, less often if it says so or fails. `due_at` is moved on before it is asked, so that of several
workers one asks; who dies over it has held it up for ten minutes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.articles.addresses import canonical, is_publisher
from shop.articles.feed_formats import Listing, NotAFeed, read_listing
from shop.articles.fetching import Fetched, NotFetched, Reach, fetch
from shop.articles.knowing import Known, know_all
from shop.articles.models import Feed
from shop.articles.story import Story
from shop.config import Settings
from shop.db import Database, changed_rows, in_batches, insert_new, now
from shop.errors import InvalidChange, NotFound

log = structlog.get_logger(__name__)

PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=1)  # that an answer's max-age is heeded for
LONGEST_PAUSE_AFTER_FAILURES = timedelta(hours=6)
LONGEST_PATIENCE = timedelta(days=1)  # that Retry-After is heeded for
LEASE = timedelta(minutes=10)
SECONDS_AT_ONCE = 50.0  # then the rest waits for the next minute
FEEDS_AT_ONCE = 100
STORIES_AT_ONCE = 100
MOST_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Polled:
    """How many feeds were asked, how many of them had nothing new or failed; how many stories are new, or told otherwise."""

    asked: int = 0
    unchanged: int = 0
    failed: int = 0
    new: int = 0
    changed: int = 0

    def __add__(self, other: "Polled") -> "Polled":
        return Polled(
            self.asked + other.asked,
            self.unchanged + other.unchanged,
            self.failed + other.failed,
            self.new + other.new,
            self.changed + other.changed,
        )


@dataclass(frozen=True, slots=True)
class FeedView:
    """A feed as staff see it. `error` is what went wrong the last time, `failures` how often in a row."""

    id: int
    url: str
    active: bool
    due_at: datetime
    asked_at: datetime | None
    succeeded_at: datetime | None
    failures: int
    error: str


def add_feed(session: Session, url: str, hosts: tuple[str, ...]) -> int:
    """Ask this feed from now on. Returns its id. Never commits. Raises InvalidChange."""
    url = url.strip()
    if canonical(url) is None:
        raise InvalidChange("url", "Write the whole address of a feed, such as https://www.example.com/feed.xml.")
    if not is_publisher(url, hosts):
        raise InvalidChange("url", "This feed is not on one of the publisher's hosts (SHOP_PUBLISHER_HOSTS).")
    added = insert_new(session, Feed, {"url": url})
    if added is None:
        raise InvalidChange("url", "This feed is known already.")
    return int(added)


def pause_feed(session: Session, feed_id: int) -> None:
    """Ask it no more. Never commits. Raises NotFound."""
    _change(session, feed_id, active=False)


def resume_feed(session: Session, feed_id: int) -> None:
    """Ask it again, at once. Never commits. Raises NotFound."""
    _change(session, feed_id, active=True, due_at=now(), failures=0, error="")


def list_feeds(session: Session) -> list[FeedView]:
    """Every feed, in the order in which they were added. One statement."""
    return [
        FeedView(
            id=feed.id,
            url=feed.url,
            active=feed.active,
            due_at=feed.due_at,
            asked_at=feed.asked_at,
            succeeded_at=feed.succeeded_at,
            failures=feed.failures,
            error=feed.error,
        )
        for feed in session.scalars(select(Feed).order_by(Feed.id))
    ]


def read_feed(body: bytes, content_type: str, base_url: str) -> list[Story]:
    """The stories of RSS, Atom, RDF or a news sitemap, the newest first. Raises NotAFeed."""
    return list(read_listing(body, content_type, base_url).stories)


def poll_due(database: Database, settings: Settings, *, everything: bool = False) -> Polled:
    """Ask the feeds that are due, or `everything` that is not paused, and know their stories.

    Asks with no transaction open; stories are kept a hundred at a time, in a transaction each, and the feed after them.
    """
    moment = now()
    with database.reading() as session:
        asked = select(Feed.id).where(Feed.active).order_by(Feed.due_at, Feed.id).limit(FEEDS_AT_ONCE)
        due = session.scalars(asked if everything else asked.where(Feed.due_at <= moment)).all()
    polled, ends = Polled(), monotonic() + SECONDS_AT_ONCE
    for feed_id in due:
        if monotonic() > ends and not everything:
            break
        feed = _take(database, feed_id, None if everything else moment)
        if feed is not None:
            polled += _poll(database, settings, feed)
    return polled


def _take(database: Database, feed_id: int, due_by: datetime | None) -> Feed | None:
    """The feed, for whoever moves its `due_at` first."""
    moment = now()
    taken = update(Feed).where(Feed.id == feed_id, Feed.active).values(due_at=moment + LEASE, asked_at=moment)
    with database.transaction() as session:
        if not changed_rows(session, taken if due_by is None else taken.where(Feed.due_at <= due_by)):
            return None
        return session.get_one(Feed, feed_id)


def _poll(database: Database, settings: Settings, feed: Feed) -> Polled:
    try:
        fetched, listing = _ask(feed, Reach.of(settings))
        known = _know(database, settings, listing) if listing is not None else Known()
    except (NotFetched, NotAFeed) as refusal:
        patience = refusal.retry_after if isinstance(refusal, NotFetched) else None
        _failed(database, feed, str(refusal), patience)
        log.warning("feed_failed", feed=feed.id, reason=str(refusal), failures=feed.failures + 1)
        return Polled(asked=1, failed=1)
    except Exception:
        # One feed that a library cannot read must not keep the others from being asked.
        _failed(database, feed, "It could not be read: the worker's log says more.", None)
        log.exception("feed_not_read", feed=feed.id)
        return Polled(asked=1, failed=1)
    # What an index leads to may change though the index does not.
    keep = fetched.status == 200 and (listing is None or not listing.sitemaps)
    with database.transaction() as session:
        asked = (
            update(Feed)
            .where(Feed.id == feed.id)
            .values(due_at=now() + _pause(fetched.max_age), succeeded_at=now(), failures=0, error="")
        )
        if keep:
            asked = asked.values(etag=fetched.etag, last_modified=fetched.last_modified)
        session.execute(asked)
    return Polled(asked=1, unchanged=int(fetched.status == 304), new=known.new, changed=known.changed)


def _ask(feed: Feed, reach: Reach) -> tuple[Fetched, Listing | None]:
    """The answer and what it lists, with what the sitemaps of an index list; None if nothing has changed."""
    fetched = fetch(feed.url, reach, most_bytes=MOST_BYTES, etag=feed.etag, last_modified=feed.last_modified)
    if fetched.status == 304:
        return fetched, None
    listing = read_listing(fetched.body, fetched.content_type, fetched.url)
    stories = list(listing.stories)
    for url in listing.sitemaps:
        inner = fetch(url, reach, most_bytes=MOST_BYTES)
        stories += read_listing(inner.body, inner.content_type, inner.url).stories
    return fetched, Listing(tuple(stories), listing.sitemaps, listing.is_sitemap)


def _know(database: Database, settings: Settings, listing: Listing) -> Known:
    hosts = settings.shop_publisher_hosts
    ours = [story for story in listing.stories if story.title and is_publisher(story.url, hosts)]
    # A sitemap says less, and often otherwise, than the feeds do, and the two must not take turns.
    source = "page" if listing.is_sitemap else "feed"
    known = Known()
    for some in in_batches(ours, STORIES_AT_ONCE):
        with database.transaction() as session:
            known += know_all(session, some, source)
    return known


def _failed(database: Database, feed: Feed, reason: str, patience: int | None) -> None:
    pause = min(PAUSE * 2 ** min(feed.failures, 10), LONGEST_PAUSE_AFTER_FAILURES)
    if patience is not None:
        pause = max(pause, min(timedelta(seconds=patience), LONGEST_PATIENCE))
    with database.transaction() as session:
        session.execute(
            update(Feed)
            .where(Feed.id == feed.id)
            .values(due_at=now() + pause, failures=Feed.failures + 1, error=reason[:400])
        )


def _pause(max_age: int | None) -> timedelta:
    return min(max(PAUSE, timedelta(seconds=max_age or 0)), LONGEST_PAUSE)


def _change(session: Session, feed_id: int, **values: object) -> None:
    if not changed_rows(session, update(Feed).where(Feed.id == feed_id).values(**values)):
        raise NotFound("feed")
