"""Reading what stories have sold: counters and orders brought together. Sums come from the orders themselves."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlalchemy.orm import Session

from shop.articles.models import Article, ArticleTag
from shop.catalog.models import Product, Variant
from shop.insights.books import Books
from shop.insights.days import Days
from shop.insights.models import InsightCount
from shop.insights.naming import Names
from shop.insights.report import BY, Report
from shop.orders.models import Order, OrderLine
from shop.payments.models import Refund, RefundLine

# Orders are read this many lines at a time: a year of them is not held in memory.
AT_ONCE = 2000
# The others are read from the orders.
SHOWN = ("served", "seen", "opened", "added")
# What tells one order's money and moments, and where each of its lines came from.
_LINES = (
    select(
        Order.id,
        Order.currency,
        Order.placed_at,
        Order.paid_at,
        Order.shipping_minor,
        Order.refunded_minor,
        Order.disputed_minor,
        OrderLine.id.label("line_id"),
        OrderLine.quantity,
        OrderLine.unit_price_minor,
        OrderLine.article_id,
        OrderLine.article_url,
        OrderLine.article_title,
        OrderLine.tie_in_id,
        OrderLine.slot,
        OrderLine.placement.label("layout"),
        OrderLine.product_slug,
        OrderLine.title.label("product_title"),
        Variant.product_id,
        Article.url,
        Article.title,
        Article.section,
        Article.author,
    )
    .join(OrderLine, OrderLine.order_id == Order.id)
    .outerjoin(Variant, Variant.id == OrderLine.variant_id)
    .outerjoin(Article, Article.id == OrderLine.article_id)
)


def report(
    session: Session,
    *,
    by: str,
    currency: str,
    zone: ZoneInfo,
    livemode: bool,
    since: date | None = None,
    until: date | None = None,
) -> Report:
    """What was shown and sold between two days of `zone`, both included, by one of `BY`.

    Money of orders that were paid in these days, in `currency` and in this mode (test or live), less what of it has gone back
    until now, whenever that was. Raises ValueError for another `by`. Seven statements at most, however much there is.
    """
    if by not in BY:
        raise ValueError(f"{by} is none of {', '.join(BY)}")
    days = Days(zone, since, until)
    books = Books(by, currency, Names(by, _tags(session) if by == "tag" else {}, days.of))
    books.add_counts(_counts(session, by, days))
    ours = Order.livemode.is_(livemode)
    paid = and_(ours, Order.currency == currency, Order.paid_at.is_not(None), days.between(Order.paid_at))
    of_lines, of_shipping = _refunds(session, paid)
    taken = or_(and_(ours, Order.currency == currency, days.between(Order.placed_at)), paid)
    wanted = _LINES.where(taken).order_by(Order.id, OrderLine.id).execution_options(yield_per=AT_ONCE)
    rows: Iterable[Any] = session.execute(wanted)
    for _, lines in groupby(rows, key=lambda row: row.id):
        books.add_order(tuple(lines), days, of_lines, of_shipping)
    elsewhere = select(Order.currency).where(
        ours, Order.currency != currency, Order.paid_at.is_not(None), days.between(Order.paid_at)
    )
    return books.report(since, until, _unverified(session, days), session.scalars(elsewhere.distinct()).all())


def _tags(session: Session) -> dict[int, list[tuple[str, str]]]:
    tags: dict[int, list[tuple[str, str]]] = {}
    columns = (ArticleTag.article_id, ArticleTag.key, ArticleTag.tag)
    for article_id, key, tag in session.execute(select(*columns).order_by(ArticleTag.article_id, ArticleTag.key)):
        tags.setdefault(article_id, []).append((key, tag))
    return tags


def _counts(session: Session, by: str, days: Days) -> Sequence[Row[Any]]:
    """How often each step was taken, summed up by the database as far as a report of this kind goes."""
    wanted: tuple[Any, ...]
    if by == "product":
        wanted = (InsightCount.product_id, Product.slug.label("product_slug"), Product.title.label("product_title"))
    elif by == "placement":
        wanted = (InsightCount.tie_in_id, InsightCount.slot, InsightCount.layout)
    elif by == "day":
        wanted = (InsightCount.day,)
    else:
        wanted = (InsightCount.article_id, Article.url, Article.title, Article.section, Article.author)
    counts = (
        select(InsightCount.step, func.sum(InsightCount.times).label("times"), *wanted)
        .select_from(InsightCount)
        .where(InsightCount.step.in_(SHOWN), days.among(InsightCount.day))
        .group_by(InsightCount.step, *wanted)
    )
    if by == "product":
        counts = counts.outerjoin(Product, Product.id == InsightCount.product_id)
    elif by not in {"placement", "day"}:
        counts = counts.outerjoin(Article, Article.id == InsightCount.article_id)
    return session.execute(counts).all()


def _unverified(session: Session, days: Days) -> int:
    times = select(func.sum(InsightCount.times)).where(InsightCount.step == "unverified", days.among(InsightCount.day))
    return int(session.scalar(times) or 0)


def _refunds(session: Session, paid: ColumnElement[bool]) -> tuple[dict[int, int], dict[int, int]]:
    """What has reached buyers for pieces of a line (by the line's id), and for the shipping (by the order's)."""
    arrived = and_(paid, Refund.status == "succeeded")
    of_lines = session.execute(
        select(RefundLine.order_line_id, func.sum(RefundLine.amount_minor))
        .join(Refund, Refund.id == RefundLine.refund_id)
        .join(Order, Order.id == Refund.order_id)
        .where(arrived)
        .group_by(RefundLine.order_line_id)
    )
    of_shipping = session.execute(
        select(Refund.order_id, func.sum(Refund.shipping_minor))
        .join(Order, Order.id == Refund.order_id)
        .where(arrived)
        .group_by(Refund.order_id)
    )
    return ({line: int(minor) for line, minor in of_lines}, {order: int(minor) for order, minor in of_shipping})
