"""Forgetting carts that nobody came back for."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from shop import tasks as shop_tasks
from shop.cart.forgetting import forget_carts
from shop.cart.models import Cart, CartHandover, CartLine
from shop.config import Settings
from shop.db import Database, now
from shop.orders.models import Order
from shop.tasks import Tasks, close_queue, queue_for, tasks_on
from shop.workshop import Workshop
from tests.builders import a_cart, a_variant
from tests.support.letters import an_order
from tests.support.serving import eventually


@pytest.fixture
def tasks(settings: Settings) -> Iterator[Tasks]:
    tasks = tasks_on(queue_for(settings), Workshop(settings))
    yield tasks
    tasks.workshop.close()
    close_queue(tasks.queue)


def test_carts_that_nobody_came_back_for_are_forgotten_and_all_others_stay(
    tasks: Tasks, settings: Settings, database: Database
) -> None:
    long_ago = now() - timedelta(days=settings.shop_cart_days, minutes=1)
    with database.transaction() as session:
        shirt = a_variant(session, stock=99)
        carts = {name: a_cart(session, (shirt, 1))[0] for name in ("old", "payable", "paid", "fresh")}
        payable = an_order(
            session, status="pending", stock_state="reserved", paid_minor=0, paid_at=None, closed_at=None
        )
        payable.cart_id = payable.open_cart_id = carts["payable"]
        paid = an_order(session)
        paid.cart_id = carts["paid"]
        paid_id = paid.id
        session.add_all(
            CartHandover(ticket_digest=f"{name}", cart_id=carts["fresh"], expires_at=moment)
            for name, moment in (("spent", long_ago), ("good", now() + timedelta(minutes=5)))
        )
        session.flush()
        session.execute(update(Cart).where(Cart.id != carts["fresh"]).values(updated_at=long_ago))
    tasks.forget_old_carts.call_local()
    with database.reading() as session:
        assert set(session.scalars(select(Cart.id))) == {carts["payable"], carts["fresh"]}
        assert set(session.scalars(select(CartLine.cart_id))) == {carts["payable"], carts["fresh"]}
        assert session.scalars(select(CartHandover.ticket_digest)).all() == ["good"]
        assert session.get_one(Order, paid_id).cart_id is None


def test_a_great_many_carts_are_forgotten_a_few_at_a_time(
    tasks: Tasks, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop_tasks, "CARTS_AT_ONCE", 3)
    with database.transaction() as session:
        session.add_all(
            Cart(handle_digest=f"{number:064}", updated_at=now() - timedelta(days=400)) for number in range(10)
        )
    tasks.forget_old_carts.call_local()
    with database.reading() as session:
        assert session.scalars(select(Cart.id)).all() == []


def test_a_cart_that_is_touched_at_the_same_moment_stays(postgres_database: Database) -> None:
    database = postgres_database
    before = now() - timedelta(days=1)
    with database.transaction() as session:
        session.add(Cart(id=1, handle_digest="1" * 64, updated_at=before - timedelta(days=1)))
    forgotten: list[int] = []

    def forget() -> None:
        with database.transaction() as session:
            forgotten.append(forget_carts(session, before, select(Order.open_cart_id).where(Order.id < 0)))

    def waits_for_a_lock() -> bool:
        with database.reading() as session:
            waiting = text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE%'"
            )
            return bool(session.scalar(waiting))

    forgetting = threading.Thread(target=forget)
    with database.transaction() as session:
        session.execute(update(Cart).where(Cart.id == 1).values(updated_at=now()))
        forgetting.start()
        eventually(waits_for_a_lock)
    forgetting.join(30)
    assert forgotten == [0]
    with database.reading() as session:
        assert session.scalars(select(Cart.id)).all() == [1]
