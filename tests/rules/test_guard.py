"""The guard of sensitive stories: its list, and who may change what it holds back."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.articles.guard import WORDS, add_word, approve, guard_list, held_stories, is_sensitive, remove_word
from shop.articles.models import Article, GuardWord
from shop.articles.rules import Rule
from shop.articles.story import Story
from shop.articles.tying import Draft, tie
from shop.catalog.models import CatalogueClock
from shop.errors import InvalidChange, NotFound
from tests.builders import a_product

URL = "https://news.example/kim"


@pytest.mark.parametrize(
    ("title", "word"),
    [
        ("Three dead in ferry accident", "dead"),
        ("Kemalangan maut di lebuh raya", "maut"),
        ("\u9020\u62103\u4eba\u6b7b\u4ea1", "\u6b7b\u4ea1"),
        (
            "\u0baa\u0bc7\u0bb0\u0bc1\u0ba8\u0bcd\u0ba4\u0bc1 \u0bb5\u0bbf\u0baa\u0ba4\u0bcd\u0ba4\u0bbf\u0bb2\u0bcd 3 \u0baa\u0bc7\u0bb0\u0bcd",
            "\u0bb5\u0bbf\u0baa\u0ba4\u0bcd\u0ba4*",
        ),
        ("Floods: the week in pictures", "flood*"),
        ("Air\u2011strike on the harbour", "air strike"),
        ("KILLED!", "killed"),
        ("Warm words before the deadline", None),
        ("The bombastic crashpad of a skilled warden", None),
    ],
)
def test_sensitive_words_are_found_in_four_languages_and_only_as_words(title: str, word: str | None) -> None:
    assert is_sensitive(Story(URL, title), WORDS) == word


def test_no_word_stands_on_the_list_twice_and_each_can_be_found() -> None:
    assert len(set(WORDS)) == len(WORDS)
    for word in WORDS:
        assert is_sensitive(Story(URL, f"So {word.rstrip('*')} it is"), (word,)) == word


def test_a_word_is_one_however_often_and_in_whatever_case_it_is_added(session: Session) -> None:
    for said in ("  Trade   War ", "trade war", "TRADE WAR"):
        assert add_word(session, said, "ed") == "trade war"
    assert "trade war" in guard_list(session)
    assert len(session.scalars(select(GuardWord.id)).all()) == 1
    remove_word(session, "Trade war", "ed")
    assert "trade war" not in guard_list(session)
    assert set(guard_list(session)) == set(WORDS)


@pytest.mark.parametrize("wrong", ["", "  ", "*", "...", "x" * 81, "\x00"])
def test_what_no_story_can_have_is_no_word(session: Session, wrong: str) -> None:
    clock = session.scalars(select(CatalogueClock.stories)).one()
    with pytest.raises(InvalidChange):
        add_word(session, wrong, "ed")
    assert session.scalars(select(CatalogueClock.stories)).one() == clock


def test_what_is_held_is_listed_a_page_at_a_time_and_only_where_a_rule_would_stand(session: Session) -> None:
    tie(session, Draft((a_product(session).id,), rule=Rule(section="World")))
    for number in range(6):
        section = "World" if number % 2 else "Sport"
        session.add(Article(url=f"{URL}-{number}", title="Dozens dead", section=section, source="feed"))
    session.flush()
    first = held_stories(session, limit=4)
    rest = held_stories(session, first.next_cursor, limit=4)
    assert [held.story.url[-1] for held in (*first.stories, *rest.stories)] == ["5", "3", "1"]
    assert (first.stories[0].word, rest.next_cursor) == ("dead", None)


def test_a_story_that_is_not_known_cannot_be_approved(session: Session) -> None:
    with pytest.raises(NotFound):
        approve(session, 99, "ed")
