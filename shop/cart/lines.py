"""Changing the lines that a cart has, and where it goes. Verbs take a session and never commit."""

from collections.abc import Mapping
from typing import TypedDict, cast

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.orm import Session

from shop.cart.handles import lock
from shop.cart.models import Cart, CartLine
from shop.cart.offered import OFFER_TO_CHANGE, check_quantity, offer
from shop.catalog.models import Variant
from shop.db import connection_of, now
from shop.errors import BadQuantity, NotFound, OutOfStock
from shop.prepared import Prepared

MAX_LINES = 50


class Source(TypedDict, total=False):
    """Where a line comes from: the story, its headline as this reader's page gave it, and the placement there."""

    article_id: int | None
    article_title: str
    placement: str
    tie_in_id: int | None
    slot: str


def source_key(variant_id: int, article_id: int | None) -> str:
    """Names a line within its cart: the same variant from another story is another line."""
    return f"{variant_id}:{article_id or 0}"


def change_quantity(session: Session, cart_id: int, line_id: int, quantity: int, *, limit: int) -> None:
    """Set a line's quantity. Raises as `adding.add_to_cart`, and NotFound for a line that is not of this cart."""
    check_quantity(quantity, limit)
    lock(session, cart_id)
    line = session.scalars(select(CartLine).where(CartLine.id == line_id, CartLine.cart_id == cart_id)).one_or_none()
    if line is None:
        raise NotFound("line of your cart")
    offered = offer(session, OFFER_TO_CHANGE, now(), cart=cart_id, variant=line.variant_id, line=line_id)
    wanted = quantity + offered.in_cart
    if wanted > offered.available:
        raise OutOfStock(line.variant_id, offered.title, wanted, offered.available)
    if wanted > limit and quantity > line.quantity:
        # As for adding, the limit is one for all the cart's lines of a variant; fewer pieces are always a step towards it.
        raise BadQuantity(limit)
    line.quantity = quantity
    session.flush()


def remove_line(session: Session, cart_id: int, line_id: int) -> None:
    """Take a line out. A line that is not there is as good as removed."""
    lock(session, cart_id)
    session.execute(delete(CartLine).where(CartLine.id == line_id, CartLine.cart_id == cart_id))


def choose_country(session: Session, cart_id: int, country: str) -> None:
    """Remember where the cart is to be shipped (ISO 3166-1 alpha-2)."""
    session.execute(update(Cart).where(Cart.id == cart_id).values(country=country, updated_at=now()))


def accept_prices(session: Session, cart_id: int) -> None:
    """The reader has been shown the prices of now: remember them, so that the next change is said again."""
    current = select(Variant.price_minor).where(Variant.id == CartLine.variant_id).scalar_subquery()
    session.execute(
        update(CartLine)
        .where(CartLine.cart_id == cart_id)
        .values(seen_price_minor=current)
        .execution_options(synchronize_session=False)
    )


_LINES = cast("Table", CartLine.__table__)
# Locked in the statement that changes the lines: a checkout of this cart sees them all, or none that have been paid for.
_CART = select(Cart.id).where(Cart.id == bindparam("cart")).with_for_update()
_BOUGHT = (_LINES.c.cart_id.in_(_CART), _LINES.c.source_key == bindparam("key"))
_GONE = Prepared(delete(_LINES).where(*_BOUGHT, _LINES.c.quantity <= bindparam("pieces")))
_FEWER = Prepared(update(_LINES).where(*_BOUGHT).values(quantity=_LINES.c.quantity - bindparam("pieces")))


def take_out(session: Session, cart_id: int, bought: Mapping[str, int]) -> None:
    """Take what was bought (source key -> pieces) out of the cart; what was added meanwhile stays.

    One statement if that empties each of the lines, else two.
    """
    if not bought:
        return
    lines = [{"cart": cart_id, "key": key, "pieces": bought[key]} for key in sorted(bought)]
    connection = connection_of(session)
    if _GONE.run(connection, lines).rowcount < len(lines):
        _FEWER.run(connection, lines)


def empty_cart(session: Session, cart_id: int) -> None:
    """Take every line out, after the cart has been paid for."""
    session.execute(delete(CartLine).where(CartLine.cart_id == cart_id))
