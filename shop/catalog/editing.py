"""The verbs with which staff change the catalogue. Each takes a session and never commits.

Variants are in `variants`, options in `matrix`, pictures in `gallery`; all of them are offered here under one name. Stock
has its own verbs in `stock`. Every change that readers see moves the catalogue's clock, so that no process shows what was.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from shop.catalog.gallery import add_image, change_image, move_image, remove_image
from shop.catalog.matrix import set_options
from shop.catalog.models import OldSlug, Product, ProductImage, Variant
from shop.catalog.saving import hold, line, page_of_text, saved, unique
from shop.catalog.standing import MOST_STEPS
from shop.catalog.text import render_markdown
from shop.catalog.variants import (
    VariantFields,
    add_variant,
    edit_variant,
    edit_variants,
    live_variants,
    set_prices,
)
from shop.db import insert_once
from shop.errors import InvalidChange

__all__ = [
    "ProductFields",
    "VariantFields",
    "add_image",
    "add_variant",
    "archive",
    "change_image",
    "create_product",
    "edit_product",
    "edit_variant",
    "edit_variants",
    "live_variants",
    "move_image",
    "publish",
    "remove_image",
    "set_options",
    "set_prices",
    "slug_from",
    "to_draft",
]

SLUG_FORM = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SLUG_TAKEN = "Another product has this address already."


@dataclass(frozen=True, slots=True)
class ProductFields:
    """What staff write about a product. Times are UTC; `description` is Markdown; `currency` is fixed at creation.

    `position` orders the shop's list; None leaves it, and puts a new product last. `successor_id` is the product that is offered
    once this one is not sold any more.
    """

    slug: str
    title: str
    currency: str
    tagline: str = ""
    description: str = ""
    publish_at: datetime | None = None
    unpublish_at: datetime | None = None
    position: int | None = None
    successor_id: int | None = None


def create_product(session: Session, fields: ProductFields) -> Product:
    """Make a draft product without variants. Raises InvalidChange with the name of the field at fault."""
    last = session.scalar(select(func.max(Product.position)))
    product = Product(currency=fields.currency.lower(), position=0 if last is None else last + 1)
    _write(session, product, fields)
    saved(session, product)
    return product


def edit_product(session: Session, product_id: int, version: int, fields: ProductFields) -> Product:
    """Change a product that was read at `version`.

    Raises StaleEdit when somebody else changed it since, NotFound, and InvalidChange with the name of the field at fault.
    """
    product = hold(session, product_id, version)
    if fields.currency.lower() != product.currency:
        raise InvalidChange("currency", "The currency of a product cannot change; make a new product instead.")
    _write(session, product, fields)
    saved(session, product)
    return product


def _write(session: Session, product: Product, fields: ProductFields) -> None:
    title = line("title", fields.title, 140, "a title")
    slug = line("slug", fields.slug, 80, "an address, such as trump-kim-tee")
    if not SLUG_FORM.fullmatch(slug):
        raise InvalidChange("slug", "Use lower-case letters, digits and single hyphens, such as trump-kim-tee.")
    tagline = line("tagline", fields.tagline, 200, "a tagline", required=False)
    description = page_of_text("description", fields.description, 20_000)
    _check_successor(session, product, fields.successor_id)
    if fields.publish_at and fields.unpublish_at and fields.unpublish_at <= fields.publish_at:
        raise InvalidChange("unpublish_at", "The end comes after the beginning.")
    with session.no_autoflush:
        if session.scalar(select(Product.id).where(Product.slug == slug, Product.id != (product.id or 0))):
            raise InvalidChange("slug", SLUG_TAKEN)
    with unique(session, "slug", SLUG_TAKEN):
        _keep_address(session, product, slug)
        product.successor_id = fields.successor_id
        product.title, product.slug, product.tagline = title, slug, tagline
        product.description, product.description_html = description, render_markdown(description)
        product.publish_at, product.unpublish_at = fields.publish_at, fields.unpublish_at
        if fields.position is not None:
            product.position = fields.position
        session.add(product)


def _check_successor(session: Session, product: Product, successor_id: int | None) -> None:
    """Refuse what would lead nowhere: a product that is not there, itself, or one that leads back here."""
    step = successor_id
    for _ in range(MOST_STEPS):
        if step is None or step == product.successor_id:
            return
        if step == product.id:
            raise InvalidChange("successor_id", "This product would take its own place, in a circle.")
        found = session.execute(select(Product.successor_id).where(Product.id == step)).one_or_none()
        if found is None:
            raise InvalidChange("successor_id", "Choose a product of this shop.")
        step = found.successor_id


def _keep_address(session: Session, product: Product, slug: str) -> None:
    """Remember the address that a product gives up, and let it have back one of its own. Another's stays that other's until
    somebody takes it for a new product: then what was printed leads to what stands there now.
    """
    session.execute(delete(OldSlug).where(OldSlug.slug == slug).execution_options(synchronize_session=False))
    if product in session and product.slug != slug:
        insert_once(session, OldSlug, {"slug": product.slug, "product_id": product.id})


def publish(session: Session, product_id: int, version: int | None = None) -> Product:
    """Put a product on sale (from its publish time on, if it has one), as it was read at `version` if one is given.

    Raises InvalidChange("status", ...) when nothing of it can be bought or a picture does not say what it shows; StaleEdit,
    NotFound.
    """
    product = hold(session, product_id, version)
    on_sale = session.scalar(
        select(func.count()).select_from(Variant).where(Variant.product_id == product_id, Variant.active)
    )
    if not on_sale:
        raise InvalidChange("status", "Put at least one variant on sale before you publish.")
    silent = session.scalar(
        select(func.count())
        .select_from(ProductImage)
        .where(ProductImage.product_id == product_id, ProductImage.alt == "")
    )
    if silent:
        which = "one picture" if silent == 1 else f"{silent} pictures"
        raise InvalidChange("status", f"Say what {which} shows before you publish, for readers who cannot see it.")
    product.status = "active"
    saved(session, product)
    return product


def archive(session: Session, product_id: int, version: int | None = None) -> Product:
    """Take a product off sale for good; orders keep their lines. Raises StaleEdit, NotFound."""
    return _take_down(session, product_id, "archived", version)


def to_draft(session: Session, product_id: int, version: int | None = None) -> Product:
    """Take a product off sale to work on it. Raises StaleEdit, NotFound."""
    return _take_down(session, product_id, "draft", version)


def _take_down(session: Session, product_id: int, status: str, version: int | None) -> Product:
    product = hold(session, product_id, version)
    product.status = status
    saved(session, product)
    return product


def slug_from(title: str) -> str:
    """An address made of a title: "Trump-Kim summit T-shirt" becomes "trump-kim-summit-t-shirt". May be empty."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", title.lower()) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
