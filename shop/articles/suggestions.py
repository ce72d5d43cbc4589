"""Which products an editor may want under a story, by the words that they share, and which words those are.

A word counts for more the fewer products and the fewer stories have it, and by its place: a headline before a tag before a
summary, a product's title before its tagline before its description. It is arithmetic, not reading: an editor decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt

import snowballstemmer
from sqlalchemy import or_, select
from sqlalchemy.orm import Session, selectinload

from shop.articles.common_words import COMMON
from shop.articles.guard import guard_list, is_sensitive
from shop.articles.models import Article
from shop.articles.story import Story
from shop.articles.words import words_of
from shop.catalog.models import Product, ProductOption
from shop.db import now
from shop.errors import NotFound

STORIES_COMPARED = 500
# What a word is worth by where it stands, in a story and in a product.
TITLE, TAG, SUMMARY = 3.0, 2.0, 1.0
NAME, TAGLINE, OPTION, DESCRIPTION = 3.0, 1.5, 1.0, 1.0
THRESHOLD = 9.0  # below it nothing fits: found on the one half of the labelled stories, measured on the other


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A product, how well it fits (above `THRESHOLD`, without an upper end), and the words for which it does, best first."""

    product_id: int
    slug: str
    title: str
    score: float
    words: tuple[str, ...]


def suggest(session: Session, article_id: int, limit: int = 3) -> list[Suggestion]:
    """The likeliest products for a story, the best first; none if no product fits, or under a sensitive story that nobody has
    approved. Raises NotFound.

    Of what is on sale now. At most seven statements, whatever is in the tables.
    """
    article = session.get(Article, article_id, options=[selectinload(Article.tags)])
    if article is None:
        raise NotFound("story")
    story = Story(
        url=article.url,
        title=article.title,
        section=article.section,
        tags=tuple(tag.tag for tag in article.tags),
        summary=article.summary,
    )
    if article.guard_approved_at is None and is_sensitive(story, guard_list(session)):
        return []
    moment = now()
    products = session.scalars(
        select(Product)
        .where(
            Product.status == "active",
            or_(Product.publish_at.is_(None), Product.publish_at <= moment),
            or_(Product.unpublish_at.is_(None), Product.unpublish_at > moment),
        )
        .order_by(Product.id)
        .options(selectinload(Product.options).selectinload(ProductOption.values))
    ).all()
    others = session.execute(
        select(Article.title, Article.summary).order_by(Article.id.desc()).limit(STORIES_COMPARED)
    ).all()
    described = {product.id: _worth(_places_of(product)) for product in products}
    rarity = _Rarity(described.values(), [_worth(((TITLE, f"{row.title} {row.summary}"),)) for row in others])
    told = _worth(((TITLE, story.title), (TAG, " ".join(story.tags)), (SUMMARY, story.summary)))
    found = [
        Suggestion(product.id, product.slug, product.title, _score(shared), _best_first(shared))
        for product in products
        if (shared := _shared(told, described[product.id], rarity))
    ]
    fitting = [suggestion for suggestion in found if suggestion.score >= THRESHOLD]
    return sorted(fitting, key=lambda suggestion: (-suggestion.score, suggestion.product_id))[:limit]


@dataclass(frozen=True, slots=True)
class _Word:
    """A word as it was written, and what it is worth in its best place."""

    written: str
    worth: float


_Words = Mapping[str, _Word]


class _Rarity:
    """How much a stem says: 1 for one that a single product and a single story have, less the more of them do."""

    def __init__(self, products: Iterable[_Words], stories: Sequence[_Words]) -> None:
        self._in_products, self._products = _counted(products)
        self._in_stories, self._stories = _counted(stories)

    def of(self, stem: str) -> float:
        return _rare(self._in_products.get(stem, 0), self._products) * _rare(
            self._in_stories.get(stem, 0), self._stories
        )


def _counted(documents: Iterable[_Words]) -> tuple[dict[str, int], int]:
    counts: dict[str, int] = {}
    number = 0
    for number, words in enumerate(documents, start=1):  # noqa: B007
        for stem in words:
            counts[stem] = counts.get(stem, 0) + 1
    return counts, number


def _rare(having: int, of: int) -> float:
    return log(1 + of / max(having, 1)) / log(1 + of) if of else 1.0


def _places_of(product: Product) -> Iterable[tuple[float, str]]:
    options = " ".join(value.value for option in product.options for value in option.values)
    return ((NAME, product.title), (TAGLINE, product.tagline), (OPTION, options), (DESCRIPTION, product.description))


def _worth(places: Iterable[tuple[float, str]]) -> _Words:
    """The stems of texts, each at the sum of the places where it stands: what is in a headline and among the tags is meant."""
    found: dict[str, _Word] = {}
    for worth, text in places:
        here: dict[str, str] = {}
        for word in words_of(text):
            if len(word) > 1 and not word.isdigit() and word not in COMMON:
                here.setdefault(_stem(word), word)
        for stem, word in here.items():
            found[stem] = _Word(found[stem].written, found[stem].worth + worth) if stem in found else _Word(word, worth)
    return found


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    return str(snowballstemmer.stemmer("english").stemWord(word))


def _shared(told: _Words, described: _Words, rarity: _Rarity) -> dict[str, float]:
    """What the product and the story share, by the word as the story has it."""
    return {
        word.written: word.worth * described[stem].worth * rarity.of(stem)
        for stem, word in told.items()
        if stem in described
    }


def _score(shared: Mapping[str, float]) -> float:
    """Three words that agree say more than one that is three times as rare, which may mean something else."""
    return round(sum(shared.values()) * sqrt(len(shared)), 2)


def _best_first(shared: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(sorted(shared, key=lambda word: (-shared[word], word)))
