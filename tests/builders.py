"""Builders: each makes one thing that is right in every way that the test does not care about."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from shop.cart import adding, handles
from shop.catalog import stock
from shop.catalog.models import OptionValue, Product, ProductImage, ProductOption, Variant, VariantChoice
from shop.fulfilment.models import ShippingRate, ShippingZone, ZoneCountry

_serial = itertools.count(1)


def a_product(
    session: Session,
    slug: str | None = None,
    *,
    title: str = "Shirt",
    options: Mapping[str, Sequence[str]] | None = None,
    stock: int = 3,
    price: int = 3900,
    status: str = "active",
    currency: str = "sgd",
    with_image: bool = False,
    **fields: Any,
) -> Product:
    """A product on sale with one variant for each combination of `options` (one variant without any)."""
    serial = next(_serial)
    product = Product(
        slug=slug or f"shirt-{serial}",
        title=title,
        status=status,
        currency=currency,
        description="Made **well**.",
        description_html="<p>Made <strong>well</strong>.</p>",
        position=serial,
        **fields,
    )
    session.add(product)
    session.flush()
    axes: list[list[OptionValue]] = []
    for position, (name, values) in enumerate((options or {}).items()):
        option = ProductOption(product_id=product.id, name=name, position=position)
        session.add(option)
        session.flush()
        made = [OptionValue(option_id=option.id, value=value, position=i) for i, value in enumerate(values)]
        session.add_all(made)
        session.flush()
        axes.append(made)
    for position, combination in enumerate(itertools.product(*axes)):
        variant = Variant(
            product_id=product.id,
            sku=f"SKU-{serial}-{position}",
            title=" / ".join(value.value for value in combination),
            choice_key="-".join(str(value.id) for value in combination),
            price_minor=price,
            weight_grams=200,
            position=position,
        )
        session.add(variant)
        session.flush()
        session.add_all(
            VariantChoice(variant_id=variant.id, option_id=value.option_id, value_id=value.id) for value in combination
        )
        receive(session, variant, stock)
    if with_image:
        session.add(ProductImage(product_id=product.id, key="0" * 32, alt="A shirt", width=1600, height=1600))
    session.flush()
    _touch(session)
    return product


def _touch(session: Session) -> None:
    stock.touch_catalogue(session)


def receive(session: Session, variant: Variant, pieces: int) -> None:
    """Put pieces on the shelf, through the ledger."""
    if pieces:
        stock.adjust(session, variant.id, pieces, "opening stock", "tests", kind="receive")
        session.refresh(variant)


def variants_of(session: Session, product: Product) -> list[Variant]:
    """The product's variants in their order."""
    return list(session.query(Variant).filter_by(product_id=product.id).order_by(Variant.position))


def a_variant(session: Session, *, stock: int = 3, price: int = 3900, title: str = "Shirt", **fields: Any) -> Variant:
    """The only variant of a new product on sale."""
    return variants_of(session, a_product(session, title=title, stock=stock, price=price, **fields))[0]


def shipping_to(
    session: Session, *countries: str, amount: int = 500, currency: str = "sgd", name: str = "Standard"
) -> None:
    """One rate to these countries (Singapore if none is named)."""
    zone = ShippingZone(name=f"Zone {next(_serial)}")
    session.add(zone)
    session.flush()
    session.add_all(ZoneCountry(country=country, zone_id=zone.id) for country in countries or ("SG",))
    session.add(
        ShippingRate(zone_id=zone.id, name=name, amount_minor=amount, currency=currency, min_days=2, max_days=4)
    )
    session.flush()


def a_cart(session: Session, *wanted: tuple[Variant, int]) -> tuple[int, str]:
    """A cart with these variants and quantities; its id and its handle."""
    handle = handles.new_handle()
    cart_id = handles.open_cart(session, handle)
    for variant, quantity in wanted:
        adding.add_to_cart(session, cart_id, variant.id, quantity, limit=999)
    return cart_id, handle
