"""T1 of `place`: find the cart's open order, or store a new one with its stock reserved.

Everybody who buys the same goods waits here for one another. So there are no objects of the mapping in it: statements are
built once, and each carries all that it can.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from shop.articles.models import Article
from shop.articles.suppression import ANY_HOLDS
from shop.cart.models import Cart, CartLine
from shop.cart.reading import CART, CartLineView, CartView, view_of
from shop.catalog import stock
from shop.checkout.params import MINIMUM_MINOR, session_params
from shop.checkout.stops import with_stops
from shop.config import Settings
from shop.db import now
from shop.errors import (
    AlreadyPaid,
    CartEmpty,
    NoLongerSold,
    NotFound,
    OutOfStock,
    PaymentRefused,
    PaymentTooLarge,
    PaymentTooSmall,
    PriceChanged,
)
from shop.fulfilment.rates import Rate, rates_for
from shop.orders.models import Order, OrderEntry, OrderLine
from shop.payments.models import PaymentAttempt

# Read aloud over the telephone without doubt: no I, L, O, U.
NUMBER_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# What the columns of an order can hold; Stripe's own limit depends on the currency and is lower for most.
MOST_MINOR = 2_147_483_647
# A session with less time than this left is not handed out again: the buyer could not finish on it.
TIME_TO_PAY = timedelta(minutes=10)

_CARTS = cast("Table", Cart.__table__)
# The lock on the cart makes two checkouts of it take turns; the second one then finds the first one's order.
_LOCK = (
    update(_CARTS)
    .where(_CARTS.c.id == bindparam("cart"))
    .values(updated_at=bindparam("moment"))
    .returning(_CARTS.c.country, _CARTS.c.express_key)
)
# A statement of its own after the lock: only then does it see what another checkout of this cart has stored.
_SEEN = (
    CART.add_columns(
        Article.url.label("story"),
        ANY_HOLDS.label("any_holds"),
        Order.id.label("order_id"),
        Order.access_token,
        Order.cart_digest,
        Order.processing_at,
        PaymentAttempt.id.label("attempt_id"),
        PaymentAttempt.idempotency_key,
        PaymentAttempt.expires_at,
        PaymentAttempt.session_url,
    )
    .outerjoin(Article, Article.id == CartLine.article_id)
    .outerjoin(Order, Order.open_cart_id == Cart.id)
    .outerjoin(PaymentAttempt, PaymentAttempt.order_id == Order.id)
)
_PARAMS = select(PaymentAttempt.params).where(PaymentAttempt.id == bindparam("attempt"))
_PAID = (
    select(Order.access_token)
    .where(
        Order.cart_id == bindparam("cart"),
        Order.paid_at.is_not(None) | (Order.processing_at.is_not(None) & Order.payment_failed_at.is_(None)),
    )
    .order_by(Order.id.desc())
    .limit(1)
)
_ORDER, _LINES, _ENTRY, _ATTEMPT = (
    insert(cast("Table", stored.__table__)) for stored in (Order, OrderLine, OrderEntry, PaymentAttempt)
)


@dataclass(frozen=True, slots=True)
class Begun:
    """An order to be paid: at `payment_url` if Stripe has said so before, else by asking it with `key` and `params`.

    `superseded` is an older order of the cart that must be closed first; then nothing else here is to be used.
    """

    order_id: int
    access_token: str
    attempt_id: int
    key: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    is_new: bool = False
    payment_url: str | None = None
    superseded: int | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a payment page is told of an order that has just been stored."""

    id: int
    number: str
    access_token: str
    country: str
    locale: str


