"""What Stripe says becomes what the shop knows, also when it was said to nobody."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from shop.cart import adding
from shop.catalog.models import Variant
from shop.checkout.closing import look_at_payment
from shop.checkout.sweep import sweep
from shop.db import now
from shop.errors import AlreadyPaid
from shop.mail.models import OutboxMessage
from shop.orders.models import Order
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop
from tests.support.invariants import broken
from tests.support.serving import eventually


@pytest.fixture
def cart(shop: Shop) -> int:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        return a_cart(session, (a_variant(session, stock=3), 1))[0]


def holds(shop: Shop) -> None:
    with shop.database.reading() as session:
        assert broken(session) == []


def newest_order(shop: Shop) -> int:
    with shop.database.reading() as session:
        return session.scalars(select(Order.id).order_by(Order.id.desc())).first() or 0


def unpaid_after_all(shop: Shop, cart: int) -> int:
    """An order whose delayed payment has failed, of which no event has told."""
    order_id = shop.place(cart).order_id
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id), method="delayed_debit")
    look_at_payment(shop.database, shop.gateway, order_id)
    assert shop.order(order_id).status == "processing"
    shop.stripe.settle_delayed(shop.session_of(order_id), ok=False)
    return order_id


def test_the_sweep_finds_a_delayed_payment_that_failed_and_of_which_no_event_told(shop: Shop, cart: int) -> None:
    order_id = unpaid_after_all(shop, cart)
    with shop.database.transaction() as session:
        session.execute(update(Order).values(processing_at=now() - timedelta(hours=2)))
    sweep(shop.database, shop.gateway)
    assert shop.order(order_id).status == "payment_failed"
    with shop.database.reading() as session:
        assert session.scalars(select(Variant.reserved)).one() == 0
        assert session.scalars(select(OutboxMessage.kind)).all() == ["payment_failed"]
    holds(shop)


def test_events_that_come_after_the_sweep_found_a_failed_payment_change_nothing(shop: Shop, cart: int) -> None:
    order_id = unpaid_after_all(shop, cart)
    look_at_payment(shop.database, shop.gateway, order_id)
    before = shop.order(order_id)
    assert before.status == "payment_failed"
    shop.stripe.deliver_now()
    assert shop.order(order_id) == before
    holds(shop)


def test_a_delayed_payment_that_the_bank_has_not_answered_keeps_its_goods(shop: Shop, cart: int) -> None:
    order_id = shop.place(cart).order_id
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id), method="delayed_debit")
    look_at_payment(shop.database, shop.gateway, order_id)
    look_at_payment(shop.database, shop.gateway, order_id)
    assert shop.order(order_id).status == "processing"
    with shop.database.reading() as session:
        assert session.scalars(select(Variant.reserved)).one() == 1


@pytest.mark.parametrize("method", ["card", "delayed_debit"])
def test_one_press_of_buy_now_buys_once_even_after_it_was_paid(shop: Shop, method: str) -> None:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        variant_id = a_variant(session, stock=3).id

    def press(key: str) -> int:
        with shop.database.transaction() as session:
            cart_id = adding.buy_now(session, key, f"handle of {key}", variant_id, 1, limit=20)
        return shop.place(cart_id).order_id

    bought = press("first")
    shop.stripe.pay(shop.session_of(bought), method=method)
    eventually(lambda: shop.order(bought).status in {"paid", "processing"})
    with pytest.raises(AlreadyPaid) as refusal:
        press("first")
    assert refusal.value.access_token == shop.order(bought).access_token
    assert press("second") != bought
    holds(shop)


def test_a_failed_payment_may_be_tried_again_with_the_same_press(shop: Shop) -> None:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        variant_id = a_variant(session, stock=3).id

    def press() -> int:
        with shop.database.transaction() as session:
            cart_id = adding.buy_now(session, "press", "handle", variant_id, 1, limit=20)
        return shop.place(cart_id).order_id

    first = press()
    shop.stripe.pay(shop.session_of(first), method="delayed_debit")
    shop.stripe.settle_delayed(shop.session_of(first), ok=False)
    eventually(lambda: shop.order(first).status == "payment_failed")
    assert press() != first
    holds(shop)


def test_a_checkout_whose_session_ended_before_its_answer_came_opens_another(shop: Shop, cart: int) -> None:
    """Nothing has been paid, so nobody is told that it has."""
    shop.stripe.fail_next(1, "slow")
    with ThreadPoolExecutor(1) as buyer:
        slow = buyer.submit(shop.place, cart)
        eventually(lambda: shop.stripe.waiting_calls() == 1)
        shop.stripe.expire(shop.stripe.sessions()[0]["id"])
        eventually(lambda: shop.order(newest_order(shop)).status == "expired")
        shop.stripe.release_calls()
        placed = slow.result(10)
    assert placed.order_id == newest_order(shop)
    told = shop.stripe.session(shop.session_of(placed.order_id))
    assert (told["status"], told["url"]) == ("open", placed.payment_url)
    holds(shop)
