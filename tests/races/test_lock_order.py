"""Whoever locks a cart and variants takes the cart first. Held on PostgreSQL, which would end one of two that wait in a ring."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from shop.cart.models import Cart
from shop.catalog import stock
from shop.catalog.models import Variant
from shop.checkout.settle import settle
from shop.config import Settings
from shop.db import Database
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop, running_shop
from tests.support.serving import eventually


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
def shop(make_settings: Callable[..., Settings], postgres_database: Database) -> Iterator[Shop]:
    with running_shop(make_settings, postgres_database) as shop:
        yield shop


def waiting_for_a_lock(database: Database) -> bool:
    with database.reading() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def meet(shop: Shop, work: Callable[[Session], Any], variant_id: int, cart_id: int) -> list[OperationalError]:
    """Hold the cart as `place` does, let `work` run into it, then take the variant as `place` does. Who was ended?"""
    ended: list[OperationalError] = []

    def run() -> None:
        try:
            with shop.database.transaction() as session:
                work(session)
        except OperationalError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    try:
        with shop.database.transaction() as session:
            session.execute(select(Cart.id).where(Cart.id == cart_id).with_for_update())
            thread.start()
            eventually(lambda: waiting_for_a_lock(shop.database))
            stock.reserve(session, {variant_id: 1})
            session.rollback()
    except OperationalError as error:
        ended.append(error)
    thread.join(20)
    return ended


def paid_order(shop: Shop) -> tuple[int, int, Any]:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        variant = a_variant(session, stock=3)
        cart_id, _ = a_cart(session, (variant, 1))
    shop.stripe.hold_deliveries()
    session_id = shop.session_of(shop.place(cart_id).order_id)
    shop.stripe.pay(session_id)
    return variant.id, cart_id, shop.gateway.get_session(session_id)


def test_a_payment_that_settles_while_its_cart_is_placed_anew_waits_instead_of_deadlocking(shop: Shop) -> None:
    variant_id, cart_id, told = paid_order(shop)
    assert meet(shop, lambda session: settle(session, told, "webhook"), variant_id, cart_id) == []
    with shop.database.reading() as session:
        assert session.execute(select(Variant.on_hand, Variant.reserved)).one() == (2, 0)


def test_control_variants_before_the_cart_leave_each_waiting_for_the_other(shop: Shop) -> None:
    variant_id, cart_id, _ = paid_order(shop)

    def the_other_way_round(session: Session) -> None:
        session.execute(update(Variant).where(Variant.id == variant_id).values(weight_grams=1))
        session.execute(select(Cart.id).where(Cart.id == cart_id).with_for_update())

    (ended,) = meet(shop, the_other_way_round, variant_id, cart_id)
    assert "deadlock detected" in str(ended)
