"""Two tellings of one dispute, two of the staff at one order; beside each the control that takes the lock away."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select, update

from shop.catalog import stock
from shop.catalog.models import StockMovement, Variant
from shop.checkout import attention, disputes
from shop.checkout.attention import backorder, give_back_unmatched
from shop.checkout.closing import look_at_payment
from shop.checkout.disputes import settle_dispute
from shop.checkout.ship import ship
from shop.errors import InvalidChange
from shop.mail.models import OutboxMessage
from shop.orders.models import Order
from shop.orders.reading import OrderView
from shop.payments.models import Refund
from shop.payments.told import read_dispute
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop
from tests.support.racing import met_after, together, without_row_locks
from tests.support.refunding import STAFF, a_paid_order, an_owed_order, holds
from tests.support.staff import an_account, trail


def tellings(shop: Shop, *events: Any) -> list[Callable[[], Any]]:
    def settle(event: Any) -> Any:
        told = read_dispute(event["data"]["object"])
        with shop.database.transaction() as session:
            return settle_dispute(
                session, told, f"webhook {event['id']}", datetime.fromtimestamp(event["created"], UTC)
            )

    return [lambda event=event: settle(event) for event in events]  # type: ignore[misc]


def dispute_events(shop: Shop) -> list[Any]:
    return [event for event in shop.stripe.events() if event["type"].startswith("charge.dispute.")]


def steps(shop: Shop, order: OrderView, what: str) -> int:
    return [entry.what for entry in shop.order(order.id).entries].count(what)


def count(shop: Shop, *conditions: Any) -> int:
    with shop.database.reading() as session:
        return session.scalar(select(func.count()).where(*conditions)) or 0


def a_wrong_payment(shop: Shop) -> OrderView:
    shop.stripe.hold_deliveries()
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id = a_cart(session, (a_variant(session, stock=3), 2))[0]
    order_id = shop.place(cart_id).order_id
    with shop.database.transaction() as session:
        session.execute(update(Order).values(subtotal_minor=9900, total_minor=9900))
    shop.stripe.pay(shop.session_of(order_id))
    look_at_payment(shop.database, shop.gateway, order_id)
    assert shop.order(order_id).status == "attention"
    return shop.order(order_id)


def test_a_whole_dispute_told_at_once_and_twice_ends_where_stripe_says(shop: Shop) -> None:
    order = a_paid_order(shop)
    an_account(shop.database, "owner")
    shop.stripe.settle_dispute(shop.stripe.dispute(shop.session_of(order.id))["id"], won=True)
    events = dispute_events(shop)
    together(*tellings(shop, *events, *events))
    assert shop.order(order.id).status == "paid"
    assert [steps(shop, order, what) for what in ("dispute_took", "dispute_brought_back", "dispute_won")] == [1, 1, 1]
    assert count(shop, OutboxMessage.kind == "staff_dispute") <= 2
    holds(shop)


def test_control_without_the_lock_on_the_order_one_withdrawal_is_told_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = a_paid_order(shop)
    shop.stripe.dispute(shop.session_of(order.id))
    event = dispute_events(shop)[0]
    before = event | {"data": {"object": event["data"]["object"] | {"balance_transactions": []}}}
    together(*tellings(shop, before))
    monkeypatch.setattr(disputes, "_is_later", met_after(disputes._is_later))
    with without_row_locks(shop.database):
        together(*tellings(shop, event, event))
    assert steps(shop, order, "dispute_took") == 2


def test_two_of_the_staff_who_backorder_at_once_tell_the_buyer_once(shop: Shop) -> None:
    order = an_owed_order(shop)
    together(*[lambda: backorder(shop.database, order.number, actor=STAFF)] * 4)
    assert [action for action, _, _ in trail(shop.database)] == ["order.backorder"]
    assert steps(shop, order, "dealt_with") == 1
    assert count(shop, OutboxMessage.kind == "order_needs_you") == 1
    holds(shop)


def test_control_without_the_lock_on_the_order_both_are_written_down(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = an_owed_order(shop)
    monkeypatch.setattr(attention, "lock_by_number", met_after(attention.lock_by_number))
    with without_row_locks(shop.database):
        together(*[lambda: backorder(shop.database, order.number, actor=STAFF)] * 2)
    assert [action for action, _, _ in trail(shop.database)] == ["order.backorder"] * 2


def test_two_desks_that_give_a_wrong_payment_back_at_once_give_it_back_once(shop: Shop) -> None:
    order = a_wrong_payment(shop)

    def press(desk: str) -> Callable[[], int]:
        return lambda: give_back_unmatched(shop.database, shop.gateway, order.number, actor=desk, press=desk)

    outcomes = together(*[press(desk) for desk in ("one", "two", "three")])
    # Whoever meets the other's call at Stripe may be told to try again; there is one refund all the same.
    assert len({outcome for outcome in outcomes if isinstance(outcome, int)}) == 1
    assert count(shop, Refund.order_id == order.id) == 1
    assert len(shop.stripe.refunds()) == 1
    assert shop.order(order.id).status == "cancelled"
    holds(shop)


def test_control_without_the_lock_on_the_order_each_desk_asks_for_a_refund_of_its_own(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = a_wrong_payment(shop)
    monkeypatch.setattr(attention, "lock_by_number", met_after(attention.lock_by_number))

    def press(desk: str) -> Callable[[], int]:
        return lambda: give_back_unmatched(shop.database, shop.gateway, order.number, actor=desk, press=desk)

    with without_row_locks(shop.database):
        together(press("one"), press("two"))
    assert count(shop, Refund.order_id == order.id) == 2


def test_two_parcels_of_an_order_that_was_owed_its_goods_take_them_once(shop: Shop) -> None:
    order = an_owed_order(shop)
    backorder(shop.database, order.number, actor=STAFF)
    with shop.database.transaction() as session:
        stock.adjust(session, session.scalars(select(Variant.id)).one(), 4, "a box came", STAFF, kind="receive")
    outcomes = together(
        *[lambda: ship(shop.database, order.number, carrier="Post", tracking_number="1", actor=STAFF)] * 3
    )
    assert [isinstance(outcome, InvalidChange) for outcome in outcomes].count(False) == 1
    assert count(shop, StockMovement.kind == "sale") == 1
    holds(shop)


def test_an_owed_order_and_a_buyer_who_want_the_last_pieces_do_not_both_get_them(shop: Shop) -> None:
    order = an_owed_order(shop)
    backorder(shop.database, order.number, actor=STAFF)
    with shop.database.transaction() as session:
        shirt = session.scalars(select(Variant)).one()
        stock.adjust(session, shirt.id, 1, "one more came", STAFF, kind="receive")
        cart_id = a_cart(session, (shirt, 1))[0]
    together(
        lambda: ship(shop.database, order.number, carrier="Post", tracking_number="1", actor=STAFF),
        lambda: shop.place(cart_id),
    )
    holds(shop)
    with shop.database.reading() as session:
        on_hand, reserved = session.execute(select(Variant.on_hand, Variant.reserved)).one()
    shipped = shop.order(order.id).shipped_at is not None
    assert (on_hand, reserved) == ((0, 0) if shipped else (2, 1))
