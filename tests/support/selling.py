"""Orders as they stand after they were paid, refunded and disputed: what reports on stories are made of."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from shop.articles.models import Article, ArticleTag, TieIn
from shop.catalog.models import Product
from shop.orders.models import Order, OrderLine
from shop.payments.models import Refund, RefundLine
from tests.builders import variants_of

_serial = itertools.count(1)
# Eleven in the evening in Singapore, and still the afternoon in UTC.
EVENING = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sold:
    """A line to be sold: so many pieces of a product at a price, under a story (or none)."""

    product: Product
    pieces: int = 1
    price: int = 3900
    article: Article | None = None
    tie_in_id: int | None = None
    slot: str = ""
    layout: str = ""


def an_article(
    session: Session, name: str, *, section: str = "", author: str = "", tags: Sequence[str] = ()
) -> Article:
    """A story of the publisher's that the shop knows."""
    article = Article(
        url=f"https://news.example/{name}", title=name.capitalize(), section=section, author=author, source="feed"
    )
    session.add(article)
    session.flush()
    session.add_all(ArticleTag(article_id=article.id, key=tag.lower(), tag=tag) for tag in tags)
    session.flush()
    return article


def a_tie_in(session: Session, article: Article, slot: str = "story") -> int:
    """A tie-in under one article; its id."""
    tie_in = TieIn(article_id=article.id, slot=slot)
    session.add(tie_in)
    session.flush()
    return tie_in.id


def sell(
    session: Session, *lines: Sold, shipping: int = 0, at: datetime = EVENING, paid: bool = True, **fields: Any
) -> tuple[Order, list[OrderLine]]:
    """An order of these lines, paid as soon as it was placed unless told otherwise."""
    serial = next(_serial)
    goods = sum(line.pieces * line.price for line in lines)
    values: dict[str, Any] = {
        "number": f"U-SOLD{serial}",
        "access_token": f"sold-{serial}",
        "cart_digest": "0" * 64,
        "status": "paid" if paid else "expired",
        "stock_state": "sold" if paid else "released",
        "currency": "sgd",
        "subtotal_minor": goods,
        "shipping_minor": shipping,
        "total_minor": goods + shipping,
        "paid_minor": goods + shipping if paid else 0,
        "country": "SG",
        "placed_at": at,
        "paid_at": at if paid else None,
        "closed_at": at,
    }
    order = Order(**(values | fields))
    session.add(order)
    session.flush()
    made = [
        OrderLine(
            order_id=order.id,
            variant_id=variants_of(session, line.product)[0].id,
            sku=f"SKU-{line.product.id}",
            title=line.product.title,
            product_slug=line.product.slug,
            unit_price_minor=line.price,
            quantity=line.pieces,
            article_id=line.article.id if line.article else None,
            article_url=line.article.url if line.article else "",
            article_title=line.article.title if line.article else "",
            tie_in_id=line.tie_in_id,
            slot=line.slot,
            placement=line.layout,
        )
        for line in lines
    ]
    session.add_all(made)
    session.flush()
    return order, made


def refund(
    session: Session,
    order: Order,
    amount: int,
    *,
    of: dict[int, tuple[int, int]] | None = None,
    shipping: int = 0,
    status: str = "succeeded",
) -> None:
    """`amount` goes back: `of` it for pieces (line's id -> pieces and amount) and for the shipping."""
    row = Refund(
        order_id=order.id,
        stripe_id=f"re_{next(_serial)}",
        amount_minor=amount,
        shipping_minor=shipping,
        currency=order.currency,
        status=status,
    )
    session.add(row)
    session.flush()
    for line_id, (pieces, minor) in (of or {}).items():
        session.add(RefundLine(refund_id=row.id, order_line_id=line_id, quantity=pieces, amount_minor=minor))
    if status == "succeeded":
        order.refunded_minor += amount
    session.flush()
