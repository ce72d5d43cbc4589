"""What readers see of the catalogue, as frozen values, read in as few statements as can be.

Titles, texts, options and pictures change rarely, so a process keeps them (`Showcase`) until the catalogue's version says
otherwise. Stock changes with every order, so it is asked each time, in the same statement that asks for the version.
"""

import re
import threading
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session, aliased, selectinload

from shop.catalog.models import CatalogueClock, Product, ProductImage, ProductOption, Variant
from shop.catalog.window import on_sale
from shop.db import LARGEST_ID, now
from shop.money import Money

KEPT_PRODUCTS = 2048
_CURSOR = re.compile(r"(-?[0-9]{1,10})\.([0-9]{1,10})")


@dataclass(frozen=True, slots=True)
class PictureView:
    """A picture: `key` names its files, `value_id` the option value (a colour) it shows, if it shows one."""

    key: str
    alt: str
    width: int
    height: int
    value_id: int | None


@dataclass(frozen=True, slots=True)
class ValueView:
    """One choice of an option."""

    id: int
    value: str


@dataclass(frozen=True, slots=True)
class OptionView:
    """An option with its choices in order."""

    id: int
    name: str
    values: tuple[ValueView, ...]


@dataclass(frozen=True, slots=True)
class VariantView:
    """A variant; `available` is the number of pieces that can be promised now, `choice_ids` its option values' ids."""

    id: int
    sku: str
    title: str
    price_minor: int
    choice_ids: tuple[int, ...]
    available: int


@dataclass(frozen=True, slots=True)
class ProductView:
    """A product as readers see it now. `version` identifies everything but the stock, `successor` is the slug of what is
    offered in its place once it is not sold any more (empty without one).
    """

    id: int
    slug: str
    title: str
    tagline: str
    description_html: str
    currency: str
    options: tuple[OptionView, ...]
    variants: tuple[VariantView, ...]
    pictures: tuple[PictureView, ...]
    version: int
    publish_at: datetime | None
    unpublish_at: datetime | None
    status: str
    successor: str = ""

    @property
    def price_from(self) -> Money:
        """The lowest price among its variants."""
        return Money(min((variant.price_minor for variant in self.variants), default=0), self.currency)

    @property
    def has_one_price(self) -> bool:
        return len({variant.price_minor for variant in self.variants}) <= 1

    @property
    def sold_out(self) -> bool:
        return all(variant.available <= 0 for variant in self.variants)

    @property
    def stock_key(self) -> tuple[bool, ...]:
        """Which variants can be bought; together with `version` the key of anything rendered from this view."""
        return tuple(variant.available > 0 for variant in self.variants)

    def variant(self, variant_id: int) -> VariantView | None:
        return next((variant for variant in self.variants if variant.id == variant_id), None)

    def variant_of(self, value_ids: frozenset[int]) -> VariantView | None:
        """The variant with exactly these option values."""
        return next((variant for variant in self.variants if frozenset(variant.choice_ids) == value_ids), None)


@dataclass(frozen=True, slots=True)
class Card:
    """A product as the list shows it."""

    id: int
    slug: str
    title: str
    tagline: str
    price_minor: int
    has_one_price: bool
    currency: str
    sold_out: bool
    picture: PictureView | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """One page of the list, and the cursor of the next one (None at the end)."""

    cards: tuple[Card, ...]
    next_cursor: str | None


# Read for every page and every card, so it names tables and columns: the mapping of classes would double its cost.
_CLOCK, _PRODUCTS, _VARIANTS = (model.__table__.c for model in (CatalogueClock, Product, Variant))
_PULSE = (
    select(_CLOCK.version, _VARIANTS.id, _VARIANTS.on_hand - _VARIANTS.reserved)
    .select_from(CatalogueClock.__table__)
    .outerjoin(Product.__table__, _PRODUCTS.slug == bindparam("slug"))
    .outerjoin(Variant.__table__, and_(_VARIANTS.product_id == _PRODUCTS.id, _VARIANTS.active))
)


_Stock = tuple[tuple[int | None, int | None], ...]


@dataclass(slots=True)
class _Kept:
    """A product as it was read, and as it was last shown: with which stock."""

    view: ProductView
    shown: tuple[_Stock, ProductView | None] | None = None

    def with_stock(self, stock: _Stock) -> ProductView | None:
        """The product with this stock (variant id, pieces); None if nothing of it is left to show."""
        shown = self.shown
        if shown is None or shown[0] != stock:
            available = dict(stock)
            variants = tuple(
                replace(v, available=pieces) for v in self.view.variants if (pieces := available.get(v.id)) is not None
            )
            shown = self.shown = (stock, replace(self.view, variants=variants) if variants else None)
        return shown[1]


