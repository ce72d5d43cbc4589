"""Putting goods into a cart: the reader's own, or that of one press of "Buy now". Verbs take a session and never commit."""

from typing import Unpack

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.cart.handles import enter_or_open, express_cart, lock
from shop.cart.lines import MAX_LINES, Source, empty_cart, source_key
from shop.cart.models import CartLine
from shop.cart.offered import OFFER_TO_ADD, check_quantity, offer
from shop.catalog.models import Variant
from shop.db import add_up, now
from shop.errors import BadQuantity, CartFull, OutOfStock


def add_to_cart(
    session: Session,
    cart_id: int,
    variant_id: int,
    quantity: int,
    *,
    limit: int,
    **source: Unpack[Source],
) -> int:
    """Add `quantity` pieces of a variant, on top of what the cart holds of it from the same story. Returns the line's id.

    Raises BadQuantity, NotFound (not on sale), OutOfStock (more than is available, counting the cart's other lines of the
    variant) and CartFull. Nothing is reserved: that happens at checkout.
    """
    check_quantity(quantity, limit)
    lock(session, cart_id)
    return _put_in(session, cart_id, variant_id, quantity, limit, source)


def add_by_handle(
    session: Session,
    handle: str | None,
    variant_id: int,
    quantity: int,
    *,
    limit: int,
    country: str | None = None,
    **source: Unpack[Source],
) -> tuple[int, str]:
    """As `add_to_cart`, into the cart with this handle, which also remembers `country`. Returns the cart's id and handle.

    A handle that opens no cart gets a new cart with a new handle. Three statements, or four.
    """
    check_quantity(quantity, limit)
    cart_id, handle = enter_or_open(session, handle, country)
    _put_in(session, cart_id, variant_id, quantity, limit, source)
    return cart_id, handle


def buy_now(
    session: Session,
    key: str,
    handle: str,
    variant_id: int,
    quantity: int,
    *,
    limit: int,
    **source: Unpack[Source],
) -> int:
    """The cart of one press of "Buy now" (see `express_cart`), holding exactly this line. Raises as `add_to_cart`.

    A cart that holds the line already stays as it is: its last piece may be reserved by the first half of a double click,
    and asking the shelf again would find nothing left.
    """
    cart_id = express_cart(session, key, handle)
    lock(session, cart_id)
    held = session.execute(
        select(CartLine.source_key, CartLine.quantity)
        .join(Variant, Variant.id == CartLine.variant_id)
        .where(CartLine.cart_id == cart_id, CartLine.seen_price_minor == Variant.price_minor)
    ).all()
    if [tuple(row) for row in held] == [(source_key(variant_id, source.get("article_id")), quantity)]:
        return cart_id
    check_quantity(quantity, limit)
    empty_cart(session, cart_id)
    _put_in(session, cart_id, variant_id, quantity, limit, source)
    return cart_id


def _put_in(
    session: Session,
    cart_id: int,
    variant_id: int,
    quantity: int,
    limit: int,
    source: Source,
) -> int:
    """Add to a cart that is locked. Two statements: what is on offer and in the cart already, then the line."""
    key = source_key(variant_id, source.get("article_id"))
    offered = offer(session, OFFER_TO_ADD, now(), cart=cart_id, variant=variant_id, key=key)
    wanted = offered.in_cart + quantity
    if wanted > offered.available:
        raise OutOfStock(variant_id, offered.title, wanted, offered.available)
    if wanted > limit:
        raise BadQuantity(limit)
    if offered.lines >= MAX_LINES and not offered.has_line:
        raise CartFull(MAX_LINES)
    line = add_up(
        session,
        CartLine,
        {
            "cart_id": cart_id,
            "variant_id": variant_id,
            "article_id": source.get("article_id"),
            "source_key": key,
            "quantity": quantity,
            "seen_price_minor": offered.price_minor,
            "article_title": source.get("article_title", "")[:300],
            "placement": source.get("placement", "")[:40],
            "tie_in_id": source.get("tie_in_id"),
            "slot": source.get("slot", "")[:40],
        },
        key=("cart_id", "source_key"),
        counted="quantity",
        renewed="seen_price_minor",
    )
    return line.id
