"""Who hears first that an order is paid; beside each race the control that takes its guard away and sees the failure."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import stripe
from sqlalchemy import bindparam, func, insert, select, update

from shop.cart import adding
from shop.cart.models import Cart
from shop.catalog.models import StockMovement, Variant
from shop.checkout import beginning
from shop.checkout import settle as settling
from shop.checkout.closing import abandon, look_at_payment
from shop.checkout.events import apply_event
from shop.checkout.sweep import sweep
from shop.db import now
from shop.errors import ShopError
from shop.orders.models import Order
from shop.payments import receiving
from shop.payments.inbox import events_of_order
from shop.payments.models import PaymentAttempt, StripeEvent
from shop.payments.receiving import receive
from shop.payments.signature import verify
from shop.prepared import Prepared
from shop.sandbox.refusals import Refusal
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import TEST_WEBHOOK_SECRET, Shop
from tests.support.invariants import broken, disagreements
from tests.support.racing import met_after, together, without_constraint, without_row_locks


def holds(shop: Shop) -> None:
    with shop.database.reading() as session:
        assert broken(session) + disagreements(session, shop.stripe.sessions(), shop.stripe.events()) == []


def an_order(shop: Shop) -> int:
    """One piece of five, waiting for its payment; another reader has an order of the same shirt."""
    shop.stripe.hold_deliveries()
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        shirt = a_variant(session, stock=5)
        ours, theirs = a_cart(session, (shirt, 1))[0], a_cart(session, (shirt, 2))[0]
    shop.place(theirs)
    return shop.place(ours).order_id


def pay(shop: Shop, order_id: int) -> None:
    with suppress(Refusal):  # too late
        shop.stripe.pay(shop.session_of(order_id))


def delivery_of_its_payment(shop: Shop, order_id: int, event_id: str | None = None) -> Callable[[], Any]:
    """The order is paid at Stripe; what is returned hands the event in, under another id if one is given."""
    pay(shop, order_id)
    told = shop.stripe.events("checkout.session.completed")[0]
    body = json.dumps(told | {"id": event_id or told["id"]}).encode()
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), TEST_WEBHOOK_SECRET)
    event = verify(body, header, (TEST_WEBHOOK_SECRET,))
    return lambda: receive(shop.database, event, apply_event)


def sales(shop: Shop) -> int:
    with shop.database.reading() as session:
        return session.scalar(select(func.count()).where(StockMovement.kind == "sale")) or 0


def test_one_event_delivered_eight_times_at_once_sells_once(shop: Shop) -> None:
    order_id = an_order(shop)
    deliver = delivery_of_its_payment(shop, order_id)
    verdicts = together(*[deliver] * 8)
    assert sorted(verdict.state for verdict in verdicts) == ["applied"] + ["duplicate"] * 7
    assert sales(shop) == 1
    assert shop.order(order_id).status == "paid"
    holds(shop)


def test_one_event_delivered_a_hundred_times_at_once_sells_once(shop: Shop) -> None:
    order_id = an_order(shop)
    deliver = delivery_of_its_payment(shop, order_id)
    verdicts = together(*[deliver] * 100)
    assert sorted(verdict.state for verdict in verdicts) == ["applied"] + ["duplicate"] * 99
    assert sales(shop) == 1
    with shop.database.reading() as session:
        (event,) = events_of_order(session, order_id)
    assert (event.state, event.attempts) == ("applied", 100)
    holds(shop)


def test_control_an_inbox_that_looks_before_it_inserts_settles_the_same_event_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the unique key and the order's lock, the same event is applied by each who has not seen the other."""
    unguarded(shop, monkeypatch)
    columns = [column.name for column in StripeEvent.__table__.columns if column.name not in {"id", "order_id"}]
    bound: dict[str, Any] = {name: bindparam(name) for name in columns}
    looking_first = insert(StripeEvent).values(bound).returning(StripeEvent.id)
    monkeypatch.setattr(receiving, "_STORE", Prepared(looking_first))
    with (
        without_constraint(shop.database, "stock_movements", "uq_stock_movements_variant_id_kind_reference"),
        without_constraint(shop.database, "stripe_events", "uq_stripe_events_stripe_id"),
        without_row_locks(shop.database),
    ):
        order_id = an_order(shop)
        deliver = delivery_of_its_payment(shop, order_id)
        assert [verdict.state for verdict in together(deliver, deliver)] == ["applied", "applied"]
        assert sales(shop) == 2


def unguarded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever settles has read the order before anybody has written."""
    monkeypatch.setattr(settling, "_lock_order", met_after(settling._lock_order))


def test_control_without_unique_event_and_locked_order_one_payment_takes_the_goods_of_another_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under two ids one event is not known to be the same."""
    unguarded(shop, monkeypatch)
    with (
        without_constraint(shop.database, "stock_movements", "uq_stock_movements_variant_id_kind_reference"),
        without_row_locks(shop.database),
    ):
        order_id = an_order(shop)
        together(*[delivery_of_its_payment(shop, order_id, f"evt_{number}") for number in range(2)])
        assert sales(shop) == 2
        with shop.database.reading() as session:
            assert any("open orders" in said for said in broken(session))


def test_the_return_page_and_the_webhook_at_once_settle_once(shop: Shop) -> None:
    order_id = an_order(shop)
    outcomes = together(
        delivery_of_its_payment(shop, order_id), lambda: look_at_payment(shop.database, shop.gateway, order_id)
    )
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    assert sales(shop) == 1
    holds(shop)