class Showcase:
    """The products that this process has read, kept until the catalogue's version moves on. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def product(self, reader: Session | Connection, slug: str, moment: datetime | None = None) -> ProductView | None:
        """The product on sale under `slug` at `moment` (now), with its stock of this instant; None if there is none.

        One statement when the product is known here, five when it is not.
        """
        view = self.known(reader, slug)
        return view if view is not None and on_sale(view, moment or now()) else None

    def known(self, reader: Session | Connection, slug: str) -> ProductView | None:
        """As `product`, whether or not it is on sale now: what readers may be told of it is for whoever asks to decide."""
        rows = reader.execute(_PULSE, {"slug": slug}).all()
        kept = self._recall(reader, slug, rows[0][0] if rows else 0)
        return kept.with_stock(tuple((row[1], row[2]) for row in rows)) if kept is not None else None

    def _recall(self, reader: Session | Connection, slug: str, version: int) -> _Kept | None:
        with self._lock:
            if version != self._version:
                self._kept.clear()
                self._version = version
            elif slug in self._kept:
                self._kept.move_to_end(slug)
                return self._kept[slug]
        with nullcontext(reader) if isinstance(reader, Session) else Session(reader) as session:
            view = _read(session, slug, version)
        if view is None:
            # A slug that does not exist is not kept: strangers could fill the memory with invented ones.
            return None
        kept = _Kept(view)
        with self._lock:
            if version == self._version:
                self._kept[slug] = kept
                while len(self._kept) > KEPT_PRODUCTS:
                    self._kept.popitem(last=False)
        return kept


def _read(session: Session, slug: str, version: int) -> ProductView | None:
    successor = aliased(Product)
    found = session.execute(
        select(Product, successor.slug)
        .outerjoin(successor, successor.id == Product.successor_id)
        .where(Product.slug == slug)
        .options(
            selectinload(Product.options).selectinload(ProductOption.values),
            selectinload(Product.variants.and_(Variant.active)).selectinload(Variant.choices),
            selectinload(Product.images),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        return None
    product, successor_slug = found
    return ProductView(
        id=product.id,
        slug=product.slug,
        title=product.title,
        tagline=product.tagline,
        description_html=product.description_html,
        currency=product.currency,
        options=tuple(
            OptionView(o.id, o.name, tuple(ValueView(v.id, v.value) for v in o.values)) for o in product.options
        ),
        variants=tuple(
            VariantView(v.id, v.sku, v.title, v.price_minor, tuple(sorted(c.value_id for c in v.choices)), v.available)
            for v in product.variants
        ),
        pictures=tuple(PictureView(i.key, i.alt, i.width, i.height, i.value_id) for i in product.images),
        version=version,
        publish_at=product.publish_at,
        unpublish_at=product.unpublish_at,
        status=product.status,
        successor=successor_slug or "",
    )


_IMAGES = ProductImage.__table__.c
_FIRST_PICTURE = (
    select(_IMAGES.id)
    .where(_IMAGES.product_id == _PRODUCTS.id)
    .order_by(_IMAGES.position, _IMAGES.id)
    .limit(1)
    .correlate(Product.__table__)
    .scalar_subquery()
)
_OFFERS = (
    select(
        _VARIANTS.product_id,
        func.min(_VARIANTS.price_minor).label("lowest"),
        func.max(_VARIANTS.price_minor).label("highest"),
        func.max(_VARIANTS.on_hand - _VARIANTS.reserved).label("best_stock"),
    )
    .where(_VARIANTS.active)
    .group_by(_VARIANTS.product_id)
    .subquery()
)
# Whether a product is on sale at "moment": `shop.catalog.window` in SQL.
ON_SALE = and_(
    _PRODUCTS.status == "active",
    or_(_PRODUCTS.publish_at.is_(None), _PRODUCTS.publish_at <= bindparam("moment")),
    or_(_PRODUCTS.unpublish_at.is_(None), _PRODUCTS.unpublish_at > bindparam("moment")),
)
_SHELF = (
    select(
        *(_PRODUCTS[name] for name in ("id", "slug", "title", "tagline", "currency", "position")),
        *(_OFFERS.c[name] for name in ("lowest", "highest", "best_stock")),
        *(_IMAGES[name] for name in ("key", "alt", "width", "height", "value_id")),
    )
    .select_from(Product.__table__)
    .join(_OFFERS, _OFFERS.c.product_id == _PRODUCTS.id)
    .outerjoin(ProductImage.__table__, _IMAGES.id == _FIRST_PICTURE)
    .where(ON_SALE)
    .order_by(_PRODUCTS.position, _PRODUCTS.id)
    .limit(bindparam("most"))
)
_SHELF_BEYOND = _SHELF.where(
    or_(
        _PRODUCTS.position > bindparam("position"),
        and_(_PRODUCTS.position == bindparam("position"), _PRODUCTS.id > bindparam("last")),
    )
)


def shelf(
    reader: Session | Connection, after: str | None = None, limit: int = 12, moment: datetime | None = None
) -> Shelf:
    """One page of what is on sale at `moment` (now), in the staff's order, after the cursor. One statement.

    The cursor is "position.id" of the last product shown; one that is not of that form begins at the start.
    """
    cursor = _cursor(after)
    asked = {"moment": moment or now(), "most": limit + 1}
    if cursor is None:
        rows = reader.execute(_SHELF, asked).all()
    else:
        rows = reader.execute(_SHELF_BEYOND, asked | {"position": cursor[0], "last": cursor[1]}).all()
    cards = tuple(
        Card(
            id=row.id,
            slug=row.slug,
            title=row.title,
            tagline=row.tagline,
            price_minor=row.lowest,
            has_one_price=row.lowest == row.highest,
            currency=row.currency,
            sold_out=row.best_stock <= 0,
            picture=PictureView(row.key, row.alt, row.width, row.height, row.value_id) if row.key else None,
        )
        for row in rows[:limit]
    )
    last = rows[limit - 1] if len(rows) > limit else None
    return Shelf(cards, f"{last.position}.{last.id}" if last is not None else None)


def _cursor(text: str | None) -> tuple[int, int] | None:
    found = _CURSOR.fullmatch(text or "")
    if found is None or max(abs(int(number)) for number in found.groups()) > LARGEST_ID:
        return None
    return int(found[1]), int(found[2])
