"""The guard of sensitive stories: under a story about deaths, war or disaster no rule puts merchandise until somebody has agreed.

Its list is the one that the shop comes with, less what staff have taken off, and with what they have added. Verbs take a
session and never commit.
"""

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload

from shop.articles.clock import touch_stories
from shop.articles.guard_words import WORD_LIMIT, WORDS, guarded, is_sensitive, word_key
from shop.articles.models import Article, GuardWord
from shop.articles.purging import purge
from shop.articles.resolve import resolve
from shop.articles.story import Story, story_of
from shop.db import changed_rows, cursor_id, insert_once, now
from shop.errors import InvalidChange, NotFound

__all__ = [
    "WORDS",
    "HeldPage",
    "HeldStory",
    "add_word",
    "approve",
    "guard_list",
    "held_stories",
    "is_sensitive",
    "remove_word",
]


@dataclass(frozen=True, slots=True)
class HeldStory:
    """A story under which rules would put something, and the word for which the guard keeps it back."""

    story: Story
    word: str


@dataclass(frozen=True, slots=True)
class HeldPage:
    """Some of them, those that became known last first, and the cursor of the next page."""

    stories: tuple[HeldStory, ...]
    next_cursor: str | None


def guard_list(session: Session) -> tuple[str, ...]:
    """The words in force. One statement."""
    return guarded((row.word, row.guards) for row in session.execute(select(GuardWord.word, GuardWord.guards)))


def add_word(session: Session, word: str, actor: str) -> str:
    """Guard against a word, or a few in a row; a "*" at the end stands for any ending. Returns it as it is kept.

    Raises InvalidChange for what has no letters, or is too long.
    """
    return _put(session, word, actor, guards=True)


def remove_word(session: Session, word: str, actor: str) -> str:
    """Guard against it no more, whether it is the shop's own or was added. As `add_word`."""
    return _put(session, word, actor, guards=False)


def _put(session: Session, word: str, actor: str, *, guards: bool) -> str:
    key = word_key(word)
    if not key:
        raise InvalidChange("word", "Write a word, or a few, with letters or digits.")
    if len(key) > WORD_LIMIT:
        raise InvalidChange("word", f"At most {WORD_LIMIT} characters.")
    said = {"guards": guards, "changed_at": now(), "changed_by": actor[:120]}
    if not insert_once(session, GuardWord, {"word": key} | said):
        session.execute(update(GuardWord).where(GuardWord.word == key).values(said))
    purge(session, "stories")
    touch_stories(session)
    return key


def approve(session: Session, article_id: int, actor: str) -> bool:
    """Let rules put merchandise under this story, whatever its words. False if somebody has done so already.

    Raises NotFound.
    """
    approved = changed_rows(
        session,
        update(Article)
        .where(Article.id == article_id, Article.guard_approved_at.is_(None))
        .values(guard_approved_at=now(), guard_approved_by=actor[:120])
        .execution_options(synchronize_session="fetch"),
    )
    if approved:
        purge(session, f"article-{article_id}")
        touch_stories(session)
    elif session.scalar(select(Article.id).where(Article.id == article_id)) is None:
        raise NotFound("story")
    return bool(approved)


def held_stories(session: Session, after: str | None = None, limit: int = 50) -> HeldPage:
    """Which of the `limit` stories beyond the cursor are held back, newest first.

    Three statements, and those of `resolve` for each story that is sensitive.
    """
    newest = select(Article).where(Article.guard_approved_at.is_(None)).order_by(Article.id.desc()).limit(limit + 1)
    if (beyond := cursor_id(after)) is not None:
        newest = newest.where(Article.id < beyond)
    rows = session.scalars(newest.options(selectinload(Article.tags))).all()
    words = guard_list(session)
    held: list[HeldStory] = []
    for row in rows[:limit]:
        story = story_of(row, (tag.tag for tag in row.tags))
        word = is_sensitive(story, words)
        if word and resolve(session, story).held:
            held.append(HeldStory(story, word))
    return HeldPage(tuple(held), str(rows[limit - 1].id) if len(rows) > limit else None)
