"""Place: from a cart to a payment page.

T1 reserves the stock and stores the order with a payment attempt; then, with no transaction open, Stripe is asked for a
session with the attempt's own key and parameters; T2 stores what Stripe said. docs/architecture.md tells the reasons.
"""

from dataclasses import dataclass

from sqlalchemy import select

from shop.checkout.beginning import Begun, begin
from shop.checkout.closing import close_attempt, note_session
from shop.checkout.release import cancel
from shop.config import Settings
from shop.crashing import die_at
from shop.db import Database
from shop.errors import AlreadyPaid, PaymentRefused, PaymentUnavailable
from shop.orders.models import Order
from shop.payments.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that waits for payment at `payment_url`."""

    order_id: int
    access_token: str
    payment_url: str


def place(
    database: Database,
    gateway: Gateway,
    settings: Settings,
    cart_id: int,
    *,
    country: str | None = None,
    locale: str = "",
) -> Placed:
    """Reserve a cart's goods, store the order and open its payment page.

    `locale` (Babel's form) is the reader's language, in which a new order's buyer is written to; empty is the shop's own.

    The same cart placed again while its payment page is open leads to that very page; a cart that has changed since first
    has the old session expired at Stripe. So one cart never has two payable sessions.

    Owns its transactions (T1, T2, and those of closing an older attempt); none is open while Stripe is called.
    Raises CartEmpty, OutOfStock, NotFound, PriceChanged, CannotShipThere, PaymentTooSmall, PaymentTooLarge, PaymentRefused
    (order cancelled, stock released), PaymentUnavailable (order kept: try again with the same cart) and AlreadyPaid.
    """
    for _ in range(3):
        with database.transaction() as session:
            begun = begin(session, settings, cart_id, country, locale, livemode=gateway.livemode)
            die_at("place.reserved")
        die_at("place.stored")
        if begun.superseded is not None:
            _close_older(database, gateway, begun.superseded)
            continue
        if begun.payment_url:
            return Placed(begun.order_id, begun.access_token, begun.payment_url)
        placed = _open(database, gateway, begun)
        if placed is not None:
            return placed
    raise PaymentUnavailable  # other tabs change this cart faster than Stripe answers


def _close_older(database: Database, gateway: Gateway, order_id: int) -> None:
    """Expire an older session of the cart; if it was paid after all, say so instead of selling the same goods twice."""
    close_attempt(database, gateway, order_id, source="a newer checkout")
    _stop_if_paid(database, order_id)


def _stop_if_paid(database: Database, order_id: int) -> None:
    with database.reading() as session:
        order = session.scalars(select(Order).where(Order.id == order_id)).one()
        if order.paid_at is not None or (order.processing_at is not None and order.payment_failed_at is None):
            raise AlreadyPaid(order.access_token)


def _open(database: Database, gateway: Gateway, begun: Begun) -> Placed | None:
    """Ask Stripe for the session, outside any transaction, then T2. None if another tab has closed it meanwhile."""
    try:
        opened = gateway.open_session(begun.params, begun.key)
    except PaymentRefused as refusal:
        if refusal.of_key and not begun.is_new:
            # An earlier try went unanswered and may have made the session, under a key that is refused by now.
            raise PaymentUnavailable from refusal
        cancel(database, begun.order_id, refusal.reason)
        raise
    die_at("place.asked")
    with database.transaction() as session:
        payment_url = note_session(session, begun.attempt_id, opened)
    die_at("place.opened")
    if payment_url is None:
        _stop_if_paid(database, begun.order_id)
        return None
    return Placed(begun.order_id, begun.access_token, payment_url)
