"""Asking the publisher's feeds, over real HTTP: how often, what of it is kept, and what happens when they fail."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select, update

from shop.articles import feeds
from shop.articles.feeds import FeedView, Polled, add_feed, list_feeds, pause_feed, poll_due, resume_feed
from shop.articles.models import Article, Feed
from shop.articles.story import find_story
from shop.config import Settings
from shop.db import Database, now
from shop.errors import InvalidChange, NotFound
from tests.support.feeds import atom, entry, item, listed, rss, sitemap, sitemap_index
from tests.support.publisher import Publisher, head, publishing

MINUTE = timedelta(minutes=1)
Make = Callable[..., Settings]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as publisher:
        yield publisher


@pytest.fixture
def settings(make_settings: Make, publisher: Publisher) -> Settings:
    return make_settings(shop_publisher_hosts=publisher.netloc)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(now(), tick=False) as clock:
        yield clock


def added(database: Database, publisher: Publisher, path: str = "/feed") -> int:
    with database.transaction() as session:
        return add_feed(session, publisher.url + path, (publisher.netloc,))


def the_feed(database: Database) -> FeedView:
    with database.reading() as session:
        (feed,) = list_feeds(session)
        return feed


def titles(database: Database) -> dict[str, str]:
    with database.reading() as session:
        return {article.url.rpartition("/")[2]: article.title for article in session.scalars(select(Article))}


def due_in(database: Database) -> timedelta:
    return the_feed(database).due_at - now()


def test_what_a_feed_tells_becomes_known(database: Database, settings: Settings, publisher: Publisher) -> None:
    publisher.says("/feed", rss(item("/1", "One", "<category>Kim</category>"), item("/2", "Two")))
    added(database, publisher)
    assert poll_due(database, settings) == Polled(asked=1, new=2)
    assert titles(database) == {"1": "One", "2": "Two"}
    with database.reading() as session:
        story = find_story(session, f"{publisher.url}/1")
        assert story is not None
        assert story.tags == ("Kim",)
        assert session.scalars(select(Article.source)).all() == ["feed", "feed"]
    feed = the_feed(database)
    assert (feed.failures, feed.error, feed.succeeded_at is not None) == (0, "", True)


def test_a_headline_that_changes_is_known_at_the_next_asking(
    database: Database, settings: Settings, publisher: Publisher, clock: time_machine.Traveller
) -> None:
    publisher.says("/feed", rss(item("/1", "Two missing"), item("/2")))
    added(database, publisher)
    poll_due(database, settings)
    publisher.says("/feed", rss(item("/1", "Two dead"), item("/2"), item("/3")))
    clock.shift(5 * MINUTE)
    assert poll_due(database, settings) == Polled(asked=1, new=1, changed=1)
    assert titles(database)["1"] == "Two dead"


def test_what_has_not_changed_is_not_sent_again(
    database: Database, settings: Settings, publisher: Publisher, clock: time_machine.Traveller
) -> None:
    text = rss(item("/1"))
    publisher.keeps("/feed", text, etag='"1"', last_modified="Sun, 10 Jun 2018 08:00:00 GMT")
    added(database, publisher)
    for _ in range(4):
        poll_due(database, settings)
        clock.shift(5 * MINUTE)
    assert (len(publisher.asked), publisher.sent) == (4, len(text))
    assert publisher.asked[-1].headers["if-none-match"] == '"1"'
    assert publisher.asked[-1].headers["if-modified-since"] == "Sun, 10 Jun 2018 08:00:00 GMT"
    publisher.keeps("/feed", rss(item("/2")), etag='"2"')
    assert poll_due(database, settings) == Polled(asked=1, new=1)
    clock.shift(5 * MINUTE)
    assert poll_due(database, settings) == Polled(asked=1, unchanged=1)


def test_a_feed_is_asked_every_five_minutes(
    database: Database, settings: Settings, publisher: Publisher, clock: time_machine.Traveller
) -> None:
    publisher.says("/feed", rss())
    added(database, publisher)
    for _ in range(12):
        poll_due(database, settings)
        clock.shift(MINUTE)
    assert len(publisher.asked) == 3


@pytest.mark.parametrize(
    ("said", "pause"),
    [
        ("max-age=60", 5 * MINUTE),
        ("public, max-age=1200", 20 * MINUTE),
        ("max-age=999999999", 60 * MINUTE),
        ("no-cache", 5 * MINUTE),
    ],
)
def test_a_feed_that_may_be_kept_is_asked_less_often_but_every_hour(
    database: Database,
    settings: Settings,
    publisher: Publisher,
    clock: time_machine.Traveller,
    said: str,
    pause: timedelta,
) -> None:
    publisher.says("/feed", rss(), cache_control=said)
    added(database, publisher)
    poll_due(database, settings)
    assert due_in(database) == pause


def test_a_feed_that_fails_is_asked_ever_less_often_until_it_is_well(
    database: Database, settings: Settings, publisher: Publisher, clock: time_machine.Traveller
) -> None:
    publisher.says("/feed", "gone", status=500)
    added(database, publisher)
    pauses = []
    for _ in range(9):
        assert poll_due(database, settings) == Polled(asked=1, failed=1)
        pauses.append(due_in(database) // MINUTE)
        clock.shift(due_in(database))
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 360, 360]
    assert (the_feed(database).failures, the_feed(database).error) == (9, "It answered 500.")
    publisher.says("/feed", rss(item("/1")))
    assert poll_due(database, settings) == Polled(asked=1, new=1)
    assert (the_feed(database).failures, the_feed(database).error, due_in(database)) == (0, "", 5 * MINUTE)


@pytest.mark.parametrize(
    ("status", "said", "pause"),
    [(429, "1800", 30 * MINUTE), (503, "1", 5 * MINUTE), (429, "999999999", timedelta(days=1)), (429, "x", 5 * MINUTE)],
)
def test_a_server_that_asks_for_patience_gets_it_for_a_day_at_most(
    database: Database,
    settings: Settings,
    publisher: Publisher,
    clock: time_machine.Traveller,
    status: int,
    said: str,
    pause: timedelta,
) -> None:
    publisher.says("/feed", status=status, retry_after=said)
    added(database, publisher)
    poll_due(database, settings)
    assert due_in(database) == pause


def test_a_feed_that_breaks_gives_what_can_be_read_and_is_itself_again_later(
    database: Database, settings: Settings, publisher: Publisher, clock: time_machine.Traveller
) -> None:
    whole = rss(item("/1"), item("/2"), item("/3"))
    publisher.says("/feed", "<html><h1>Log in</h1></html>", etag='"bad"')
    added(database, publisher)
    assert poll_due(database, settings) == Polled(asked=1, failed=1)
    assert "no feed" in the_feed(database).error
    clock.shift(due_in(database))
    publisher.says("/feed", whole[: whole.rindex("<item>")], etag='"cut"')
    poll_due(database, settings)
    assert "if-none-match" not in publisher.asked[-1].headers
    assert set(titles(database)) == {"1", "2"}
    clock.shift(due_in(database))
    publisher.says("/feed", whole)
    assert poll_due(database, settings).new == 1
    assert (the_feed(database).failures, the_feed(database).error) == (0, "")


def test_stories_of_other_hosts_and_without_a_headline_are_left_out(
    database: Database, settings: Settings, publisher: Publisher
) -> None:
    foreign = (
        "https://elsewhere.example/1",
        "javascript:alert(1)",
        publisher.url.replace("127.0.0.1", "127.0.0.2") + "/2",
    )
    publisher.says("/feed", rss(*map(item, foreign), item("/3", ""), item("/4"), item("//elsewhere.example/5")))
    added(database, publisher)
    assert poll_due(database, settings) == Polled(asked=1, new=1)
    assert set(titles(database)) == {"4"}


def test_a_news_sitemap_completes_what_a_feed_tells_and_does_not_take_turns_with_it(
    database: Database, settings: Settings, publisher: Publisher, clock: time_machine.Traveller
) -> None:
    publisher.says("/feed", atom(entry(f"{publisher.url}/1", "<title>By the feed</title>")))
    keywords = "<news:keywords>Kim, Trump</news:keywords>"
    publisher.says("/map", sitemap(listed("/1", "By the map", keywords), listed("/2", "By the map", keywords)))
    added(database, publisher, "/feed")
    added(database, publisher, "/map")
    for _ in range(3):
        polled = poll_due(database, settings)
        clock.shift(5 * MINUTE)
    assert polled == Polled(asked=2)
    assert titles(database) == {"1": "By the feed", "2": "By the map"}
    with database.reading() as session:
        story = find_story(session, f"{publisher.url}/1")
        assert story is not None
        assert story.tags == ("Kim", "Trump")


def test_a_headline_that_changes_in_a_sitemap_is_known_where_there_is_no_feed(
    database: Database, settings: Settings, publisher: Publisher
) -> None:
    added(database, publisher, "/map")
    for title in ("Two missing", "Two dead"):
        publisher.says("/map", sitemap(listed("/1", title)))
        poll_due(database, settings, everything=True)
    assert titles(database) == {"1": "Two dead"}


def test_an_index_is_followed_one_step(
    database: Database, settings: Settings, publisher: Publisher, clock: time_machine.Traveller
) -> None:
    publisher.keeps(
        "/map", sitemap_index("<sitemap><loc>/news</loc></sitemap>", "<sitemap><loc>/more</loc></sitemap>"), etag='"1"'
    )
    publisher.says("/news", sitemap(listed("/1")))
    publisher.says("/more", sitemap_index("<sitemap><loc>/deep</loc></sitemap>"))
    added(database, publisher, "/map")
    assert poll_due(database, settings).new == 1
    publisher.says("/news", sitemap(listed("/2")))
    clock.shift(5 * MINUTE)
    assert poll_due(database, settings).new == 1
    assert "/deep" not in publisher.paths()
    publisher.says("/map", sitemap_index("<sitemap><loc>http://169.254.169.254/</loc></sitemap>"))
    clock.shift(5 * MINUTE)
    assert poll_due(database, settings).failed == 1
    assert "publisher's hosts" in the_feed(database).error


def test_a_feed_of_ten_thousand_stories_is_kept_to_a_thousand(
    database: Database, settings: Settings, publisher: Publisher
) -> None:
    publisher.says("/feed", rss(*(item(f"/{number}") for number in range(10_000))))
    added(database, publisher)
    assert poll_due(database, settings) == Polled(asked=1, new=1000)
    assert poll_due(database, settings, everything=True) == Polled(asked=1)


def test_a_feed_that_is_too_large_is_refused_in_a_sentence(
    database: Database, settings: Settings, publisher: Publisher
) -> None:
    publisher.says("/feed", rss(item("/1")) + " " * 11_000_000)
    added(database, publisher)
    assert poll_due(database, settings).failed == 1
    assert the_feed(database).error == "It is larger than 10 MB."


def test_one_feed_that_a_library_cannot_read_keeps_no_other_from_being_asked(
    database: Database,
    settings: Settings,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher.says("/bad", rss(item("/1")))
    publisher.says("/good", rss(item("/2")))
    added(database, publisher, "/bad")
    added(database, publisher, "/good")

    def read(body: bytes, content_type: str, base_url: str) -> feeds.Listing:
        if base_url.endswith("/bad"):
            raise AssertionError("never seen before")
        return truly(body, content_type, base_url)

    truly = feeds.read_listing
    monkeypatch.setattr(feeds, "read_listing", read)
    assert poll_due(database, settings) == Polled(asked=2, failed=1, new=1)
    with database.reading() as session:
        bad, good = list_feeds(session)
    assert (bad.failures, good.failures) == (1, 0)
    assert "worker's log" in bad.error


def test_who_dies_over_a_feed_has_held_it_up_for_ten_minutes(
    database: Database,
    settings: Settings,
    publisher: Publisher,
    clock: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher.says("/feed", rss(item("/1")))
    added(database, publisher)
    with monkeypatch.context() as dying:
        dying.setattr(feeds, "fetch", lambda *_, **__: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            poll_due(database, settings)
    assert poll_due(database, settings) == Polled()
    clock.shift(10 * MINUTE)
    assert poll_due(database, settings) == Polled(asked=1, new=1)


def test_slow_feeds_leave_the_rest_to_the_next_minute(
    database: Database, settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SECONDS_AT_ONCE", 0.0)
    publisher.says("/1", rss())
    added(database, publisher, "/1")
    assert poll_due(database, settings) == Polled()
    assert poll_due(database, settings, everything=True) == Polled(asked=1)


# What staff do.


def test_a_feed_that_is_paused_is_not_asked_until_it_is_resumed(
    database: Database, settings: Settings, publisher: Publisher
) -> None:
    publisher.says("/feed", rss())
    feed_id = added(database, publisher)
    with database.transaction() as session:
        session.execute(update(Feed).values(failures=7, error="It answered 500."))
        pause_feed(session, feed_id)
    assert poll_due(database, settings) == poll_due(database, settings, everything=True) == Polled()
    with database.transaction() as session:
        resume_feed(session, feed_id)
    assert (the_feed(database).active, the_feed(database).failures) == (True, 0)
    assert poll_due(database, settings) == Polled(asked=1)
    with database.transaction() as session:
        for verb in (pause_feed, resume_feed):
            with pytest.raises(NotFound):
                verb(session, feed_id + 1)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "whole address"),
        ("www.example.com/feed", "whole address"),
        ("file:///etc/passwd", "whole address"),
        ("https://www.example.com/" + "a" * 500, "whole address"),
        ("https://www.example.com/fe ed", "whole address"),
        ("https://www.example.com/\0", "whole address"),
        ("https://elsewhere.example/feed", "publisher's hosts"),
        ("http://127.0.0.1/feed", "publisher's hosts"),
        ("http://[", "whole address"),
        ("http://www.example.com@elsewhere.example/", "whole address"),
    ],
)
def test_what_is_no_feed_of_the_publishers_is_not_added(database: Database, url: str, said: str) -> None:
    with database.transaction() as session, pytest.raises(InvalidChange, match=said):
        add_feed(session, url, ("www.example.com",))


def test_a_feed_is_added_once(database: Database) -> None:
    with database.transaction() as session:
        add_feed(session, " https://www.example.com/feed ", ("www.example.com",))
        with pytest.raises(InvalidChange, match="known already"):
            add_feed(session, "https://www.example.com/feed", ("www.example.com",))


def test_the_newest_moments_are_utc(database: Database, settings: Settings, publisher: Publisher) -> None:
    publisher.does("/feed", lambda send, _: send(head(200) + rss().encode()))
    added(database, publisher)
    poll_due(database, settings)
    feed = the_feed(database)
    assert isinstance(feed.asked_at, datetime)
    assert feed.asked_at.utcoffset() == timedelta(0)
    assert feed.asked_at <= now() < feed.due_at
