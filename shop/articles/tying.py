"""Tying products to stories: the verbs with which editors decide what stands where. Each takes a session and never commits.

Every change moves the stories' clock and writes down what caches must forget, so that no reader sees what was.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from shop.articles.clock import touch_stories
from shop.articles.models import Article, TieIn, TieInProduct
from shop.articles.placement import SLOT
from shop.articles.purging import purge
from shop.articles.resolve import MOST_PRODUCTS
from shop.articles.rules import Rule, key_of
from shop.articles.story import one_line
from shop.articles.words import words_of
from shop.catalog.models import Product
from shop.db import cursor_id, now
from shop.errors import InvalidChange, NotFound, StaleEdit

LAYOUTS = ("", "card", "line", "shelf", "button")
HIGHEST_PRIORITY = 1000
_SIGNS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Draft:
    """A tie-in as an editor writes it: one to four `products` (ids, in order) under one article, or by a rule.

    A rule without any condition stands under every story. Times are UTC; an empty `cta` or `layout` leaves it to the page.
    """

    products: tuple[int, ...]
    article_id: int | None = None
    rule: Rule | None = None
    slot: str = "story"
    priority: int = 0
    cta: str = ""
    layout: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TiedView:
    """A product of a tie-in, for staff."""

    id: int
    slug: str
    title: str
    status: str


@dataclass(frozen=True, slots=True)
class TieInView:
    """A tie-in, for staff. `version` is to be handed in with a change."""

    id: int
    draft: Draft
    active: bool
    version: int
    created_at: datetime
    created_by: str
    products: tuple[TiedView, ...]
    story_url: str
    story_title: str

    def state(self, moment: datetime) -> str:
        """ "paused", "waiting", "over" or "active" at `moment`."""
        if not self.active:
            return "paused"
        if self.draft.starts_at and self.draft.starts_at > moment:
            return "waiting"
        return "over" if self.draft.ends_at and self.draft.ends_at <= moment else "active"


@dataclass(frozen=True, slots=True)
class TieInPage:
    """Some tie-ins, the newest first, and the cursor of the next page."""

    tie_ins: tuple[TieInView, ...]
    next_cursor: str | None


def tie(session: Session, draft: Draft, *, actor: str = "") -> int:
    """Make a tie-in. Returns its id. Raises InvalidChange with the name of the field at fault."""
    row = TieIn(created_by=actor[:120])
    _write(session, row, draft)
    session.add(row)
    session.flush()
    _place(session, row.id, draft.products)
    _changed(session, row)
    return row.id


def change(session: Session, tie_in_id: int, draft: Draft, version: int) -> None:
    """Change a tie-in that was read at `version`. Raises as `tie`, NotFound, and StaleEdit if somebody was faster."""
    row = _hold(session, tie_in_id)
    if row.version != version:
        raise StaleEdit
    _changed(session, row, clock=False)  # where it stood until now
    _write(session, row, draft)
    session.execute(delete(TieInProduct).where(TieInProduct.tie_in_id == tie_in_id))
    _place(session, tie_in_id, draft.products)
    _changed(session, row)


def pause(session: Session, tie_in_id: int) -> None:
    """Show it nowhere until it is resumed. Raises NotFound."""
    _set_active(session, tie_in_id, active=False)


def resume(session: Session, tie_in_id: int) -> None:
    """Let it stand again, within its times. Raises NotFound."""
    _set_active(session, tie_in_id, active=True)


def _set_active(session: Session, tie_in_id: int, *, active: bool) -> None:
    row = _hold(session, tie_in_id)
    if row.active != active:
        row.active = active
        _changed(session, row)


def end(session: Session, tie_in_id: int) -> None:
    """Let it stand nowhere from now on, for good; it stays as history. Raises NotFound."""
    row = _hold(session, tie_in_id)
    moment = now()
    if row.ends_at is not None and row.ends_at <= moment:
        return
    if row.starts_at is not None and row.starts_at >= moment:
        row.starts_at = None  # it never stood
    row.ends_at = moment
    _changed(session, row)


def list_tie_ins(session: Session, after: str | None = None, limit: int = 50) -> TieInPage:
    """A page of all of them, the newest first, beyond the cursor. Two statements."""
    query = select(TieIn, Article.url, Article.title).outerjoin(Article, Article.id == TieIn.article_id)
    if (beyond := cursor_id(after)) is not None:
        query = query.where(TieIn.id < beyond)
    rows = session.execute(query.order_by(TieIn.id.desc()).limit(limit + 1)).all()
    views = _views(session, rows[:limit])
    return TieInPage(views, str(views[-1].id) if len(rows) > limit else None)


def tie_ins_of(session: Session, article_id: int) -> tuple[TieInView, ...]:
    """Those made for this very article, the newest first. Two statements."""
    query = select(TieIn, Article.url, Article.title).join(Article, Article.id == TieIn.article_id)
    rows = session.execute(query.where(TieIn.article_id == article_id).order_by(TieIn.id.desc())).all()
    return _views(session, rows)


def read_tie_in(session: Session, tie_in_id: int) -> TieInView:
    """One of them. Raises NotFound. Two statements."""
    query = select(TieIn, Article.url, Article.title).outerjoin(Article, Article.id == TieIn.article_id)
    row = session.execute(query.where(TieIn.id == tie_in_id)).one_or_none()
    if row is None:
        raise NotFound("tie-in")
    return _views(session, [row])[0]


def _hold(session: Session, tie_in_id: int) -> TieIn:
    row = session.scalars(
        select(TieIn).where(TieIn.id == tie_in_id).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound("tie-in")
    return row


def _write(session: Session, row: TieIn, draft: Draft) -> None:
    if (draft.article_id is None) == (draft.rule is None):
        raise InvalidChange("article", "Choose one story, or write a rule.")
    if draft.article_id is not None and session.get(Article, draft.article_id) is None:
        raise InvalidChange("article", "This story is not known here any more.")
    rule = _checked_rule(draft.rule) if draft.rule is not None else None
    if not SLOT.fullmatch(draft.slot):
        raise InvalidChange("slot", "Use lower-case letters, digits, hyphens and underscores, such as story.")
    if abs(draft.priority) > HIGHEST_PRIORITY:
        raise InvalidChange("priority", f"Choose a whole number from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}.")
    if draft.layout not in LAYOUTS:
        raise InvalidChange("layout", "Choose one of the layouts.")
    if draft.starts_at and draft.ends_at and draft.ends_at <= draft.starts_at:
        raise InvalidChange("ends_at", "The end comes after the beginning.")
    _check_products(session, draft.products)
    row.cta = _text("cta", draft.cta, 120)
    row.article_id = draft.article_id
    row.rule_section, row.rule_tag, row.rule_author, row.rule_words = (
        (rule.section, rule.tag, rule.author, rule.words) if rule else ("", "", "", "")
    )
    row.rule_key = key_of(rule) if rule else None
    row.slot, row.priority, row.layout = draft.slot, draft.priority, draft.layout
    row.starts_at, row.ends_at = draft.starts_at, draft.ends_at


def _checked_rule(rule: Rule) -> Rule:
    checked = Rule(
        _text("section", rule.section, 120),
        _text("tag", rule.tag, 80),
        _text("author", rule.author, 120),
        _text("words", rule.words, 200),
    )
    for field in ("section", "tag", "author"):
        if getattr(checked, field) and not words_of(getattr(checked, field)):
            raise InvalidChange(field, "Write it with letters or digits.")
    if checked.words and not all(map(words_of, checked.words.split())):
        raise InvalidChange("words", "Write words with letters or digits, parted by spaces; signs are not looked for.")
    return checked


def _text(field: str, text: str, limit: int) -> str:
    cleaned = text.strip()
    if _SIGNS.search(cleaned) or one_line(cleaned, 4 * limit + 1) != " ".join(cleaned.split())[: 4 * limit + 1]:
        raise InvalidChange(field, "Use plain text on one line.")
    if len(cleaned) > limit:
        raise InvalidChange(field, f"At most {limit} characters; this has {len(cleaned)}.")
    return cleaned


def _check_products(session: Session, products: Sequence[int]) -> None:
    if not 1 <= len(products) <= MOST_PRODUCTS:
        raise InvalidChange("products", f"Choose one product, or up to {MOST_PRODUCTS}.")
    if len(set(products)) < len(products):
        raise InvalidChange("products", "Choose each product once.")
    known = set(session.scalars(select(Product.id).where(Product.id.in_(products))))
    if known != set(products):
        raise InvalidChange("products", "One of these products is not there any more.")


def _place(session: Session, tie_in_id: int, products: Iterable[int]) -> None:
    session.add_all(
        TieInProduct(tie_in_id=tie_in_id, product_id=product_id, position=position)
        for position, product_id in enumerate(products)
    )


def _changed(session: Session, row: TieIn, *, clock: bool = True) -> None:
    """A rule may have stood, or may stand now, under any story."""
    where = "stories" if row.article_id is None else f"article-{row.article_id}"
    purge(session, where, f"tie-in-{row.id}")
    if clock:
        flag_modified(row, "priority")  # the version grows, though only its products may have changed
        touch_stories(session)


def _views(session: Session, rows: Sequence[Any]) -> tuple[TieInView, ...]:
    tied: dict[int, list[TiedView]] = {row.id: [] for row, _, _ in rows}
    products = session.execute(
        select(TieInProduct.tie_in_id, Product.id, Product.slug, Product.title, Product.status)
        .join(Product, Product.id == TieInProduct.product_id)
        .where(TieInProduct.tie_in_id.in_(tied))
        .order_by(TieInProduct.tie_in_id, TieInProduct.position, Product.id)
    )
    for row in products:
        tied[row.tie_in_id].append(TiedView(row.id, row.slug, row.title, row.status))
    return tuple(_view(row, tied[row.id], url or "", title or "") for row, url, title in rows)


def _view(row: TieIn, products: Sequence[TiedView], url: str, title: str) -> TieInView:
    rule = None
    if row.article_id is None:
        rule = Rule(row.rule_section, row.rule_tag, row.rule_author, row.rule_words)
    draft = Draft(
        products=tuple(product.id for product in products),
        article_id=row.article_id,
        rule=rule,
        slot=row.slot,
        priority=row.priority,
        cta=row.cta,
        layout=row.layout,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
    )
    about = (row.active, row.version, row.created_at, row.created_by)
    return TieInView(row.id, draft, *about, tuple(products), url, title)
