"""What stands under a story, and why: the one place where it is decided, for readers and for whoever wants it explained.

Three statements, whatever is in the tables: the story, the tie-ins that may stand there, and what speaks against them. Rules
are found by one of their conditions (`shop.articles.rules.key_of`), so a story is compared with few of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal, cast

from sqlalchemy import CompoundSelect, Connection, Table, bindparam, literal, or_, select, union_all
from sqlalchemy.orm import Session

from shop.articles.guard_words import guarded, is_sensitive
from shop.articles.models import GuardWord, Suppression, TieIn, TieInProduct
from shop.articles.placement import SLOT
from shop.articles.rules import Rule, keys_of, matches
from shop.articles.story import Story, as_resolved
from shop.articles.suppressed import EVERYWHERE, keys_of_story, product_key
from shop.catalog.models import Product
from shop.catalog.window import on_sale
from shop.db import now

Outcome = Literal["shown", "lost", "held", "suppressed", "not_begun", "ended", "paused", "not_on_sale"]
MOST_PRODUCTS = 4
STEPS = 3  # a product, and so many that came after it


@dataclass(frozen=True, slots=True)
class TiedProduct:
    """A product that is on sale: the one that was chosen, or what came after it."""

    id: int
    slug: str
    title: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands there: one product to four, and how. `cta` and `layout` are empty where the page decides."""

    tie_in_id: int
    products: tuple[TiedProduct, ...]
    cta: str
    layout: str


