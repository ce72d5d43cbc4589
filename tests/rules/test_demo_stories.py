"""The demo's stories are known to its shop from the start, with products under them as an editor and rules put them there."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import func, select, update

from shop.articles.feeds import Polled, list_feeds, poll_due
from shop.articles.models import Article, TieIn
from shop.articles.resolve import Resolution, resolve
from shop.articles.story import find_story
from shop.config import Settings
from shop.db import Database, now
from shop.demo.catalogue import DEMO_PRODUCTS
from shop.demo.newsroom import NEWS_FEED, NewsroomSettings, create_newsroom
from shop.demo.seed_stories import BY_RULE, seed_stories
from shop.demo.stories import BOAT_OFF_UBIN, KIM_IN_DEMAND, KOPI_ALL_NIGHT, SENTOSA_COUNTS_DOWN, STORIES, Story
from tests.builders import a_product
from tests.support.serving import serving

Make = Callable[..., Settings]


@pytest.fixture
def settings(make_settings: Make, database: Database) -> Iterator[Settings]:
    """A shop with the demo's products, beside a newsroom that runs."""
    with serving() as served:
        served.app = create_newsroom(NewsroomSettings(served.url, "http://127.0.0.1:8000"))
        with database.transaction() as session:
            for product in DEMO_PRODUCTS:
                a_product(session, product.slug, title=product.title, status=product.status)
        yield newsroom_on(make_settings, int(served.url.rpartition(":")[2]))


def newsroom_on(make_settings: Make, port: int) -> Settings:
    return make_settings(newsroom_port=port, shop_publisher_hosts=f"127.0.0.1:{port}")


def resolved(database: Database, settings: Settings, story: Story) -> Resolution:
    with database.reading() as session:
        known = find_story(session, f"http://127.0.0.1:{settings.newsroom_port}{story.path}")
        assert known is not None
        return resolve(session, known)


def shown(database: Database, settings: Settings, story: Story) -> list[str]:
    found = resolved(database, settings, story).shown
    return [product.slug for product in found.products] if found else []


def test_each_story_has_what_belongs_under_it_and_the_tragedy_nothing(database: Database, settings: Settings) -> None:
    assert seed_stories(database, settings) == len(STORIES)
    assert shown(database, settings, KIM_IN_DEMAND) == ["trump-kim-tee"]
    assert shown(database, settings, KOPI_ALL_NIGHT) == ["deadline-mug"]
    assert shown(database, settings, SENTOSA_COUNTS_DOWN) == ["trump-kim-tee", "front-page-tote"]
    assert shown(database, settings, BOAT_OFF_UBIN) == []
    assert resolved(database, settings, BOAT_OFF_UBIN).held


def test_started_twice_the_demo_knows_everything_once_and_leaves_alone_what_editors_did(
    database: Database, settings: Settings
) -> None:
    seed_stories(database, settings)
    with database.transaction() as session:
        session.execute(update(TieIn).values(active=False))
    assert seed_stories(database, settings) == 0
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Article)) == len(STORIES)
        assert session.scalar(select(func.count()).select_from(TieIn)) == 2 + len(BY_RULE)
        assert not session.scalar(select(TieIn.active).where(TieIn.active).limit(1))
        assert len(list_feeds(session)) == 1


def test_the_newsroom_s_feed_is_asked_a_minute_later_and_tells_nothing_new(
    database: Database, settings: Settings
) -> None:
    seed_stories(database, settings)
    assert poll_due(database, settings) == Polled()
    with time_machine.travel(now() + timedelta(minutes=1)):
        assert poll_due(database, settings) == Polled(asked=1)


def test_a_newsroom_that_was_on_another_port_is_asked_no_more(
    database: Database, settings: Settings, make_settings: Make
) -> None:
    seed_stories(database, settings)
    other = newsroom_on(make_settings, 9)
    assert seed_stories(database, other) == len(STORIES)
    with database.transaction() as session:
        assert [(feed.url, feed.active) for feed in list_feeds(session)] == [
            (f"http://127.0.0.1:{settings.newsroom_port}{NEWS_FEED}", False),
            (f"http://127.0.0.1:9{NEWS_FEED}", True),
        ]


def test_where_the_newsroom_may_not_carry_the_shop_nothing_is_made_known(
    database: Database, make_settings: Make
) -> None:
    assert seed_stories(database, make_settings(shop_publisher_hosts="www.example.com")) == 0
    with database.reading() as session:
        assert list_feeds(session) == []
