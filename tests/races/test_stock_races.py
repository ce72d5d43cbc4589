"""Who gets the pieces; beside each race the control that takes its guard away and sees the failure."""

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from shop.catalog import stock
from shop.catalog.models import StockMovement, Variant
from shop.db import Database
from shop.errors import InvalidChange, OutOfStock
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop
from tests.support.invariants import broken
from tests.support.racing import met_after, together, without_constraint


def two_carts_for_the_last_shirt(shop: Shop) -> tuple[int, int]:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        variant = a_variant(session, stock=1)
        return a_cart(session, (variant, 1))[0], a_cart(session, (variant, 1))[0]


def wrong(database: Database) -> list[str]:
    with database.reading() as session:
        return broken(session)


def test_two_buyers_of_the_last_shirt_leave_one_of_them_told_it_is_gone(shop: Shop) -> None:
    first, second = two_carts_for_the_last_shirt(shop)
    outcomes = together(lambda: shop.place(first), lambda: shop.place(second))
    assert sum(isinstance(outcome, OutOfStock) for outcome in outcomes) == 1
    assert len(shop.stripe.sessions()) == 1
    assert wrong(shop.database) == []


def left_of(session: Session, variant_id: int) -> int:
    return session.scalars(select(Variant.on_hand - Variant.reserved).where(Variant.id == variant_id)).one()


def test_control_without_the_guard_one_shirt_is_sold_to_both(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    look = met_after(left_of)

    def look_then_take(session: Session, variant_id: int, wanted: int) -> bool:
        if look(session, variant_id) < wanted:
            return False
        session.execute(update(Variant).where(Variant.id == variant_id).values(reserved=Variant.reserved + wanted))
        return True

    monkeypatch.setattr(stock, "_reserve_one", look_then_take)
    with without_constraint(shop.database, "variants", "ck_variants_reserved_within_on_hand"):
        first, second = two_carts_for_the_last_shirt(shop)
        together(lambda: shop.place(first), lambda: shop.place(second))
        assert [told["status"] for told in shop.stripe.sessions()] == ["open", "open"]
        assert any("out of bounds" in said for said in wrong(shop.database))


def two_carts_with_the_same_goods(shop: Shop) -> tuple[int, int]:
    """In opposite order."""
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        shirt, mug = a_variant(session, stock=50), a_variant(session, stock=50, title="Mug")
        return a_cart(session, (shirt, 1), (mug, 1))[0], a_cart(session, (mug, 1), (shirt, 1))[0]


def test_carts_with_the_same_goods_in_opposite_order_wait_for_each_other(shop: Shop) -> None:
    carts = two_carts_with_the_same_goods(shop)
    outcomes = together(*[lambda cart=cart: shop.place(cart) for cart in carts])
    assert [told["status"] for told in shop.stripe.sessions()] == ["open", "open"], outcomes
    assert wrong(shop.database) == []


def test_control_without_the_lock_order_two_such_carts_deadlock(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    carts = two_carts_with_the_same_goods(shop)
    monkeypatch.setattr(stock, "sorted", list, raising=False)
    monkeypatch.setattr(stock, "_reserve_one", met_after(stock._reserve_one))
    outcomes = together(*[lambda cart=cart: shop.place(cart) for cart in carts])
    assert sum(isinstance(outcome, OperationalError) for outcome in outcomes) == 1
    assert any("deadlock detected" in str(outcome) for outcome in outcomes)


@pytest.fixture
def shirt(database: Database) -> int:
    with database.transaction() as session:
        return a_variant(session, stock=3).id


def count(database: Database, shirt: int, pieces: int) -> int:
    with database.transaction() as session:
        return stock.adjust(session, shirt, pieces, "counted", "tests")


def test_two_of_the_staff_who_take_from_one_shelf_never_take_more_than_there_is(database: Database, shirt: int) -> None:
    outcomes = together(*[lambda: count(database, shirt, -2)] * 2)
    assert sorted(str(outcome) for outcome in outcomes if not isinstance(outcome, InvalidChange)) == ["1"]
    assert wrong(database) == []


def test_two_of_the_staff_who_count_one_shelf_at_once_are_both_heard(database: Database, shirt: int) -> None:
    assert sorted(together(*[lambda: count(database, shirt, 5)] * 2)) == [8, 13]
    assert wrong(database) == []


def test_control_a_count_that_is_read_and_written_back_forgets_one_of_them(database: Database, shirt: int) -> None:
    look = met_after(left_of)

    def count_by_head(pieces: int) -> None:
        with database.transaction() as session:
            there = look(session, shirt)
            session.execute(update(Variant).where(Variant.id == shirt).values(on_hand=there + pieces))
            session.add(StockMovement(variant_id=shirt, pieces=pieces, kind="adjust", reason="counted"))

    together(*[lambda: count_by_head(5)] * 2)
    assert any("on_hand 8, ledger 13" in said for said in wrong(database))
