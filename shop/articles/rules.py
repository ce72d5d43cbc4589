"""Rules: under which stories a tie-in stands that names none, and how the few that may match a story are found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import nulls_last, select
from sqlalchemy.orm import Session, selectinload

from shop.articles.models import Article
from shop.articles.story import Story, story_of, tag_key
from shop.articles.words import folded, has_phrase, words_of

EVERY_STORY = "every"
KEY_LIMIT = 140


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions that all hold: section, tag, author, and each of `words` (parted by spaces) in the title.

    As staff wrote them; they are compared folded. Words are words, without wildcards: "Trump-Kim" is found where the two stand
    next to each other. Without any condition every story matches.
    """

    section: str = ""
    tag: str = ""
    author: str = ""
    words: str = ""

    @property
    def phrases(self) -> tuple[tuple[str, ...], ...]:
        """What must be in the title: the words of each of `words`."""
        return tuple(filter(None, map(words_of, self.words.split())))

    @property
    def narrowness(self) -> int:
        """How many conditions it has. The narrower of two rules stands before the wider."""
        return sum(map(bool, (self.section, self.tag, self.author))) + len(self.phrases)

    def __str__(self) -> str:
        named = (("tag", self.tag), ("section", self.section), ("author", self.author), ("words", self.words))
        return ", ".join(f"{name}: {value}" for name, value in named if value) or "every story"


def key_of(rule: Rule) -> str:
    """The one condition by which the rule is found, that which the fewest stories are likely to meet."""
    if rule.tag:
        return _key("tag", tag_key(rule.tag))
    if rule.author:
        return _key("author", folded(rule.author))
    longest = max((word for phrase in rule.phrases for word in phrase), key=len, default="")
    if longest:
        return _key("word", longest)
    return _key("section", folded(rule.section)) if rule.section else EVERY_STORY


def keys_of(story: Story) -> tuple[str, ...]:
    """The keys of every rule that may match the story."""
    return tuple(
        dict.fromkeys(
            (
                EVERY_STORY,
                *(_key("section", section) for section in (folded(story.section),) if section),
                *(_key("tag", tag_key(tag)) for tag in story.tags),
                *(_key("author", folded(author)) for author in story.authors),
                *(_key("word", word) for word in words_of(story.title)),
            )
        )
    )


def _key(kind: str, value: str) -> str:
    return f"{kind}:{value}"[:KEY_LIMIT]


def matches(rule: Rule, story: Story) -> bool:
    """Whether every condition holds."""
    return (
        _meets(rule.section, folded, (story.section,))
        and _meets(rule.tag, tag_key, story.tags)
        and _meets(rule.author, folded, story.authors)
        and _has_words(rule, story)
    )


def _meets(condition: str, fold: Callable[[str], str], values: Iterable[str]) -> bool:
    if not condition:
        return True
    wanted = fold(condition)  # of nothing that can be compared, nothing remains, and nothing is that
    return bool(wanted) and any(fold(value) == wanted for value in values)


def _has_words(rule: Rule, story: Story) -> bool:
    phrases = rule.phrases
    if not phrases:
        return not rule.words  # of nothing but signs, which no title has
    title = words_of(story.title)
    return all(has_phrase(title, phrase) for phrase in phrases)


def would_match(session: Session, rule: Rule, limit: int = 200) -> list[Story]:
    """Which of the last `limit` stories the rule would match, the newest first. Two statements."""
    newest = select(Article).order_by(nulls_last(Article.published_at.desc()), Article.id.desc()).limit(limit)
    rows = session.scalars(newest.options(selectinload(Article.tags)))
    stories = [story_of(row, (tag.tag for tag in row.tags)) for row in rows]
    return [story for story in stories if matches(rule, story)]
