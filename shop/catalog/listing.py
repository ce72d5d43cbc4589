"""Everything that is on sale, for lists that name it all: a batch at a time, so that no catalogue is too large for them.

Nothing is kept and no transaction outlives a batch: whoever reads slowly holds nobody up. A product that is published while
the list is being read may be in it or not.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, bindparam, exists, func, select

from shop.catalog.models import OptionValue, Product, ProductImage, ProductOption, Variant, VariantChoice
from shop.catalog.showcase import ON_SALE, PictureView
from shop.db import LARGEST_ID, now

BATCH = 500
# Products are listed in files by their ids: a file's address stays, and holds the same products, whatever else is added.
IDS_A_FILE = 10_000


@dataclass(frozen=True, slots=True)
class ListedVariant:
    """A variant; `options` are the names and values of its choices, in the product's order; `value_ids` name the values."""

    id: int
    sku: str
    title: str
    price_minor: int
    available: int
    options: tuple[tuple[str, str], ...]
    value_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Listed:
    """A product on sale. `updated_at` is when staff last changed it, in UTC."""

    id: int
    slug: str
    title: str
    tagline: str
    description_html: str
    currency: str
    updated_at: datetime
    pictures: tuple[PictureView, ...]
    variants: tuple[ListedVariant, ...] = ()


# Built once, and of columns: a long list is made of many batches.
_P, _V, _C, _O, _W, _I = (
    model.__table__.c for model in (Product, Variant, VariantChoice, ProductOption, OptionValue, ProductImage)
)
_PRODUCTS = (
    select(*(_P[name] for name in ("id", "slug", "title", "tagline", "description_html", "currency", "updated_at")))
    .where(
        ON_SALE,
        _P.id > bindparam("first"),
        _P.id <= bindparam("last"),
        exists().where(_V.product_id == _P.id, _V.active),
    )
    .order_by(_P.id)
    .limit(bindparam("most"))
)
_VARIANTS = (
    select(_V.product_id, _V.id, _V.sku, _V.title, _V.price_minor, (_V.on_hand - _V.reserved).label("available"))
    .where(_V.product_id.in_(bindparam("ids", expanding=True)), _V.active)
    .order_by(_V.product_id, _V.position, _V.id)
)
_CHOICES = (
    select(_C.variant_id, _O.name, _W.value, _W.id.label("value_id"))
    .join(ProductOption.__table__, _O.id == _C.option_id)
    .join(OptionValue.__table__, _W.id == _C.value_id)
    .where(_O.product_id.in_(bindparam("ids", expanding=True)))
    .order_by(_C.variant_id, _O.position, _O.id)
)
_PICTURES = (
    select(*(_I[name] for name in ("product_id", "key", "alt", "width", "height", "value_id")))
    .where(_I.product_id.in_(bindparam("ids", expanding=True)))
    .order_by(_I.product_id, _I.position, _I.id)
)
_FILES = (
    select((_P.id // bindparam("size")).label("file"), func.max(_P.updated_at))
    .where(ON_SALE)
    .group_by("file")
    .order_by("file")
)


def each_on_sale(engine: Engine, moment: datetime | None = None) -> Iterator[Listed]:
    """Everything on sale at `moment` (now), with its variants, by id. Four statements for each BATCH of products."""
    yield from _each(engine, 0, LARGEST_ID, moment or now(), with_variants=True)


def each_in_file(engine: Engine, number: int, moment: datetime | None = None) -> Iterator[Listed]:
    """What is on sale of the products of file `number` (see `files_on_sale`), without variants. Two statements a batch."""
    first = number * IDS_A_FILE - 1
    yield from _each(engine, first, first + IDS_A_FILE, moment or now(), with_variants=False)


def files_on_sale(connection: Connection, moment: datetime | None = None) -> list[tuple[int, datetime]]:
    """The numbers of the files that have something on sale in them, and when the last of it was changed. One statement."""
    asked = {"moment": moment or now(), "size": IDS_A_FILE}
    return [(row[0], row[1]) for row in connection.execute(_FILES, asked)]


def _each(engine: Engine, first: int, last: int, moment: datetime, *, with_variants: bool) -> Iterator[Listed]:
    while True:
        with engine.connect() as connection:
            batch = _batch(connection, first, last, moment, with_variants=with_variants)
        yield from batch
        if len(batch) < BATCH:
            return
        first = batch[-1].id


def _batch(connection: Connection, first: int, last: int, moment: datetime, *, with_variants: bool) -> list[Listed]:
    asked = {"moment": moment, "first": first, "last": last, "most": BATCH}
    products = connection.execute(_PRODUCTS, asked).all()
    if not products:
        return []
    ids = {"ids": [product.id for product in products]}
    pictures: defaultdict[int, list[PictureView]] = defaultdict(list)
    for product_id, *rest in connection.execute(_PICTURES, ids):
        pictures[product_id].append(PictureView(*rest))
    variants = _variants(connection, ids) if with_variants else {}
    return [
        Listed(
            id=product.id,
            slug=product.slug,
            title=product.title,
            tagline=product.tagline,
            description_html=product.description_html,
            currency=product.currency,
            updated_at=product.updated_at,
            pictures=tuple(pictures.get(product.id, ())),
            variants=tuple(variants.get(product.id, ())),
        )
        for product in products
    ]


def _variants(connection: Connection, ids: dict[str, list[int]]) -> dict[int, list[ListedVariant]]:
    chosen: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    values: defaultdict[int, set[int]] = defaultdict(set)
    for variant_id, name, value, value_id in connection.execute(_CHOICES, ids):
        chosen[variant_id].append((name, value))
        values[variant_id].add(value_id)
    found: defaultdict[int, list[ListedVariant]] = defaultdict(list)
    for row in connection.execute(_VARIANTS, ids):
        options, value_ids = tuple(chosen.get(row.id, ())), frozenset(values.get(row.id, ()))
        found[row.product_id].append(
            ListedVariant(row.id, row.sku, row.title, row.price_minor, row.available, options, value_ids)
        )
    return found
