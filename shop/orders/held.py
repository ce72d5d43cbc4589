"""What a cart holds back for itself while its payment page is open.

A reader who comes back from that page sees their own pieces as taken by somebody. They are not: they are theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.catalog.stock import summed
from shop.orders.models import Order, OrderLine


@dataclass(frozen=True, slots=True)
class Held:
    """An order that can still be paid, and its pieces (variant id -> quantity)."""

    order_id: int
    pieces: Mapping[int, int]


def held_by(session: Session, cart_id: int) -> Held | None:
    """What the cart's open order has reserved; None if it has none. One statement."""
    rows = session.execute(
        select(Order.id, OrderLine.variant_id, OrderLine.quantity)
        .join(OrderLine, OrderLine.order_id == Order.id)
        .where(Order.open_cart_id == cart_id, Order.stock_state == "reserved")
    ).all()
    if not rows:
        return None
    return Held(rows[0][0], summed((variant_id, quantity) for _, variant_id, quantity in rows))
