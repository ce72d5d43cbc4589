"""What the shelf offers beside what a cart holds already, and how much of it one line may hold."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select, true
from sqlalchemy.orm import Session

from shop.cart.models import CartLine
from shop.catalog.models import Product, Variant
from shop.catalog.stock import full_title
from shop.catalog.window import on_sale
from shop.errors import BadQuantity, NotFound


def can_be_bought(product: Product, variant: Variant, moment: datetime) -> bool:
    """Whether a reader may buy this variant at `moment`, stock aside."""
    return variant.active and on_sale(product, moment)


def check_quantity(quantity: int, limit: int) -> None:
    """Raises BadQuantity unless it is a number of pieces that one line may hold."""
    if not 1 <= quantity <= limit:
        raise BadQuantity(limit)


@dataclass(frozen=True, slots=True)
class Offered:
    """A variant on sale, and what one cart holds: pieces of it, lines at all, and whether the line in question."""

    price_minor: int
    available: int
    title: str
    in_cart: int
    lines: int
    has_line: bool


def _offer_beside(counted: ColumnElement[bool], same_line: ColumnElement[bool]) -> Select[Any]:
    """A variant with its product, and of a cart's lines the pieces of those that are `counted`, and how many there are."""
    held = (
        select(
            func.count().label("lines"),
            func.coalesce(func.sum(CartLine.quantity).filter(counted), 0).label("pieces"),
            func.count().filter(same_line).label("same"),
        )
        .where(CartLine.cart_id == bindparam("cart"))
        .subquery()
    )
    return (
        select(Variant, Product, held.c.pieces, held.c.lines, held.c.same)
        .join(Product, Product.id == Variant.product_id)
        .join(held, true())
        .where(Variant.id == bindparam("variant"))
    )


# Built once: building them takes longer than running them.
OFFER_TO_ADD = _offer_beside(CartLine.variant_id == bindparam("variant"), CartLine.source_key == bindparam("key"))
OFFER_TO_CHANGE = _offer_beside(
    and_(CartLine.variant_id == bindparam("variant"), CartLine.id != bindparam("line")),
    CartLine.id == bindparam("line"),
)


def offer(session: Session, asked: Select[Any], moment: datetime, **of: int | str) -> Offered:
    """What is on offer: `asked` is `OFFER_TO_ADD` or `OFFER_TO_CHANGE`, `of` what it asks for. One statement. Raises NotFound if it is not on sale."""
    row = session.execute(asked, of).one_or_none()
    if row is None or not can_be_bought(row[1], row[0], moment):
        raise NotFound("product")
    variant, product, pieces, lines, same = row
    title = full_title(product.title, variant.title)
    return Offered(variant.price_minor, variant.available, title, int(pieces), int(lines), bool(same))
