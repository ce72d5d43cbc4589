"""What every change of the catalogue shares: holding the product, plain text that both databases take, and unique names."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from shop.catalog.models import Product, Variant
from shop.catalog.purging import purge
from shop.catalog.stock import touch_catalogue
from shop.db import now
from shop.errors import InvalidChange, NotFound, StaleEdit


def hold(session: Session, product_id: int, version: int | None = None) -> Product:
    """The product, locked until the transaction ends, so that two members of staff change it one after the other.

    Raises NotFound, and StaleEdit when `version` is given and somebody has changed the product since it was read.
    """
    product = session.scalars(
        select(Product).where(Product.id == product_id).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if product is None:
        raise NotFound("product")
    if version is not None and product.version != version:
        raise StaleEdit()
    return product


def saved(session: Session, product: Product) -> None:
    """Count the product's version up and tell every process that readers see something new."""
    product.updated_at = now()
    flag_modified(product, "updated_at")  # the version grows even when the clock has not moved
    session.flush()
    touch_catalogue(session)
    purge(session, f"product-{product.id}", "catalogue")


@contextmanager
def unique(session: Session, field: str, message: str) -> Iterator[None]:
    """Write what the block changed; a name that somebody else took in the meantime becomes InvalidChange.

    Looking before writing gives the friendly answer nearly always; only the database's constraint gives it always. The
    savepoint keeps the transaction usable on PostgreSQL, which would refuse every statement after the failed one.
    """
    try:
        with session.begin_nested():
            yield
            session.flush()
    except IntegrityError:
        raise InvalidChange(field, message) from None


def line(field: str, text: str, limit: int, name: str, *, required: bool = True) -> str:
    """One line of text, trimmed. Raises InvalidChange when it is missing, too long, or holds control characters."""
    cleaned = text.strip()
    if required and not cleaned:
        raise InvalidChange(field, f"Write {name}.")
    if len(cleaned) > limit:
        raise InvalidChange(field, f"At most {limit} characters; this has {len(cleaned)}.")
    if any(ord(character) < 32 or ord(character) == 127 for character in cleaned):
        raise InvalidChange(field, "Use plain text on one line.")
    return cleaned


def page_of_text(field: str, text: str, limit: int) -> str:
    """Text of several lines, with plain line ends. Raises InvalidChange when it is too long or holds control characters."""
    cleaned = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(cleaned) > limit:
        raise InvalidChange(field, f"At most {limit} characters; this has {len(cleaned)}.")
    if any(ord(character) < 32 and character not in "\n\t" for character in cleaned):
        raise InvalidChange(field, "Use plain text without control characters.")
    return cleaned


def keep_on_sale(session: Session, product: Product, field: str) -> None:
    """Refuse to leave a published product without anything to buy: readers would find nothing at its address."""
    if product.status != "active":
        return
    on_sale = session.scalar(
        select(func.count()).select_from(Variant).where(Variant.product_id == product.id, Variant.active)
    )
    if not on_sale:
        raise InvalidChange(
            field, "A published product keeps at least one variant on sale. Archive the product instead."
        )
