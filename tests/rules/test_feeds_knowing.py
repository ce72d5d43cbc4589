"""Who is believed about a story: nobody overwrites what somebody has said who knows better."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.articles.knowing import SOURCES, Known, by_hand, know, know_all
from shop.articles.models import Article, ArticleTag
from shop.articles.placement import Placement, remember
from shop.articles.story import Story, find_story
from shop.catalog.models import CatalogueClock, Purge
from shop.db import Database
from shop.errors import InvalidChange
from tests.support.statements import statements

URL = "https://www.example.com/2018/kim"
HOSTS = ("www.example.com",)
PAIRS = list(itertools.product(SOURCES, SOURCES))
MORNING = datetime(2018, 6, 10, 6, 30, tzinfo=UTC)


def a_story(said: str = "feed", **fields: Any) -> Story:
    values = {
        "title": f"{said} title",
        "section": f"{said} section",
        "author": f"{said} author",
        "summary": f"{said} text",
    }
    return Story(**({"url": URL, "tags": (f"{said} tag",), "published_at": MORNING} | values | fields))


def stored(session: Session, url: str = URL) -> Story:
    story = find_story(session, url)
    assert story is not None
    return story


def source_of(session: Session) -> str:
    return session.scalars(select(Article.source)).one()


def moved(session: Session, change: Callable[[], Any]) -> tuple[int, list[str]]:
    """By how much the clock moves, and what caches are told to forget."""
    clock = select(CatalogueClock.stories)
    before, purged = session.scalar(clock) or 0, select(Purge.keys).order_by(Purge.id)
    known = len(session.scalars(purged).all())
    change()
    session.flush()
    return (session.scalar(clock) or 0) - before, [
        key for keys in session.scalars(purged).all()[known:] for key in keys
    ]


def test_a_story_becomes_known_with_all_that_is_told(session: Session) -> None:
    article_id = know(session, a_story(), "feed")
    assert stored(session) == a_story(id=article_id)
    assert source_of(session) == "feed"


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_weaker_source_never_overwrites_a_stronger_one(session: Session, first: str, second: str) -> None:
    article_id = know(session, a_story(first), first)
    assert know(session, a_story(second), second) == article_id
    stronger = max(first, second, key=SOURCES.index)
    believed = second if first == second else stronger
    assert stored(session) == a_story(believed, id=article_id)
    assert source_of(session) == stronger


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_what_nobody_has_said_anybody_may_and_silence_takes_nothing_back(
    session: Session, first: str, second: str
) -> None:
    article_id = know(session, a_story(first, section="", tags=(), published_at=None), first)
    know(session, Story(URL, section="World", tags=("Kim",), published_at=MORNING), second)
    assert stored(session) == a_story(first, section="World", tags=("Kim",), id=article_id)


def test_what_is_read_from_the_story_does_not_change_when_an_order_comes(session: Session) -> None:
    know(session, a_story("page"), "page")
    remember(session, Placement(URL, "A stranger's title", "card"))
    assert stored(session).title == "page title"
    assert source_of(session) == "page"


def test_tags_are_replaced_and_found_in_any_case(session: Session) -> None:
    know(session, a_story(tags=("North Korea", "Kim")), "feed")
    know(session, a_story(tags=("NORTH KOREA", "Summit", "north korea")), "feed")
    assert {row.key: row.tag for row in session.scalars(select(ArticleTag))} == {
        "north korea": "NORTH KOREA",
        "summit": "Summit",
    }


def test_the_clock_moves_with_what_decides_about_a_story_and_with_nothing_else(session: Session) -> None:
    def told(**fields: Any) -> tuple[int, list[str]]:
        return moved(session, lambda: know(session, a_story(**fields), "feed"))

    assert told() == (1, [])
    key = f"article-{stored(session).id}"
    assert told() == (0, [])
    assert told(summary="Another", published_at=datetime(2018, 6, 11, tzinfo=UTC)) == (0, [])
    assert told(title="Two dead") == (1, [key])
    assert told(title="Two dead", section="Other") == (1, [key])
    assert told(title="Two dead", section="Other", tags=("b", "a")) == (1, [key])
    assert told(title="Two dead", section="Other", tags=("a", "b")) == (0, [])
    assert moved(session, lambda: know(session, a_story("order"), "order")) == (0, [])


def test_a_story_that_an_order_has_told_of_is_another_once_the_publisher_has(session: Session) -> None:
    know(session, a_story("feed"), "order")
    assert moved(session, lambda: know(session, a_story("feed"), "feed"))[0] == 1


def test_many_stories_cost_few_statements_and_none_that_is_known_a_write(database: Database) -> None:
    stories = [a_story(url=f"https://www.example.com/{number}") for number in range(100)]
    with database.transaction() as session:
        assert know_all(session, stories, "feed") == Known(new=100)
    with database.transaction() as session, statements(database.engine) as sent:
        assert know_all(session, stories, "feed") == Known()
        assert len(sent) <= 3
    with database.transaction() as session:
        assert know_all(session, [], "feed") == Known()
        changed = [a_story(url=story.url, title="Other") for story in stories[:3]] + [a_story()]
        assert know_all(session, changed, "feed") == Known(new=1, changed=3)
        assert session.scalar(select(func.count()).select_from(Article)) == 101


# By hand.


def test_what_staff_write_stands_until_they_write_otherwise(session: Session) -> None:
    know(session, a_story("feed"), "feed")
    article_id = by_hand(
        session,
        f" {URL}/?utm_source=x#a ",
        hosts=HOSTS,
        title="Ours",
        section="World",
        author="Us",
        tags=["One", "Two"],
    )
    know(session, a_story("feed", title="Newer"), "feed")
    story = stored(session)
    assert (story.id, story.title, story.section, story.author, story.tags) == (
        article_id,
        "Ours",
        "World",
        "Us",
        ("One", "Two"),
    )
    assert (story.summary, story.published_at) == ("feed text", MORNING)


def test_staff_may_take_a_wrong_tag_off(session: Session) -> None:
    know(session, a_story("feed"), "feed")
    key = f"article-{stored(session).id}"
    assert moved(session, lambda: by_hand(session, URL, hosts=HOSTS, title="Ours")) == (1, [key])
    assert (stored(session).tags, stored(session).section) == ((), "")


@pytest.mark.parametrize(
    ("url", "title", "field"),
    [
        ("", "Title", "url"),
        ("javascript:alert(1)", "Title", "url"),
        ("https://elsewhere.example/", "Title", "url"),
        ("https://www.example.com.evil.example/", "Title", "url"),
        (URL, " \n", "title"),
    ],
)
def test_staff_are_told_which_field_is_wrong(session: Session, url: str, title: str, field: str) -> None:
    with pytest.raises(InvalidChange) as refused:
        by_hand(session, url, hosts=HOSTS, title=title)
    assert refused.value.field == field
    assert session.scalars(select(Article)).all() == []
