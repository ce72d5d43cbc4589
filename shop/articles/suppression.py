"""Suppression: merchandise is taken away from a story, a section, a tag, a product, or everywhere, and given back.

The verbs take a session and never commit. What carts and open payment pages hold of it is the business of
`shop.checkout.suppressing`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session

from shop.articles.clock import touch_stories
from shop.articles.models import Article, ArticleTag, Suppression
from shop.articles.purging import purge
from shop.articles.story import one_line
from shop.articles.suppressed import EVERYWHERE, article_key, product_key, section_key, tag_suppression_key
from shop.articles.words import words_of
from shop.catalog.models import Product, Variant
from shop.db import cursor_id, insert_new, now
from shop.errors import InvalidChange, NotFound

SCOPES = ("article", "section", "tag", "product", EVERYWHERE)


@dataclass(frozen=True, slots=True)
class SuppressionView:
    """What is taken away. `what` names it to staff: a headline, a section, a tag, a product's title, or "everywhere"."""

    id: int
    scope: str
    key: str
    what: str
    article_id: int | None
    product_id: int | None
    reason: str
    suppressed_at: datetime
    suppressed_by: str


def suppress(session: Session, scope: str, value: str | int | None, reason: str, actor: str) -> int:
    """As `suppress_once`. Returns the id of the suppression which holds."""
    return suppress_once(session, scope, value, reason, actor)[0]


def suppress_once(session: Session, scope: str, value: str | int | None, reason: str, actor: str) -> tuple[int, bool]:
    """Take merchandise away. `value` is an article's or product's id, a section, or a tag; none for everywhere.

    Doing it twice equals doing it once. Returns the id of the suppression which holds, and whether it is new. Raises InvalidChange for what cannot be
    meant, and NotFound for an article or a product that is not there.
    """
    if scope not in SCOPES:
        raise InvalidChange("scope", "Choose from what merchandise is taken away.")
    of = _of(session, scope, value)
    said = {
        "scope": scope,
        "reason": one_line(reason, 400),
        "suppressed_at": now(),
        "suppressed_by": actor[:120],
        "lifted_by": "",
    }
    made = insert_new(session, Suppression, said | of | {"open_key": of["key"]})
    if made is None:
        # Somebody was faster, and may have lifted theirs by now: then this asks once more.
        standing = session.scalar(select(Suppression.id).where(Suppression.open_key == of["key"]))
        return (standing, False) if standing is not None else suppress_once(session, scope, value, reason, actor)
    _changed(session, of, lifted=False)
    return int(made), True


def lift(session: Session, suppression_id: int, actor: str) -> bool:
    """Give it back. The row stays as history. False if that was done already. Raises NotFound."""
    row = session.scalars(
        select(Suppression)
        .where(Suppression.id == suppression_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound("suppression")
    if row.lifted_at is not None:
        return False
    row.lifted_at, row.lifted_by, row.open_key = now(), actor[:120], None
    _changed(session, {"key": row.key, "article_id": row.article_id, "product_id": row.product_id}, lifted=True)
    return True


def holding(session: Session) -> list[SuppressionView]:
    """All that are in force, the newest first. One statement."""
    rows = session.execute(
        select(Suppression, Article.title, Article.url, Product.title)
        .outerjoin(Article, Article.id == Suppression.article_id)
        .outerjoin(Product, Product.id == Suppression.product_id)
        .where(Suppression.open_key.is_not(None))
        .order_by(Suppression.id.desc())
    )
    return [
        SuppressionView(
            id=row.id,
            scope=row.scope,
            key=row.key,
            what=headline or url or product or row.key.partition(":")[2] or EVERYWHERE,
            article_id=row.article_id,
            product_id=row.product_id,
            reason=row.reason,
            suppressed_at=row.suppressed_at,
            suppressed_by=row.suppressed_by,
        )
        for row, headline, url, product in rows
    ]


def _of(session: Session, scope: str, value: str | int | None) -> dict[str, Any]:
    if scope == EVERYWHERE:
        return {"key": EVERYWHERE, "article_id": None, "product_id": None}
    if scope in {"article", "product"}:
        table = Article if scope == "article" else Product
        found = session.scalar(select(table.id).where(table.id == (cursor_id(str(value)) or 0)))
        if found is None:
            raise NotFound("story" if scope == "article" else "product")
        if scope == "article":
            return {"key": article_key(found), "article_id": found, "product_id": None}
        return {"key": product_key(found), "article_id": None, "product_id": found}
    text = one_line(str(value or ""), 120)
    if not words_of(text):
        raise InvalidChange("value", f"Write the {scope}.")
    key = section_key(text) if scope == "section" else tag_suppression_key(text)
    return {"key": key, "article_id": None, "product_id": None}


def _changed(session: Session, of: dict[str, Any], *, lifted: bool) -> None:
    if of["article_id"] is not None:
        keys = [f"article-{of['article_id']}"]
    elif of["product_id"] is not None:
        # What had folded away without it carries its key no more.
        keys = [f"product-{of['product_id']}", *(["stories"] if lifted else [])]
    else:
        keys = ["stories", "catalogue"] if of["key"] == EVERYWHERE else ["stories"]
    purge(session, *keys)
    touch_stories(session)


def reached_by(line_article: ColumnElement[Any], line_variant: ColumnElement[Any], *only: int) -> Select[str, str, str]:
    """Statement for the suppressions in force (of these ids, if any is named) that may reach lines of a cart or an order.

    `line_article` and `line_variant` are the lines' columns. Its columns are scope, key, and the section of the line's article.
    A row of scope "section" reaches the line only if that section's key is the row's (`reaches`): no database folds text.
    """
    tagged = (
        select(ArticleTag.article_id)
        .where(ArticleTag.article_id == line_article, "tag:" + ArticleTag.key == Suppression.key)
        .correlate(Suppression, line_article.table)
        .exists()
    )
    reach = or_(
        Suppression.scope == EVERYWHERE,
        Suppression.product_id == Variant.product_id,
        Suppression.article_id == line_article,
        and_(Suppression.scope == "section", Article.section.is_not(None), Article.section != ""),
        and_(Suppression.scope == "tag", tagged),
    )
    statement = (
        select(Suppression.scope, Suppression.key, Article.section)
        .select_from(line_article.table)
        .outerjoin(Variant, Variant.id == line_variant)
        .outerjoin(Article, Article.id == line_article)
        .join(Suppression, and_(Suppression.open_key.is_not(None), reach))
    )
    return statement.where(Suppression.id.in_(only)) if only else statement


def reaches(row: Any) -> str:
    """What a row of `reached_by` does to its line: "product", "story", or nothing."""
    if row.scope == "section":
        return "story" if section_key(row.section) == row.key else ""
    return "product" if row.scope in {EVERYWHERE, "product"} else "story"


# Whether any is in force: while none is, nobody asks further.
ANY_HOLDS = select(Suppression.id).where(Suppression.open_key.is_not(None)).exists()
