"""Place: from a cart to a payment page.

T1 reserves the stock and stores the order with a payment attempt; then, with no transaction open, Stripe is asked for a
session with the attempt's own key and parameters; T2 stores what Stripe said. docs/architecture.md tells the reasons.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from shop.articles.models import Article
from shop.cart.models import Cart
from shop.cart.reading import CartLineView, CartView, view_cart
from shop.catalog import stock
from shop.checkout.closing import close_attempt, note_session
from shop.checkout.params import MINIMUM_MINOR, session_params
from shop.checkout.release import cancel
from shop.config import Settings
from shop.crashing import die_at
from shop.db import Database, now
from shop.errors import (
    AlreadyPaid,
    CartEmpty,
    NotFound,
    OutOfStock,
    PaymentRefused,
    PaymentTooLarge,
    PaymentTooSmall,
    PaymentUnavailable,
    PriceChanged,
)
from shop.fulfilment.rates import rates_for
from shop.orders.models import Order, OrderEntry, OrderLine
from shop.payments.gateway import Gateway
from shop.payments.models import PaymentAttempt

log = structlog.get_logger(__name__)

# Read aloud over the telephone without doubt: no I, L, O, U.
NUMBER_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# What the columns of an order can hold; Stripe's own limit depends on the currency and is lower for most.
MOST_MINOR = 2_147_483_647
# A session with less time than this left is not handed out again: the buyer could not finish on it.
TIME_TO_PAY = timedelta(minutes=10)


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
            begun = _begin(session, gateway, settings, cart_id, country, locale)
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


@dataclass(frozen=True, slots=True)
class _Begun:
    order_id: int
    access_token: str
    attempt_id: int
    key: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    is_new: bool = False
    payment_url: str | None = None
    superseded: int | None = None


def _begin(
    session: Session, gateway: Gateway, settings: Settings, cart_id: int, country: str | None, locale: str
) -> _Begun:
    """T1: find the cart's open order, or store a new one with its stock reserved."""
    # The lock on the cart makes two checkouts of it take turns; the second one then finds the first one's order.
    locked = session.execute(
        update(Cart).where(Cart.id == cart_id).values(updated_at=now()).returning(Cart.country, Cart.express_key)
    ).first()
    if locked is None:
        raise CartEmpty
    cart = view_cart(session, cart_id, settings.shop_currency)
    destination = (country or locked[0] or settings.shop_country).upper()
    digest = f"{destination}:{cart.digest}"[:64]
    order = session.scalars(select(Order).where(Order.open_cart_id == cart_id)).one_or_none()
    if order is not None:
        attempt = session.scalars(select(PaymentAttempt).where(PaymentAttempt.order_id == order.id)).one()
        if order.cart_digest != digest or order.processing_at or attempt.expires_at - now() < TIME_TO_PAY:
            return _Begun(order.id, order.access_token, attempt.id, superseded=order.id)
        known = (attempt.id, attempt.idempotency_key, attempt.params)
        return _Begun(order.id, order.access_token, *known, payment_url=attempt.session_url)
    if not cart.lines or locked.express_key is not None:
        _say_if_paid(session, cart_id)
    if not cart.lines:
        raise CartEmpty
    _check(cart)
    pieces = _pieces(cart)
    rates = rates_for(session, destination, cart.subtotal.minor, settings.shop_currency)
    minimum = MINIMUM_MINOR.get(settings.shop_currency, 1)
    if cart.subtotal.minor + min(rate.amount_minor for rate in rates) < minimum:
        raise PaymentTooSmall
    if cart.subtotal.minor + max(rate.amount_minor for rate in rates) > MOST_MINOR:
        raise PaymentTooLarge
    order = _store_order(session, cart, destination, digest, locale, livemode=gateway.livemode)
    # Chosen here and stored: a retried create must carry the same value, or Stripe refuses the key.
    expires_at = (now() + timedelta(minutes=settings.shop_session_minutes)).replace(microsecond=0)
    attempt = PaymentAttempt(
        order_id=order.id,
        idempotency_key=f"place-{order.number}-{secrets.token_hex(8)}",
        params=session_params(settings, order, cart, rates, expires_at),
        expires_at=expires_at,
    )
    session.add(attempt)
    session.flush()
    # Last, so that others who want the same goods wait for no more than this statement and the commit.
    stock.reserve(session, pieces)
    return _Begun(order.id, order.access_token, attempt.id, attempt.idempotency_key, attempt.params, is_new=True)