def test_control_without_the_lock_on_the_order_return_page_and_webhook_both_take_the_goods(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    unguarded(shop, monkeypatch)
    with (
        without_constraint(shop.database, "stock_movements", "uq_stock_movements_variant_id_kind_reference"),
        without_row_locks(shop.database),
    ):
        order_id = an_order(shop)
        deliver = delivery_of_its_payment(shop, order_id)
        together(deliver, lambda: look_at_payment(shop.database, shop.gateway, order_id))
        assert sales(shop) == 2
        with shop.database.reading() as session:
            assert any("open orders" in said for said in broken(session))


def test_without_that_lock_the_ledger_still_lets_only_one_of_them_through(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    unguarded(shop, monkeypatch)
    order_id = an_order(shop)
    deliver = delivery_of_its_payment(shop, order_id)
    with without_row_locks(shop.database):
        outcomes = together(deliver, lambda: look_at_payment(shop.database, shop.gateway, order_id))
    assert sum("uq_stock_movements" in str(outcome) for outcome in outcomes) == 1
    assert sales(shop) == 1
    holds(shop)


def a_full_cart(shop: Shop) -> int:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        return a_cart(session, (a_variant(session, stock=5), 1))[0]


def test_two_checkouts_of_one_cart_lead_to_one_session(shop: Shop) -> None:
    cart_id = a_full_cart(shop)
    outcomes = together(*[lambda: shop.place(cart_id)] * 4)
    # A call that meets its twin at Stripe may be told to try again; nobody gets a second session.
    urls = {outcome.payment_url for outcome in outcomes if not isinstance(outcome, ShopError)}
    assert len(urls) == 1
    assert [told["status"] for told in shop.stripe.sessions()] == ["open"]
    holds(shop)


def test_control_without_the_lock_on_the_cart_it_gets_two_payable_sessions(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Instead of the UPDATE whose row lock makes checkouts take turns.
    only_look = select(Cart.country, Cart.express_key).where(Cart.id == bindparam("cart"))
    monkeypatch.setattr(beginning, "_LOCK", only_look)
    monkeypatch.setattr(beginning, "_check", met_after(beginning._check))  # called once no open order was found
    with without_constraint(shop.database, "orders", "uq_orders_open_cart_id"):
        cart_id = a_full_cart(shop)
        together(*[lambda: shop.place(cart_id)] * 2)
        assert [told["status"] for told in shop.stripe.sessions()] == ["open", "open"]
        with shop.database.reading() as session:
            said = broken(session) + disagreements(session, shop.stripe.sessions(), shop.stripe.events())
            assert any("another payable session" in each for each in said)


@pytest.mark.parametrize("round_", range(4))
def test_paying_and_coming_back_without_paying_at_once_end_in_one_of_the_two(shop: Shop, round_: int) -> None:
    order_id = an_order(shop)
    shop.stripe.release_deliveries()
    together(lambda: pay(shop, order_id), lambda: abandon(shop.database, shop.gateway, order_id))
    look_at_payment(shop.database, shop.gateway, order_id)
    told = shop.stripe.session(shop.session_of(order_id))["status"]
    assert shop.order(order_id).status == {"complete": "paid", "expired": "expired"}[told]
    holds(shop)


@pytest.mark.parametrize("round_", range(4))
def test_a_payment_in_the_last_moment_and_two_sweeps_agree(shop: Shop, round_: int) -> None:
    order_id = an_order(shop)
    shop.stripe.release_deliveries()
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(expires_at=now()))
    together(lambda: pay(shop, order_id), *[lambda: sweep(shop.database, shop.gateway)] * 2)
    told = shop.stripe.session(shop.session_of(order_id))["status"]
    assert shop.order(order_id).status == {"complete": "paid", "expired": "expired"}[told]
    holds(shop)


def test_control_a_timer_of_our_own_sells_what_somebody_is_paying_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without asking Stripe to end the session first."""
    order_id = an_order(shop)
    look = shop.gateway.get_session
    monkeypatch.setattr(shop.gateway, "expire_session", lambda key: replace(look(key), status="expired"))
    abandon(shop.database, shop.gateway, order_id)
    pay(shop, order_id)
    with shop.database.reading() as session:
        said = disagreements(session, shop.stripe.sessions(), shop.stripe.events())
    assert any("its session is paid" in each for each in said)


def test_a_delayed_payment_and_the_next_checkout_of_its_cart_wait_for_each_other(shop: Shop) -> None:
    """The one locks the order, the cart and the variants, the other the cart and the variants: never the other way round."""
    order_id = an_order(shop)
    shop.stripe.pay(shop.session_of(order_id), method="delayed_debit")
    look_at_payment(shop.database, shop.gateway, order_id)
    with shop.database.transaction() as session:
        shirt = session.scalars(select(Variant.id)).one()
        cart_id = session.scalars(select(Order.cart_id).where(Order.id == order_id)).one()
        adding.add_to_cart(session, cart_id, shirt, 1, limit=20)
    shop.stripe.settle_delayed(shop.session_of(order_id), ok=True)
    outcomes = together(
        lambda: look_at_payment(shop.database, shop.gateway, order_id), lambda: shop.place(cart_id).order_id
    )
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    assert shop.order(order_id).status == "paid"
    assert shop.order(outcomes[1]).status == "pending"
    holds(shop)
