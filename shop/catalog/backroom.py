"""What staff see of the catalogue: drafts and archived products too, counts, the ledger, and what is running out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, selectinload

from shop.catalog.models import OptionValue, Product, ProductImage, ProductOption, StockMovement, Variant
from shop.catalog.stock import full_title
from shop.catalog.variants import RETIRED
from shop.catalog.window import shown_as
from shop.db import cursor_id, now
from shop.errors import NotFound
from shop.money import Money, decimal_text

LOW_STOCK = 3


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A product in the staff's list. Pieces count the variants on sale; prices are the lowest and highest of those."""

    id: int
    slug: str
    title: str
    status: str
    publish_at: datetime | None
    unpublish_at: datetime | None
    lowest: Money | None
    highest: Money | None
    variants: int
    available: int
    sold_out: int
    picture_key: str
    picture_width: int

    @property
    def shown(self) -> str:
        """What readers see of it now, see `shown_as`."""
        return shown_as(self, now())


@dataclass(frozen=True, slots=True)
class ProductPage:
    """One page of the list, in the shop's order, and the cursor of the next."""

    rows: tuple[ProductRow, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ThinVariant:
    """A variant on sale of which few or no pieces can still be promised."""

    id: int
    title: str
    sku: str
    available: int


@dataclass(frozen=True, slots=True)
class ThinStock:
    """Variants that run out, the emptiest first, and how many there are in all."""

    rows: tuple[ThinVariant, ...]
    sold_out: int
    low: int


@dataclass(frozen=True, slots=True)
class MovementView:
    """A line of the ledger; `on_hand` is the count after it."""

    at: datetime
    pieces: int
    kind: str
    reason: str
    reference: str
    actor: str
    on_hand: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """A variant's stock and how it came about, newest first. `next_cursor` leads to what was before."""

    variant_id: int
    product_id: int
    product_title: str
    title: str
    sku: str
    on_hand: int
    reserved: int
    movements: tuple[MovementView, ...]
    next_cursor: str | None

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    @property
    def full_title(self) -> str:
        return full_title(self.product_title, self.title)


def list_products(
    session: Session, search: str = "", status: str | None = None, after: str | None = None, limit: int = 25
) -> ProductPage:
    """One page of products whose title, address or a SKU contains `search`. Three statements, however many rows."""
    query = select(Product).order_by(Product.position, Product.id).limit(limit + 1)
    if status:
        query = query.where(Product.status == status)
    if search:
        query = query.where(
            or_(
                Product.title.icontains(search, autoescape=True),
                Product.slug.icontains(search, autoescape=True),
                exists().where(Variant.product_id == Product.id, Variant.sku.icontains(search, autoescape=True)),
            )
        )
    position, product_id = (cursor_id(part) for part in (after or "").partition(".")[::2])
    if position is not None and product_id is not None:
        beyond = and_(Product.position == position, Product.id > product_id)
        query = query.where(or_(Product.position > position, beyond))
    found = session.scalars(query).all()
    products = found[:limit]
    ids = [product.id for product in products]
    offers = {
        row.product_id: row
        for row in session.execute(
            select(
                Variant.product_id,
                func.min(Variant.price_minor).label("lowest"),
                func.max(Variant.price_minor).label("highest"),
                func.count().label("variants"),
                func.sum(Variant.on_hand - Variant.reserved).label("available"),
                func.sum(case((Variant.on_hand <= Variant.reserved, 1), else_=0)).label("sold_out"),
            )
            .where(Variant.product_id.in_(ids), Variant.active)
            .group_by(Variant.product_id)
        )
    }
    pictures: dict[int, tuple[str, int]] = {}
    for owner, key, width in session.execute(
        select(ProductImage.product_id, ProductImage.key, ProductImage.width)
        .where(ProductImage.product_id.in_(ids))
        .order_by(ProductImage.position, ProductImage.id)
    ):
        pictures.setdefault(owner, (key, width))
    rows = tuple(
        ProductRow(
            id=product.id,
            slug=product.slug,
            title=product.title,
            status=product.status,
            publish_at=product.publish_at,
            unpublish_at=product.unpublish_at,
            lowest=Money(offer.lowest, product.currency) if offer else None,
            highest=Money(offer.highest, product.currency) if offer else None,
            variants=offer.variants if offer else 0,
            available=offer.available if offer else 0,
            sold_out=offer.sold_out if offer else 0,
            picture_key=pictures.get(product.id, ("", 0))[0],
            picture_width=pictures.get(product.id, ("", 0))[1],
        )
        for product in products
        for offer in [offers.get(product.id)]
    )
    last = products[-1] if len(found) > limit else None
    return ProductPage(rows, f"{last.position}.{last.id}" if last is not None else None)


def count_products(session: Session) -> dict[str, int]:
    """How many products have each status. One statement."""
    rows = session.execute(select(Product.status, func.count()).group_by(Product.status)).all()
    return {row[0]: row[1] for row in rows}


def product_for_editing(session: Session, product_id: int) -> Product:
    """A product with options, values, variants (the retired ones too) and pictures. Five statements. Raises NotFound."""
    product = session.scalars(
        select(Product)
        .where(Product.id == product_id)
        .options(
            selectinload(Product.options).selectinload(ProductOption.values),
            selectinload(Product.variants),
            selectinload(Product.images),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()
    if product is None:
        raise NotFound("product")
    return product


def slug_of(session: Session, product_id: int | None) -> str:
    """The address of a product; empty for none."""
    return session.scalar(select(Product.slug).where(Product.id == product_id)) or "" if product_id is not None else ""


def id_of(session: Session, slug: str) -> int | None:
    """The product with this address now; None if there is none."""
    return session.scalar(select(Product.id).where(Product.slug == slug))


def is_retired(variant: Variant) -> bool:
    """Whether the variant's combination is no longer among the product's options."""
    return variant.choice_key.startswith(RETIRED)


def portrait(session: Session, product_id: int) -> Mapping[str, Any]:
    """A product with its variants and pictures as flat JSON values, for telling what a change changed."""
    product = product_for_editing(session, product_id)
    seen: dict[str, Any] = {
        name: getattr(product, name) for name in ("title", "slug", "tagline", "description", "status", "position")
    }
    seen["successor"] = slug_of(session, product.successor_id) or None
    for name in ("publish_at", "unpublish_at"):
        moment = getattr(product, name)
        seen[name] = moment.isoformat(timespec="minutes") if moment else None
    for option in product.options:
        seen[f"option {option.name}"] = ", ".join(value.value for value in option.values)
    for variant in product.variants:
        name = f"variant {variant.title or variant.id}"
        seen[f"{name}: SKU"] = variant.sku
        seen[f"{name}: price"] = decimal_text(variant.price_minor, product.currency)
        seen[f"{name}: grams"] = variant.weight_grams
        seen[f"{name}: on sale"] = variant.active
    values = {value.id: value.value for option in product.options for value in option.values}
    for place, image in enumerate(product.images, start=1):
        seen[f"picture {image.id}"] = f"{place}. {image.alt or 'without words'}" + (
            f" ({values[image.value_id]})" if image.value_id in values else ""
        )
    return seen


def option_values(product: Product) -> list[tuple[int, str]]:
    """The choices of a loaded product with their ids, as "Colour: Black"."""
    values: list[OptionValue]
    listed: list[tuple[int, str]] = []
    for option in product.options:
        values = option.values
        listed += [(value.id, f"{option.name}: {value.value}") for value in values]
    return listed


def thin_stock(session: Session, threshold: int = LOW_STOCK, limit: int = 12) -> ThinStock:
    """What is on sale and running out: at most `threshold` pieces left to promise. One statement."""
    available = Variant.on_hand - Variant.reserved
    rows = session.execute(
        select(
            Variant.id,
            Product.title,
            Variant.title.label("variant"),
            Variant.sku,
            available.label("available"),
            func.count().over().label("thin"),
            func.sum(case((available <= 0, 1), else_=0)).over().label("sold_out"),
        )
        .join(Product, Product.id == Variant.product_id)
        .where(Product.status == "active", Variant.active, available <= threshold)
        .order_by(available, Product.position, Variant.position, Variant.id)
        .limit(limit)
    ).all()
    thin, sold_out = (rows[0].thin, rows[0].sold_out) if rows else (0, 0)
    return ThinStock(
        tuple(ThinVariant(row.id, full_title(row.title, row.variant), row.sku, row.available) for row in rows),
        sold_out=sold_out,
        low=thin - sold_out,
    )


def ledger(session: Session, variant_id: int, before: str | None = None, limit: int = 50) -> Ledger:
    """The newest movements of a variant, or those before the cursor. Three statements at most. Raises NotFound."""
    found = session.execute(
        select(Variant, Product.title).join(Product, Product.id == Variant.product_id).where(Variant.id == variant_id)
    ).one_or_none()
    if found is None:
        raise NotFound("variant")
    variant, product_title = found
    query = select(StockMovement).where(StockMovement.variant_id == variant_id)
    count_after = variant.on_hand
    if (newer := cursor_id(before)) is not None:
        query = query.where(StockMovement.id < newer)
        count_after = (
            session.scalar(
                select(func.sum(StockMovement.pieces)).where(
                    StockMovement.variant_id == variant_id, StockMovement.id < newer
                )
            )
            or 0
        )
    rows = session.scalars(query.order_by(StockMovement.id.desc()).limit(limit + 1)).all()
    movements: list[MovementView] = []
    for row in rows[:limit]:
        movements.append(
            MovementView(row.at, row.pieces, row.kind, row.reason, row.reference or "", row.actor, count_after)
        )
        count_after -= row.pieces
    return Ledger(
        variant_id=variant.id,
        product_id=variant.product_id,
        product_title=product_title,
        title=variant.title,
        sku=variant.sku,
        on_hand=variant.on_hand,
        reserved=variant.reserved,
        movements=tuple(movements),
        next_cursor=str(rows[limit - 1].id) if len(rows) > limit else None,
    )