def begin(
    session: Session, settings: Settings, cart_id: int, country: str | None, locale: str, *, livemode: bool
) -> Begun:
    """The cart's order, found or stored in the caller's transaction. Raises what `place` does before Stripe is asked."""
    connection = session.connection()
    locked = connection.execute(_LOCK, {"cart": cart_id, "moment": now()}).first()
    if locked is None:
        raise CartEmpty
    rows = connection.execute(_SEEN, {"cart": cart_id}).all()
    cart = view_of(rows, cart_id, settings.shop_currency)
    if rows[0].any_holds:
        cart = with_stops(connection, cart)
    destination = (country or locked.country or settings.shop_country).upper()
    digest = f"{destination}:{cart.digest}"[:64]
    if rows[0].order_id is not None:
        return _known(connection, rows[0], digest)
    if not cart.lines or locked.express_key is not None:
        _say_if_paid(connection, cart_id)
    if not cart.lines:
        raise CartEmpty
    _check(cart)
    rates = rates_for(session, destination, cart.subtotal.minor, settings.shop_currency)
    _check_total(cart, rates)
    stories = {row.article_id: row.story or "" for row in rows if row.article_id is not None}
    order = _store_order(connection, cart, stories, destination, digest, locale, livemode=livemode)
    # Chosen here and stored: a retried create must carry the same value, or Stripe refuses the key.
    expires_at = (now() + timedelta(minutes=settings.shop_session_minutes)).replace(microsecond=0)
    begun = _store_attempt(
        connection, order, session_params(settings, order, cart, rates, expires_at, stories), expires_at
    )
    # Last, so that others who want the same goods wait for no more than this statement and the commit.
    stock.reserve(session, stock.summed((line.variant_id, line.quantity) for line in cart.lines))
    return begun


def _known(connection: Connection, row: Any, digest: str) -> Begun:
    """The cart's open order, which may be one that fits the cart no more."""
    if row.cart_digest != digest or row.processing_at or row.expires_at - now() < TIME_TO_PAY:
        return Begun(row.order_id, row.access_token, row.attempt_id, superseded=row.order_id)
    params = connection.execute(_PARAMS, {"attempt": row.attempt_id}).scalar_one() if not row.session_url else {}
    known = (row.attempt_id, row.idempotency_key, params)
    return Begun(row.order_id, row.access_token, *known, payment_url=row.session_url)


def _check(cart: CartView) -> None:
    for line in cart.lines:
        if line.stopped:
            raise NoLongerSold(line.title, line.stopped)
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


def _check_total(cart: CartView, rates: tuple[Rate, ...]) -> None:
    amounts = [rate.amount_minor for rate in rates]
    if cart.subtotal.minor + min(amounts) < MINIMUM_MINOR.get(cart.currency, 1):
        raise PaymentTooSmall
    if cart.subtotal.minor + max(amounts) > MOST_MINOR:
        raise PaymentTooLarge


def _say_if_paid(connection: Connection, cart_id: int) -> None:
    """A cart that was emptied by being paid for, whose reader pressed "pay" in an old tab and wants the order; or that of
    one press of "Buy now", which buys once.
    """
    token = connection.execute(_PAID, {"cart": cart_id}).scalar()
    if token is not None:
        raise AlreadyPaid(token)


def _store_order(
    connection: Connection,
    cart: CartView,
    stories: Mapping[int, str],
    country: str,
    digest: str,
    locale: str,
    *,
    livemode: bool,
) -> _Stored:
    number = "U-" + "".join(secrets.choice(NUMBER_ALPHABET) for _ in range(8))
    token = secrets.token_urlsafe(24)
    total = cart.subtotal.minor
    added = connection.execute(
        _ORDER,
        {
            "number": number,
            "access_token": token,
            "cart_id": cart.id,
            "open_cart_id": cart.id,
            "cart_digest": digest,
            "status": "pending",
            "livemode": livemode,
            "locale": locale,
            "currency": cart.currency,
            "subtotal_minor": total,
            "total_minor": total,
            "country": country,
        },
    )
    order_id = cast("Any", added.inserted_primary_key)[0]
    connection.execute(_LINES, [_line_of(order_id, line, stories) for line in cart.lines])
    connection.execute(_ENTRY, {"order_id": order_id, "what": "placed", "source": "checkout", "amount_minor": total})
    return _Stored(order_id, number, token, country, locale)


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
        "tie_in_id": line.tie_in_id,
        "slot": line.slot,
    }


def _store_attempt(connection: Connection, order: _Stored, params: dict[str, Any], expires_at: datetime) -> Begun:
    key = f"place-{order.number}-{secrets.token_hex(8)}"
    added = connection.execute(
        _ATTEMPT, {"order_id": order.id, "idempotency_key": key, "params": params, "expires_at": expires_at}
    )
    attempt_id = cast("Any", added.inserted_primary_key)[0]
    return Begun(order.id, order.access_token, attempt_id, key, params, is_new=True)
