"""Races on a real PostgreSQL with real commits; beside each, the control that shows the failure without the guard."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, update

from shop.cart.lines import add_to_cart
from shop.catalog import stock
from shop.catalog.models import StockMovement, Variant
from shop.checkout.closing import look_at_payment
from shop.checkout.events import apply_event
from shop.config import Settings
from shop.db import Database
from shop.errors import OutOfStock, ShopError
from shop.orders.models import Order
from shop.payments.inbox import receive, verify
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import TEST_WEBHOOK_SECRET, Shop, running_shop
from tests.support.invariants import broken


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
def shop(make_settings: Callable[..., Settings], postgres_database: Database) -> Iterator[Shop]:
    with running_shop(make_settings, postgres_database) as shop:
        yield shop


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run the works at the same moment; what each returned, or the ShopError it raised."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        gate.wait(10)
        try:
            return work()
        except ShopError as refusal:
            return refusal

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(30) for future in [pool.submit(run, work) for work in works]]


def two_carts_for_the_last_shirt(shop: Shop) -> tuple[int, int]:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        variant = a_variant(session, stock=1)
        return a_cart(session, (variant, 1))[0], a_cart(session, (variant, 1))[0]


def test_two_buyers_of_the_last_shirt_leave_one_of_them_told_it_is_gone(shop: Shop) -> None:
    first, second = two_carts_for_the_last_shirt(shop)
    outcomes = together(lambda: shop.place(first), lambda: shop.place(second))
    assert sum(isinstance(outcome, OutOfStock) for outcome in outcomes) == 1
    assert len(shop.stripe.sessions()) == 1
    with shop.database.reading() as session:
        assert broken(session) == []


def test_control_without_the_guard_both_buyers_read_one_shirt_and_both_take_it(shop: Shop) -> None:
    with shop.database.transaction() as session:
        variant_id = a_variant(session, stock=1).id
    both_have_read = threading.Barrier(2)

    def unguarded() -> bool:
        with shop.database.transaction() as session:
            row = session.execute(select(Variant.on_hand, Variant.reserved).where(Variant.id == variant_id)).one()
            both_have_read.wait(10)
            return bool(row.on_hand - row.reserved >= 1)

    assert together(unguarded, unguarded) == [True, True]


def paid_event(shop: Shop) -> tuple[bytes, Any, int]:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id, _ = a_cart(session, (a_variant(session, stock=5), 1))
    order_id = shop.place(cart_id).order_id
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id))
    import json

    import stripe

    body = json.dumps(shop.stripe.events("checkout.session.completed")[0]).encode()
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), TEST_WEBHOOK_SECRET)
    return body, verify(body, header, (TEST_WEBHOOK_SECRET,)), order_id


def sold(shop: Shop) -> int:
    with shop.database.reading() as session:
        return session.scalar(select(func.count()).where(StockMovement.kind == "sale")) or 0


def test_one_event_delivered_eight_times_at_once_sells_once(shop: Shop) -> None:
    body, event, order_id = paid_event(shop)
    verdicts = together(*[lambda: receive(shop.database, event, body, apply_event)] * 8)
    assert sorted(verdict.state for verdict in verdicts) == ["applied"] + ["duplicate"] * 7
    assert sold(shop) == 1
    assert shop.order(order_id).status == "paid"
    with shop.database.reading() as session:
        assert broken(session) == []


def test_control_without_the_unique_event_and_the_lock_two_deliveries_both_see_an_unpaid_order(shop: Shop) -> None:
    _, _, order_id = paid_event(shop)
    both_have_read = threading.Barrier(2)

    def unguarded() -> bool:
        with shop.database.transaction() as session:
            unpaid = session.scalars(select(Order.paid_at).where(Order.id == order_id)).one() is None
            both_have_read.wait(10)
            return unpaid

    assert together(unguarded, unguarded) == [True, True]


def test_the_return_page_and_the_webhook_at_once_settle_once(shop: Shop) -> None:
    body, event, order_id = paid_event(shop)
    outcomes = together(
        lambda: receive(shop.database, event, body, apply_event),
        lambda: look_at_payment(shop.database, shop.gateway, order_id),
    )
    assert not any(isinstance(outcome, ShopError) for outcome in outcomes)
    assert sold(shop) == 1
    with shop.database.reading() as session:
        assert broken(session) == []


def test_two_checkouts_of_one_cart_lead_to_one_session(shop: Shop) -> None:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id, _ = a_cart(session, (a_variant(session, stock=5), 1))
    outcomes = together(*[lambda: shop.place(cart_id)] * 4)
    # A call that meets its twin at Stripe may be told to try again; nobody gets a second session.
    urls = {outcome.payment_url for outcome in outcomes if not isinstance(outcome, ShopError)}
    assert len(urls) == 1
    assert [told["status"] for told in shop.stripe.sessions()] == ["open"]
    with shop.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 1
        assert broken(session) == []


def test_control_without_the_lock_on_the_cart_two_checkouts_both_find_no_open_order(shop: Shop) -> None:
    with shop.database.transaction() as session:
        cart_id, _ = a_cart(session, (a_variant(session), 1))
    both_have_read = threading.Barrier(2)

    def unguarded() -> bool:
        with shop.database.transaction() as session:
            none_open = session.scalars(select(Order.id).where(Order.open_cart_id == cart_id)).first() is None
            both_have_read.wait(10)
            return none_open

    assert together(unguarded, unguarded) == [True, True]


def test_checkouts_that_share_variants_never_deadlock(shop: Shop) -> None:
    with shop.database.transaction() as session:
        shirts = [a_variant(session, stock=100) for _ in range(4)]
        ids = [shirt.id for shirt in shirts]

    def reserve(order: list[int]) -> None:
        for _ in range(10):
            with shop.database.transaction() as session:
                stock.reserve(session, dict.fromkeys(order, 1))

    together(*[lambda order=order: reserve(order) for order in (ids, ids[::-1], ids[1:] + ids[:1], ids[2:] + ids[:2])])
    with shop.database.transaction() as session:
        assert set(session.scalars(select(Variant.reserved))) == {40}
        session.execute(update(Variant).values(reserved=0))


def test_two_clicks_on_add_make_one_line_with_both_pieces(shop: Shop) -> None:
    with shop.database.transaction() as session:
        variant_id = a_variant(session, stock=9).id
        cart_id, _ = a_cart(session)

    def add() -> None:
        with shop.database.transaction() as session:
            add_to_cart(session, cart_id, variant_id, 1, limit=20)

    together(add, add)
    from shop.cart.models import CartLine

    with shop.database.reading() as session:
        assert list(session.scalars(select(CartLine.quantity))) == [2]
