"""Paid orders, and money that goes back: by staff, in Stripe's dashboard, and as Stripe tells of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import stripe
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.catalog import stock
from shop.checkout.closing import look_at_payment
from shop.checkout.given_back import settle_refund
from shop.checkout.refunding import refund
from shop.checkout.release import release_stock
from shop.checkout.settle import Settled
from shop.db import now
from shop.fulfilment.models import ShippingRate
from shop.mail.models import OutboxMessage
from shop.orders.models import Order
from shop.orders.reading import OrderView
from shop.payments.models import Refund
from shop.payments.refunds import RefundView, refunds_of
from shop.payments.told import read_refund
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import TEST_KEY, Shop
from tests.support.books import broken_books, money_disagreements
from tests.support.invariants import broken

STAFF = "desk@example.com"
PENDING_THEN_PAID = "4000000000007726"
PAID_THEN_FAILED = "4000000000005126"


def a_paid_order(
    shop: Shop,
    *prices: int,
    pieces: int = 2,
    card: str = "4242424242424242",
    method: str = "card",
    currency: str = "sgd",
) -> OrderView:
    """Two pieces of a shirt for 39.00 each and 5.00 of shipping, paid: 83.00. Nothing arrives by itself from now on."""
    shop.stripe.hold_deliveries()
    with shop.database.transaction() as session:
        if not rates_known(session):
            shipping_to(session, "SG", currency=currency)
        shirts = [a_variant(session, stock=5, price=price, currency=currency) for price in prices or (3900,)]
        cart_id = a_cart(session, *[(shirt, pieces) for shirt in shirts])[0]
    order_id = shop.place(cart_id).order_id
    shop.stripe.pay(shop.session_of(order_id), card, method=method)
    if method == "delayed_debit":
        shop.stripe.settle_delayed(shop.session_of(order_id), ok=True)
    look_at_payment(shop.database, shop.gateway, order_id)
    order = shop.order(order_id)
    assert order.status == "paid"
    return order


def an_owed_order(shop: Shop) -> OrderView:
    """Paid for two shirts that had been given up by then, of which one is left."""
    shop.stripe.hold_deliveries()
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        shirt = a_variant(session, stock=3)
        cart_id = a_cart(session, (shirt, 2))[0]
    order_id = shop.place(cart_id).order_id
    shop.stripe.pay(shop.session_of(order_id))
    with shop.database.transaction() as session:
        release_stock(session, session.get_one(Order, order_id))
        stock.adjust(session, shirt.id, -2, "sold over the counter", STAFF)
    look_at_payment(shop.database, shop.gateway, order_id)
    order = shop.order(order_id)
    assert (order.status, order.stock_state) == ("attention", "owed")
    return order


def rates_known(session: Session) -> bool:
    return session.scalars(select(ShippingRate.id).limit(1)).first() is not None


def give_back(shop: Shop, order: OrderView, *pieces: int, **options: Any) -> int:
    """A refund by staff: so many pieces of each line, or what `options` say."""
    wanted: dict[str, Any] = {
        "lines": {line.id: quantity for line, quantity in zip(order.lines, pieces, strict=False)},
        "shipping": False,
        "amount_minor": None,
        "restock": False,
        "reason": "requested_by_customer",
        "note": "",
        "actor": STAFF,
        "press": f"{now()}",
    }
    return refund(shop.database, shop.gateway, order.number, **(wanted | options))


def dashboard(shop: Shop) -> stripe.StripeClient:
    """Stripe's dashboard, of which nobody tells the shop but the events."""
    return stripe.StripeClient(TEST_KEY, base_addresses={"api": shop.stripe_url})


def refund_in_dashboard(shop: Shop, order: OrderView, amount: int | None = None, **params: Any) -> stripe.Refund:
    wanted: Any = {"payment_intent": order.payment_intent, **params} | ({"amount": amount} if amount else {})
    return dashboard(shop).v1.refunds.create(params=wanted)


def told_of(shop: Shop, *types: str) -> list[Any]:
    """The events about refunds so far, as they were when they happened, the oldest first."""
    wanted = types or ("refund.created", "refund.updated", "refund.failed")
    return [event for event in shop.stripe.events() if event["type"] in wanted]


def hear(shop: Shop, *events: Any) -> list[Settled]:
    """What the events say, in this order, is settled."""
    settled = []
    for event in events:
        with shop.database.transaction() as session:
            at = datetime.fromtimestamp(event["created"], UTC)
            told = read_refund(event["data"]["object"])
            settled.append(settle_refund(session, told, f"webhook {event['id']}", at))
    return settled


def refunds(shop: Shop, order: OrderView) -> tuple[RefundView, ...]:
    with shop.database.reading() as session:
        return refunds_of(session, order.id)


def sums(shop: Shop, order: OrderView) -> tuple[int, int]:
    """What has been given back of an order and what is on its way."""
    known = shop.order(order.id)
    return known.refunded.minor, known.refund_pending.minor


def mails(shop: Shop) -> list[str]:
    """The kinds of the messages written so far, but receipts."""
    with shop.database.reading() as session:
        kinds = session.scalars(select(OutboxMessage.kind).order_by(OutboxMessage.id))
        return [kind for kind in kinds if kind != "receipt"]


def time_passes(shop: Shop, **length: float) -> None:
    """For refunds and for Stripe."""
    gone = timedelta(**length)
    with shop.database.transaction() as session:
        for row in session.scalars(select(Refund)):
            moved = {"created_at": row.created_at - gone, "looked_at": row.looked_at and row.looked_at - gone}
            session.execute(update(Refund).where(Refund.id == row.id).values(**moved))
    shop.stripe.advance(gone.total_seconds())


def holds(shop: Shop, *, everything_told: bool = True) -> None:
    """Every promise holds, and the shop's books and Stripe's say the same."""
    with shop.database.reading() as session:
        wrong = broken(session) + broken_books(session)
        wrong += money_disagreements(
            session, shop.stripe.refunds(), shop.stripe.disputes(), everything_told=everything_told
        )
    assert wrong == []
