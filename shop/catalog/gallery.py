"""A product's pictures: adding, describing, ordering, removing. Verbs take a session and never commit."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from shop.catalog.models import OptionValue, Product, ProductImage, ProductOption
from shop.catalog.pictures import StoredPicture
from shop.catalog.saving import hold, line, saved
from shop.errors import InvalidChange, NotFound

MAX_IMAGES = 20
NO_ALT = "Say what the picture shows, for readers who cannot see it."


def add_image(
    session: Session, product_id: int, stored: StoredPicture, alt: str, value_id: int | None = None
) -> ProductImage:
    """Show a stored picture (see `shop.catalog.pictures.store_picture`) as the product's last.

    `alt` may wait until the product is published; `value_id` is the option value (a colour) that the picture shows.
    Raises InvalidChange("alt" | "value" | "file", ...), NotFound.
    """
    product = hold(session, product_id)
    pictures = _pictures(session, product_id)
    if len(pictures) >= MAX_IMAGES:
        raise InvalidChange("file", f"A product has at most {MAX_IMAGES} pictures.")
    image = ProductImage(
        product_id=product_id,
        key=stored.key,
        width=stored.width,
        height=stored.height,
        alt=_alt(product, alt),
        value_id=_value(session, product_id, value_id),
        position=max((picture.position for picture in pictures), default=-1) + 1,
    )
    session.add(image)
    saved(session, product)
    return image


def change_image(
    session: Session, image_id: int, alt: str, value_id: int | None = None, version: int | None = None
) -> ProductImage:
    """Change what a picture says and which option value it shows, of a product that was read at `version` if one is given.

    Raises InvalidChange("alt" | "value", ...), StaleEdit, NotFound.
    """
    image, product = _find(session, image_id, version)
    image.alt = _alt(product, alt)
    image.value_id = _value(session, product.id, value_id)
    saved(session, product)
    return image


def remove_image(session: Session, image_id: int) -> None:
    """Take a picture off its product. Its files stay: other products, old pages and mails may show them. Raises NotFound."""
    image, product = _find(session, image_id)
    session.execute(delete(ProductImage).where(ProductImage.id == image.id))
    saved(session, product)


def move_image(session: Session, image_id: int, steps: int) -> None:
    """Move a picture `steps` places towards the end (negative: towards the front); the first is the one lists show."""
    image, product = _find(session, image_id)
    pictures = _pictures(session, product.id)
    place = pictures.index(image)
    pictures.insert(min(max(place + steps, 0), len(pictures) - 1), pictures.pop(place))
    for position, picture in enumerate(pictures):
        picture.position = position
    saved(session, product)


def _pictures(session: Session, product_id: int) -> list[ProductImage]:
    return list(
        session.scalars(
            select(ProductImage)
            .where(ProductImage.product_id == product_id)
            .order_by(ProductImage.position, ProductImage.id)
        )
    )


def _find(session: Session, image_id: int, version: int | None = None) -> tuple[ProductImage, Product]:
    image = session.get(ProductImage, image_id)
    if image is None:
        raise NotFound("picture")
    return image, hold(session, image.product_id, version)


def _alt(product: Product, text: str) -> str:
    alt = line("alt", " ".join(text.split()), 300, "what the picture shows", required=False)
    if not alt and product.status == "active":
        raise InvalidChange("alt", NO_ALT)
    return alt


def _value(session: Session, product_id: int, value_id: int | None) -> int | None:
    if value_id is None:
        return None
    known = session.scalar(
        select(OptionValue.id)
        .join(ProductOption)
        .where(OptionValue.id == value_id, ProductOption.product_id == product_id)
    )
    if known is None:
        raise InvalidChange("value", "Choose one of the product's own options.")
    return value_id
