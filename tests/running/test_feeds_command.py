"""`shop feeds` as a person runs it."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.commands import Ran, run
from tests.support.feeds import item, rss
from tests.support.publisher import Publisher, publishing

Feeds = Callable[..., Ran]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as publisher:
        yield publisher


@pytest.fixture
def feeds(prepared: Callable[..., dict[str, str]], publisher: Publisher) -> Feeds:
    settings = prepared(SHOP_PUBLISHER_HOSTS=publisher.netloc)
    return lambda *words: run("feeds", *words, env=settings)


def test_a_feed_is_added_asked_listed_paused_and_resumed(feeds: Feeds, publisher: Publisher) -> None:
    publisher.keeps("/feed", rss(item("/1"), item("/2")), etag='"1"')
    assert feeds("list").out == ""
    assert feeds("add", f"{publisher.url}/feed").out.startswith("Feed 1 was added.")
    assert "never asked" in feeds("list").out
    ran = feeds("poll")
    assert (ran.status, ran.out) == (0, "1 asked, 0 unchanged, 0 failed, 2 new, 0 changed\n")
    assert feeds("poll").out == "1 asked, 1 unchanged, 0 failed, 0 new, 0 changed\n"
    assert feeds("pause", "1").out == "Feed 1 is paused.\n"
    assert "paused" in feeds("list").out
    assert feeds("poll").out.startswith("0 asked")
    assert feeds("resume", "1").status == 0
    publisher.says("/feed", status=500)
    assert feeds("poll").status == 1
    (line,) = feeds("list").out.splitlines()
    assert line.endswith(f"{publisher.url}/feed  failed 1 times: It answered 500.")


def test_what_cannot_be_done_is_said_in_a_line(feeds: Feeds, publisher: Publisher) -> None:
    assert "publisher's hosts" in feeds("add", "http://169.254.169.254/feed").refusal
    assert "whole address" in feeds("add", "feed.xml").refusal
    assert feeds("add", f"{publisher.url}/feed").status == 0
    assert "known already" in feeds("add", f"{publisher.url}/feed").refusal
    assert "feed does not exist" in feeds("pause", "7").refusal
    assert feeds("pause", "99999999999").status == 2
