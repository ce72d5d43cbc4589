"""Goods that a reader's own open payment page holds back: taken from everybody else, but not from them."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from sqlalchemy.orm import Session

from shop.cart import handles
from shop.cart.reading import CartView
from shop.checkout.closing import abandon
from shop.errors import OutOfStock, PaymentRefused, PaymentUnavailable
from shop.orders.held import held_by
from shop.web.house import end_reading, house

Answer = TypeVar("Answer")


def with_own_goods(session: Session, cart: CartView) -> CartView:
    """The cart with what its own open payment page holds counted as available. One statement, if any line needs it."""
    if cart.id is None or all(line.quantity <= line.available for line in cart.lines):
        return cart
    held = held_by(session, cart.id)
    if held is None:
        return cart
    own = held.pieces
    return replace(
        cart,
        lines=tuple(replace(line, available=line.available + own.get(line.variant_id, 0)) for line in cart.lines),
    )


def freeing_own_goods(attempt: Callable[[], Answer], *own: str | None) -> Answer:
    """What `attempt` returns. If it raises OutOfStock, the open payment page of the first of the reader's `own` carts (by
    handle) that has one is closed, and it is made once more: the last pieces may wait on the payment page that the reader came back from.
    """
    try:
        return attempt()
    except OutOfStock:
        if not any(_free_own_goods(handle) for handle in own):
            raise
        return attempt()


def _free_own_goods(handle: str | None) -> bool:
    """Close the open payment page of the cart with this handle, whose goods look taken to the reader who holds them.

    True if there was one, so that what was refused is worth another try. The cart is about to change, so that payment
    page would not outlive its next checkout anyway.
    """
    end_reading()
    with house().database.reading() as session:
        cart_id = handles.find_cart(session, handle)
        held = held_by(session, cart_id) if cart_id is not None else None
    if held is None:
        return False
    try:
        abandon(house().database, house().gateway, held.order_id)
    except (PaymentUnavailable, PaymentRefused):
        return False
    return True
