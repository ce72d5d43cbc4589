"""Whose turn it is when orders are swept."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from shop.catalog.models import Variant
from shop.checkout.closing import look_at_payment
from shop.checkout.sweep import Swept, sweep
from shop.db import now
from shop.orders.models import Order
from shop.payments.gateway import Gateway
from shop.payments.models import PaymentAttempt
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop


@pytest.fixture
def shirt(shop: Shop) -> int:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        return a_variant(session, stock=9).id


def an_order(shop: Shop, shirt: int) -> int:
    with shop.database.transaction() as session:
        cart_id, _ = a_cart(session, (session.get_one(Variant, shirt), 1))
    return shop.place(cart_id).order_id


def test_orders_that_stripe_is_silent_about_keep_no_others_waiting(shop: Shop, shirt: int) -> None:
    first, second = an_order(shop, shirt), an_order(shop, shirt)
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(expires_at=now() - timedelta(hours=1)))
    shop.stripe.fail_next(1, "500")
    once = Gateway(shop.settings, time_out=(1.0, 3.0), retries=0)
    assert sweep(shop.database, once, limit=1) == Swept(postponed=1)
    assert sweep(shop.database, once, limit=1) == Swept(closed=1)
    assert (shop.order(first).status, shop.order(second).status) == ("pending", "expired")
    assert sweep(shop.database, once, limit=1) == Swept(closed=1)
    assert shop.order(first).status == "expired"
    assert sweep(shop.database, once) == Swept()


def test_a_delayed_payment_is_asked_about_once_an_hour_for_as_long_as_it_takes(shop: Shop, shirt: int) -> None:
    order_id = an_order(shop, shirt)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id), method="delayed_debit")
    look_at_payment(shop.database, shop.gateway, order_id)
    assert sweep(shop.database, shop.gateway) == Swept()
    with shop.database.transaction() as session:
        session.execute(update(Order).values(processing_at=now() - timedelta(days=2)))
        session.execute(update(PaymentAttempt).values(expires_at=now() - timedelta(days=2)))
    assert sweep(shop.database, shop.gateway) == Swept(looked_at=1)
    assert sweep(shop.database, shop.gateway) == Swept()
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(looked_at=now() - timedelta(minutes=61)))
    assert sweep(shop.database, shop.gateway) == Swept(looked_at=1)
    with shop.database.reading() as session:
        assert session.scalars(select(Variant.reserved)).one() == 1
    shop.stripe.settle_delayed(shop.session_of(order_id), ok=True)
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(looked_at=now() - timedelta(minutes=61)))
    assert sweep(shop.database, shop.gateway) == Swept(looked_at=1)
    assert shop.order(order_id).status == "paid"