@dataclass(frozen=True, slots=True)
class Reason:
    """What became of one tie-in, in a sentence for staff."""

    tie_in_id: int
    outcome: Outcome
    sentence: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The `story` as it is believed, what is `shown` under it, and the `reasons`, in the order in which tie-ins stand.

    `held`: the guard of sensitive stories kept something back. `suppressed` is what took merchandise away from the story
    ("section:world"), else empty. `until` is the next moment at which this may change by itself, in UTC.
    """

    story: Story
    shown: Shown | None
    reasons: tuple[Reason, ...]
    held: bool = False
    suppressed: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Product:
    id: int
    slug: str
    title: str
    status: str
    publish_at: datetime | None
    unpublish_at: datetime | None


@dataclass(frozen=True, slots=True)
class _TieIn:
    """A tie-in that may stand there; `products` each with those that came after it."""

    id: int
    own: bool  # of this very story
    rule: Rule
    priority: int
    cta: str
    layout: str
    active: bool
    starts_at: datetime | None
    ends_at: datetime | None
    products: tuple[tuple[_Product, ...], ...]

    @property
    def rank(self) -> tuple[int, bool, int, int]:
        return (self.priority, self.own, self.rule.narrowness, self.id)

    @property
    def name(self) -> str:
        return f"tie-in {self.id}" if self.own else f"rule {self.id}"


_TIES, _TIED, _PRODUCTS = (cast("Table", model.__table__) for model in (TieIn, TieInProduct, Product))
_AFTER = [_PRODUCTS.alias(f"product_{step}") for step in range(STEPS)]
_FIELDS = ("id", "slug", "title", "status", "publish_at", "unpublish_at")


def _candidates() -> Any:
    source = _TIES.outerjoin(_TIED, _TIED.c.tie_in_id == _TIES.c.id)
    for step, product in enumerate(_AFTER):
        before = _AFTER[step - 1].c.successor_id if step else _TIED.c.product_id
        source = source.outerjoin(product, product.c.id == before)
    return (
        select(
            *_TIES.c,
            *(product.c[name].label(f"{name}_{step}") for step, product in enumerate(_AFTER) for name in _FIELDS),
        )
        .select_from(source)
        .where(
            or_(_TIES.c.article_id == bindparam("article"), _TIES.c.rule_key.in_(bindparam("keys", expanding=True))),
            _TIES.c.slot == bindparam("slot"),
        )
        .order_by(_TIES.c.id, _TIED.c.position, _TIED.c.product_id)
    )


_CANDIDATES = _candidates()
_AGAINST: CompoundSelect[Any] = union_all(
    select(
        literal("suppression").label("kind"), Suppression.open_key.label("word"), literal(True).label("guards")
    ).where(Suppression.open_key.in_(bindparam("keys", expanding=True))),
    select(literal("guard"), GuardWord.word, GuardWord.guards),
)


def resolve(
    reader: Session | Connection, asked: Story, slot: str = "story", moment: datetime | None = None
) -> Resolution:
    """What stands under the story that `asked` tells of (`shop.articles.story.claimed`), in this slot at `moment` (now).

    Three statements at most, two if nothing can stand there. The same tables give the same answer.
    """
    moment = moment or now()
    story = as_resolved(reader, asked)
    if not SLOT.fullmatch(slot):
        return Resolution(story, None, ())
    rows = reader.execute(_CANDIDATES, {"article": story.id, "keys": keys_of(story), "slot": slot}).all()
    ties = [tie for tie in _read(rows, story) if tie.own or matches(tie.rule, story)]
    if not ties:
        return Resolution(story, None, ())
    ties.sort(key=lambda tie: tie.rank, reverse=True)
    keys = [*keys_of_story(story), *{product_key(p.id) for tie in ties for line in tie.products for p in line}]
    against = reader.execute(_AGAINST, {"keys": keys}).all()
    open_keys = frozenset(row.word for row in against if row.kind == "suppression")
    suppressed = next((key for key in keys_of_story(story) if key in open_keys), "")
    words = guarded((row.word, bool(row.guards)) for row in against if row.kind == "guard")
    sensitive = None if story.guard_approved else is_sensitive(story, words)
    shown, reasons = _decide(ties, moment, open_keys, suppressed, sensitive)
    return Resolution(
        story,
        shown,
        reasons,
        held=any(reason.outcome == "held" for reason in reasons),
        suppressed=suppressed,
        until=_next_change(ties, moment),
    )


def _decide(
    ties: Sequence[_TieIn], moment: datetime, open_keys: frozenset[str], suppressed: str, sensitive: str | None
) -> tuple[Shown | None, tuple[Reason, ...]]:
    shown: Shown | None = None
    winner: _TieIn | None = None
    reasons: list[Reason] = []
    for tie in ties:
        products = [found for line in tie.products if (found := _first_on_sale(line, moment)) is not None]
        free = _distinct(p for p in products if product_key(p.id) not in open_keys)
        outcome, said = _kept_from_standing(tie, moment, products, free, suppressed, sensitive)
        if outcome is None and winner is not None:
            outcome, said = "lost", _lost_to(tie, winner)
        if outcome is None:
            winner, outcome = tie, "shown"
            shown = Shown(tie.id, free[:MOST_PRODUCTS], tie.cta, tie.layout)
            said = (
                "is shown because it is tied to this very story" if tie.own else f"is shown because of its {tie.rule}"
            )
            if str(tie.rule) == "every story" and not tie.own:
                said = "is shown because it is for every story"
        reasons.append(Reason(tie.id, outcome, f"{tie.name[0].upper()}{tie.name[1:]} {said}."))
    return shown, tuple(reasons)


def _kept_from_standing(
    tie: _TieIn,
    moment: datetime,
    products: Sequence[_Product],
    free: Sequence[TiedProduct],
    suppressed: str,
    sensitive: str | None,
) -> tuple[Outcome | None, str]:
    if not tie.active:
        return "paused", "is paused"
    if tie.starts_at and tie.starts_at > moment:
        return "not_begun", f"begins on {_at(tie.starts_at)}"
    if tie.ends_at and tie.ends_at <= moment:
        return "ended", f"ended on {_at(tie.ends_at)}"
    if suppressed:
        where = "everywhere" if suppressed == EVERYWHERE else "from " + suppressed.replace(":", " ", 1)
        return "suppressed", f"is not shown because merchandise was taken away {where}"
    if not products:
        return "not_on_sale", "has nothing that is on sale"
    if not free:
        return "suppressed", "is not shown because its products were taken away"
    if sensitive is not None and not tie.own:
        return "held", f"is held back until somebody approves the story, which has the word “{sensitive.rstrip('*')}”"
    return None, ""


def _lost_to(tie: _TieIn, winner: _TieIn) -> str:
    if tie.priority != winner.priority:
        return f"lost to {winner.name} by priority: {tie.priority} to {winner.priority}"
    if tie.own != winner.own:
        return f"lost to {winner.name}, which is tied to this very story"
    if tie.rule.narrowness != winner.rule.narrowness:
        return f"lost to {winner.name}, which has more conditions"
    return f"lost to {winner.name}, which is newer"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _first_on_sale(line: Sequence[_Product], moment: datetime) -> _Product | None:
    return next((product for product in line if on_sale(product, moment)), None)


def _distinct(products: Iterable[_Product]) -> tuple[TiedProduct, ...]:
    """Two that ended may have one successor."""
    return tuple({p.id: TiedProduct(p.id, p.slug, p.title) for p in products}.values())


def _next_change(ties: Sequence[_TieIn], moment: datetime) -> datetime | None:
    edges = [
        edge
        for tie in ties
        if tie.active and not (tie.ends_at and tie.ends_at <= moment)
        for edge in (
            tie.starts_at,
            tie.ends_at,
            *(
                at
                for line in tie.products
                for product in line
                if product.status == "active"
                for at in (product.publish_at, product.unpublish_at)
            ),
        )
        if edge is not None and edge > moment
    ]
    return min(edges, default=None)


def _read(rows: Sequence[Any], story: Story) -> Iterable[_TieIn]:
    for _, group in groupby(rows, key=lambda row: row.id):
        own = list(group)
        row = own[0]
        yield _TieIn(
            id=row.id,
            own=row.article_id is not None,
            rule=Rule(row.rule_section, row.rule_tag, row.rule_author, row.rule_words),
            priority=row.priority,
            cta=row.cta,
            layout=row.layout,
            active=row.active,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            products=tuple(filter(None, map(_line, own))),
        )


def _line(row: Any) -> tuple[_Product, ...]:
    return tuple(
        _Product(*(row._mapping[f"{name}_{step}"] for name in _FIELDS))
        for step in range(STEPS)
        if row._mapping[f"id_{step}"] is not None
    )


_OPEN = select(Suppression.open_key).where(Suppression.open_key.in_(bindparam("keys", expanding=True)))


def stopped(reader: Session | Connection, story: Story | None, product_id: int) -> str:
    """What keeps a product from being sold under a story, or under none: "story", "product", or "" if nothing does.

    The story is one that `find_story` or `resolve` gave. One statement.
    """
    of_product = product_key(product_id)
    keys = [EVERYWHERE, of_product, *(keys_of_story(story) if story else ())]
    found = set(reader.execute(_OPEN, {"keys": keys}).scalars())
    if found & {EVERYWHERE, of_product}:
        return "product"
    return "story" if found else ""