def _pieces(cart: CartView) -> dict[int, int]:
    pieces: dict[int, int] = {}
    for line in cart.lines:
        pieces[line.variant_id] = pieces.get(line.variant_id, 0) + line.quantity
    return pieces


def _check(cart: CartView) -> None:
    for line in cart.lines:
        if not line.on_sale:
            raise NotFound("product")
        if line.unit_price.currency != cart.currency:
            raise PaymentRefused(
                f"{line.sku} is priced in {line.unit_price.currency}, the shop sells in {cart.currency}"
            )
        if line.quantity > line.available:
            raise OutOfStock(line.variant_id, line.title, line.quantity, line.available)
    if cart.price_changed:
        raise PriceChanged


def _say_if_paid(session: Session, cart_id: int) -> None:
    """A cart that was emptied by being paid for, whose reader pressed "pay" in an old tab and wants the order; or that of
    one press of "Buy now", which buys once.
    """
    token = session.scalar(
        select(Order.access_token)
        .where(
            Order.cart_id == cart_id,
            Order.paid_at.is_not(None) | (Order.processing_at.is_not(None) & Order.payment_failed_at.is_(None)),
        )
        .order_by(Order.id.desc())
        .limit(1)
    )
    if token is not None:
        raise AlreadyPaid(token)


def _store_order(session: Session, cart: CartView, country: str, digest: str, locale: str, *, livemode: bool) -> Order:
    order = Order(
        number="U-" + "".join(secrets.choice(NUMBER_ALPHABET) for _ in range(8)),
        access_token=secrets.token_urlsafe(24),
        cart_id=cart.id,
        open_cart_id=cart.id,
        cart_digest=digest,
        status="pending",
        livemode=livemode,
        locale=locale,
        currency=cart.currency,
        subtotal_minor=cart.subtotal.minor,
        total_minor=cart.subtotal.minor,
        country=country,
    )
    session.add(order)
    session.flush()
    stories = _stories(session, cart)
    # One statement for all lines; objects would take one for each on SQLite, which tells no order of several new ids.
    session.execute(insert(OrderLine), [_line_of(order.id, line, stories) for line in cart.lines])
    session.add(OrderEntry(order_id=order.id, what="placed", source="checkout", amount_minor=cart.subtotal.minor))
    session.flush()
    return order


def _line_of(order_id: int, line: CartLineView, stories: Mapping[int, str]) -> dict[str, object]:
    return {
        "order_id": order_id,
        "variant_id": line.variant_id,
        "sku": line.sku,
        "title": line.product_title,
        "variant_title": line.variant_title,
        "product_slug": line.slug,
        "image_key": line.picture_key,
        "unit_price_minor": line.unit_price.minor,
        "quantity": line.quantity,
        "weight_grams": line.weight_grams,
        "article_id": line.article_id,
        "article_url": stories.get(line.article_id or 0, ""),
        # The headline of the buyer's own page: that of `articles` is what the first reader of a story sent, whoever it was.
        "article_title": line.article_title,
        "placement": line.placement,
    }


def _stories(session: Session, cart: CartView) -> dict[int, str]:
    wanted = {line.article_id for line in cart.lines if line.article_id is not None}
    if not wanted:
        return {}
    rows = session.execute(select(Article.id, Article.url).where(Article.id.in_(wanted)))
    return {row.id: row.url for row in rows}


def _close_older(database: Database, gateway: Gateway, order_id: int) -> None:
    """Expire an older session of the cart; if it was paid after all, say so instead of selling the same goods twice."""
    close_attempt(database, gateway, order_id, source="a newer checkout")
    _stop_if_paid(database, order_id)


def _stop_if_paid(database: Database, order_id: int) -> None:
    with database.reading() as session:
        order = session.scalars(select(Order).where(Order.id == order_id)).one()
        if order.paid_at is not None or (order.processing_at is not None and order.payment_failed_at is None):
            raise AlreadyPaid(order.access_token)


def _open(database: Database, gateway: Gateway, begun: _Begun) -> Placed | None:
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
