"""Several workers and one feed, several tellers and one story; beside each race the control that takes its guard away."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from shop.articles import feeds, knowing
from shop.articles.feeds import LEASE, Polled, add_feed, poll_due
from shop.articles.knowing import know
from shop.articles.models import Article, Feed
from shop.articles.story import Story
from shop.config import Settings
from shop.db import Database, now
from tests.support.feeds import item, rss
from tests.support.publisher import Publisher, publishing
from tests.support.racing import met_after, together, without_row_locks

URL = "https://www.example.com/story"
ROUNDS = 20


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as publisher:
        publisher.says("/feed", rss(item("/1"), item("/2")))
        yield publisher


@pytest.fixture
def settings(make_settings: Callable[..., Settings], publisher: Publisher) -> Settings:
    return make_settings(shop_publisher_hosts=publisher.netloc)


@pytest.fixture
def poll(database: Database, settings: Settings, publisher: Publisher) -> Callable[[], Polled]:
    with database.transaction() as session:
        add_feed(session, f"{publisher.url}/feed", (publisher.netloc,))
    return lambda: poll_due(database, settings)


def test_of_four_workers_one_asks_the_feed(poll: Callable[[], Polled], publisher: Publisher) -> None:
    polled = together(poll, poll, poll, poll)
    assert sorted(each.asked for each in polled) == [0, 0, 0, 1], polled
    assert publisher.paths() == ["/feed"]


def test_control_whoever_looks_first_and_takes_then_asks_the_feed_twice(
    poll: Callable[[], Polled], publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(database: Database, feed_id: int, due_by: Any) -> Feed | None:
        with database.reading() as session:
            return session.scalars(select(Feed).where(Feed.id == feed_id, Feed.due_at <= due_by)).one_or_none()

    look = met_after(found)

    def look_then_take(database: Database, feed_id: int, due_by: Any) -> Feed | None:
        feed = look(database, feed_id, due_by)
        with database.transaction() as session:
            session.execute(update(Feed).where(Feed.id == feed_id).values(due_at=now() + LEASE))
        return feed

    monkeypatch.setattr(feeds, "_take", look_then_take)
    together(poll, poll)
    assert publisher.paths() == ["/feed", "/feed"]


def telling(database: Database, source: str, *tags: str) -> Callable[[], int]:
    def tell() -> int:
        with database.transaction() as session:
            return know(session, Story(URL, title=f"By the {source}", tags=tags), source)

    return tell


def title(database: Database) -> str:
    with database.reading() as session:
        return session.scalars(select(Article.title)).one()


def test_of_two_who_tell_of_a_new_story_at_once_the_one_who_knows_better_is_believed(database: Database) -> None:
    for _ in range(ROUNDS):
        first, second = together(telling(database, "page", "a", "b"), telling(database, "feed", "b", "c"))
        assert first == second
        assert title(database) == "By the feed"
        with database.transaction() as session:
            session.delete(session.scalars(select(Article)).one())


def test_of_two_who_tell_of_a_known_story_at_once_the_one_who_knows_better_is_believed(database: Database) -> None:
    for _ in range(ROUNDS):
        telling(database, "order")()
        together(telling(database, "page", "a", "b"), telling(database, "feed", "b", "c"))
        assert title(database) == "By the feed"
        with database.transaction() as session:
            session.delete(session.scalars(select(Article)).one())


def test_control_without_the_lock_on_the_story_the_weaker_one_has_the_last_word(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()

    def complete(session: Any, article: Article, story: Story, source: str) -> set[str]:
        if source == "page":
            assert told.wait(10)
        return truly(session, article, story, source)

    def tell_by_the_feed() -> None:
        telling(database, "feed")()
        told.set()

    truly = knowing._complete
    telling(database, "order")()
    monkeypatch.setattr(knowing, "_complete", complete)
    monkeypatch.setattr(knowing, "_locked", met_after(knowing._locked))
    with without_row_locks(database):
        together(telling(database, "page"), tell_by_the_feed)
    assert title(database) == "By the page"


def test_two_who_tell_of_the_same_stories_in_opposite_order_wait_for_each_other(database: Database) -> None:
    urls = [f"{URL}/{number}" for number in range(30)]

    def telling_all(ordered: list[str]) -> Callable[[], object]:
        def tell() -> object:
            with database.transaction() as session:
                return knowing.know_all(session, [Story(url, title="A story") for url in ordered], "feed")

        return tell

    for _ in range(5):
        outcomes = together(telling_all(urls), telling_all(urls[::-1]))
        assert all(isinstance(outcome, knowing.Known) for outcome in outcomes), outcomes
        assert sum(outcome.new for outcome in outcomes) == len(urls)
        with database.transaction() as session:
            for article in session.scalars(select(Article)):
                session.delete(article)
