"""Loads the demo's catalogue into a database: with `seed_stories`, what of the demo knows the shop's rooms.

Prices are the numbers of `catalogue` in the shop's own currency: a demo in yen sells the shirt for 3,900 yen.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Final

import resvg_py
from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.catalog import stock
from shop.catalog.models import OptionValue, Product, ProductImage, ProductOption, Variant, VariantChoice
from shop.catalog.pictures import WIDTHS, StoredPicture, store_picture
from shop.catalog.text import render_markdown
from shop.config import Settings
from shop.db import Database, insert_once, now
from shop.demo.catalogue import DEMO_PRODUCTS, DemoProduct
from shop.fulfilment.models import ShippingRate, ShippingZone, ZoneCountry
from shop.stopping import follow_parent, out_of_earshot

PICTURE_WIDTH: Final = max(WIDTHS)  # more than the largest size that is served would be drawn for nothing
ACTOR: Final = "demo"

# Rates: name, price in minor units, business days at least and at most, goods from which it is free.
ZONES: Final = (
    ("Singapore", ("SG",), (("Standard post", 300, 2, 4, 60_00), ("Courier, next day", 900, 1, 1, None))),
    (
        "Nearby Asia",
        tuple("BN HK ID IN JP KH KR MM MO MY PH TH TW VN".split()),  # noqa: SIM905
        (("Airmail", 12_00, 5, 9, 150_00), ("Express courier", 28_00, 2, 4, None)),
    ),
    (
        "Rest of the world",
        tuple("AT AU BE CA CH DE DK ES FI FR GB IE IT NL NO NZ PL PT SE US".split()),  # noqa: SIM905
        (("International airmail", 18_00, 7, 14, 200_00), ("International courier", 45_00, 3, 6, None)),
    ),
)


@dataclass(frozen=True, slots=True)
class Seeded:
    """How many products and shipping zones were added; what was there before is not counted."""

    products: int
    zones: int


def seed(database: Database, settings: Settings) -> Seeded:
    """Add what is missing of the demo's products and shipping zones. What is there stays as staff have made it.

    Owns one transaction for each product, after its pictures have been written, and one for the zones. Doing it twice, or
    twice at once, is the same as doing it once.
    """
    with database.reading() as session:
        known = set(session.scalars(select(Product.slug)))
    missing = [product for product in DEMO_PRODUCTS if product.slug not in known]
    with _drawings(settings.media_folder, missing) as drawings:
        with database.transaction() as session:
            zones = sum(_add_zone(session, settings, position) for position in range(len(ZONES)))
        products = 0
        for product in missing:
            pictures = list(drawings[product.slug])
            with database.transaction() as session:
                products += _add_product(session, settings, product, pictures)
    return Seeded(products, zones)


@contextmanager
def _drawings(folder: Path, products: Iterable[DemoProduct]) -> Iterator[Mapping[str, Iterable[StoredPicture]]]:
    """The stored pictures of each product, by slug: drawn by two processes while the caller does other things."""
    products = list(products)
    if not products:
        yield {}
        return
    # Spawned, not forked: the caller may hold database connections.
    pool = ProcessPoolExecutor(max_workers=2, mp_context=get_context("spawn"), initializer=follow_parent)
    try:
        with out_of_earshot():
            drawings = {
                product.slug: pool.map(draw, [folder] * len(product.images), [image.path for image in product.images])
                for product in products
            }
        yield drawings
    except BaseException:
        for drawer in active_children():  # whoever presses Ctrl-C does not wait for a picture
            drawer.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def draw(folder: Path, drawing: Path) -> StoredPicture:
    """Rasterise an SVG file and store it with all its sizes in `folder`."""
    png = resvg_py.svg_to_bytes(svg_path=str(drawing), width=PICTURE_WIDTH, skip_system_fonts=True)
    return store_picture(folder, bytes(png))


def _add_product(session: Session, settings: Settings, demo: DemoProduct, pictures: list[StoredPicture]) -> bool:
    moment = now()
    fields = {
        "slug": demo.slug,
        "title": demo.title,
        "tagline": demo.tagline,
        "description": demo.description,
        "description_html": render_markdown(demo.description),
        "currency": settings.shop_currency,
        "status": demo.status,
        "publish_at": None if demo.publish_in_days is None else moment + timedelta(days=demo.publish_in_days),
        "position": DEMO_PRODUCTS.index(demo) * 10,
    }
    if not insert_once(session, Product, fields):
        return False
    product_id = session.scalars(select(Product.id).where(Product.slug == demo.slug)).one()
    values = _add_options(session, product_id, demo)
    for position, variant in enumerate(demo.variants):
        chosen = [values[option.name, value] for option, value in zip(demo.options, variant.values, strict=True)]
        row = Variant(
            product_id=product_id,
            sku=variant.sku,
            title=" / ".join(variant.values),
            choice_key="-".join(str(value.id) for value in chosen),
            price_minor=variant.price,
            weight_grams=variant.weight_grams,
            position=position,
        )
        session.add(row)
        session.flush()
        session.add_all(
            VariantChoice(variant_id=row.id, option_id=value.option_id, value_id=value.id) for value in chosen
        )
        if variant.on_hand:
            stock.adjust(session, row.id, variant.on_hand, "opening stock", ACTOR, kind="receive")
    for position, (image, picture) in enumerate(zip(demo.images, pictures, strict=True)):
        session.add(
            ProductImage(
                product_id=product_id,
                value_id=values[image.shows].id if image.shows else None,
                key=picture.key,
                alt=image.alt,
                width=picture.width,
                height=picture.height,
                position=position,
            )
        )
    stock.touch_catalogue(session)
    return True


def _add_options(session: Session, product_id: int, demo: DemoProduct) -> dict[tuple[str, str], OptionValue]:
    values: dict[tuple[str, str], OptionValue] = {}
    for position, option in enumerate(demo.options):
        row = ProductOption(product_id=product_id, name=option.name, position=position)
        session.add(row)
        session.flush()
        for place, value in enumerate(option.values):
            values[option.name, value] = OptionValue(option_id=row.id, value=value, position=place)
            session.add(values[option.name, value])
    session.flush()
    return values


def _add_zone(session: Session, settings: Settings, position: int) -> bool:
    name, countries, rates = ZONES[position]
    if not insert_once(session, ShippingZone, {"name": name, "position": position}):
        return False
    zone_id = session.scalars(select(ShippingZone.id).where(ShippingZone.name == name)).one()
    for country in countries:
        insert_once(session, ZoneCountry, {"country": country, "zone_id": zone_id})
    session.add_all(
        ShippingRate(
            zone_id=zone_id,
            name=rate,
            amount_minor=amount,
            currency=settings.shop_currency,
            min_days=min_days,
            max_days=max_days,
            free_from_minor=free_from,
            position=place,
        )
        for place, (rate, amount, min_days, max_days, free_from) in enumerate(rates)
    )
    session.flush()
    return True
