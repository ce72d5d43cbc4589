"""What a cart holds and costs at this moment."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from shop.cart.models import Cart, CartLine
from shop.cart.offered import can_be_bought
from shop.catalog.models import Product, ProductImage, Variant
from shop.catalog.stock import full_title
from shop.db import now
from shop.errors import NoLongerSold, OutOfStock
from shop.money import Money


@dataclass(frozen=True, slots=True)
class CartLineView:
    """A line as the cart shows it now. `problem` says what keeps it from being bought, in words for the reader."""

    id: int
    variant_id: int
    product_title: str
    variant_title: str
    slug: str
    sku: str
    unit_price: Money
    seen_price: Money
    quantity: int
    available: int
    on_sale: bool
    picture_key: str
    picture_alt: str
    weight_grams: int
    article_id: int | None
    article_title: str
    placement: str
    tie_in_id: int | None
    slot: str
    stopped: str = ""

    @property
    def title(self) -> str:
        return full_title(self.product_title, self.variant_title)

    @property
    def total(self) -> Money:
        return self.unit_price * self.quantity

    @property
    def price_changed(self) -> bool:
        return self.unit_price != self.seen_price

    @property
    def problem(self) -> str:
        if self.stopped:
            return str(NoLongerSold(self.title, self.stopped))
        if not self.on_sale:
            return f"{self.title} is no longer on sale."
        if self.quantity > self.available:
            return str(OutOfStock(self.variant_id, self.title, self.quantity, self.available))
        return ""


@dataclass(frozen=True, slots=True)
class CartView:
    """A cart with prices of this moment. `id` is None for a reader who has no cart yet."""

    id: int | None
    lines: tuple[CartLineView, ...]
    currency: str
    country: str | None = None

    @property
    def subtotal(self) -> Money:
        """Of the lines in the shop's currency; what was priced in another one is not on sale, and says so itself."""
        totals = (line.total for line in self.lines if line.unit_price.currency == self.currency)
        return sum(totals, Money(0, self.currency))

    @property
    def pieces(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def price_changed(self) -> bool:
        return any(line.price_changed for line in self.lines)

    @property
    def digest(self) -> str:
        """Names exactly what would be bought and for how much; two checkouts with one digest are the same checkout."""
        text = ";".join(
            f"{line.variant_id}x{line.quantity}@{line.unit_price.minor}~{line.article_id or 0}{line.stopped}"
            for line in self.lines
        )
        return hashlib.sha256(f"{self.currency}|{self.country}|{text}".encode()).hexdigest()


_FIRST_PICTURE = (
    select(ProductImage.id)
    .where(ProductImage.product_id == Product.id)
    .order_by(ProductImage.position, ProductImage.id)
    .limit(1)
    .correlate(Product)
    .scalar_subquery()
)
# Columns, not objects: nothing here is changed, and a session's bookkeeping costs more than the statement. Built once.
CART = (
    select(
        Cart.country,
        CartLine.id,
        CartLine.variant_id,
        Product.title,
        Variant.title.label("variant_title"),
        Product.slug,
        Variant.sku,
        Variant.price_minor,
        CartLine.seen_price_minor,
        CartLine.quantity,
        (Variant.on_hand - Variant.reserved).label("available"),
        Variant.active,
        Product.currency,
        Product.status,
        Product.publish_at,
        Product.unpublish_at,
        ProductImage.key,
        ProductImage.alt,
        Variant.weight_grams,
        CartLine.article_id,
        CartLine.article_title,
        CartLine.placement,
        CartLine.tie_in_id,
        CartLine.slot,
        CartLine.stopped,
    )
    .select_from(Cart)
    .outerjoin(CartLine, CartLine.cart_id == Cart.id)
    .outerjoin(Variant, Variant.id == CartLine.variant_id)
    .outerjoin(Product, Product.id == Variant.product_id)
    .outerjoin(ProductImage, ProductImage.id == _FIRST_PICTURE)
    .where(Cart.id == bindparam("cart"))
    .order_by(CartLine.id)
)


def view_cart(session: Session, cart_id: int | None, currency: str) -> CartView:
    """The cart with today's prices and stock. One statement."""
    if cart_id is None:
        return CartView(None, (), currency)
    return view_of(session.execute(CART, {"cart": cart_id}).all(), cart_id, currency)


def view_of(rows: Sequence[Any], cart_id: int, currency: str) -> CartView:
    """What the rows of `CART`, perhaps with more columns to their right, say of a cart."""
    moment = now()
    lines = tuple(_line(row, currency, moment) for row in rows if row.id is not None)
    return CartView(cart_id, lines, currency, rows[0].country if rows else None)


def _line(row: Any, currency: str, moment: datetime) -> CartLineView:
    return CartLineView(
        id=row.id,
        variant_id=row.variant_id,
        product_title=row.title,
        variant_title=row.variant_title,
        slug=row.slug,
        sku=row.sku,
        unit_price=Money(row.price_minor, row.currency),
        seen_price=Money(row.seen_price_minor, row.currency),
        quantity=row.quantity,
        available=max(row.available, 0),
        on_sale=can_be_bought(row, row, moment) and row.currency == currency,
        picture_key=row.key or "",
        picture_alt=row.alt or "",
        weight_grams=row.weight_grams,
        article_id=row.article_id,
        article_title=row.article_title,
        placement=row.placement,
        tie_in_id=row.tie_in_id,
        slot=row.slot,
        stopped=row.stopped,
    )
