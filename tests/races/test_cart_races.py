"""One cart, several hands; beside each race the control that takes its guard away and sees the failure."""

from unittest.mock import Mock

import pytest
from sqlalchemy import func, select, update

from shop.cart import adding, handover
from shop.cart.models import CartHandover, CartLine
from shop.db import Database
from shop.errors import OutOfStock
from tests.builders import a_cart, a_variant
from tests.support.racing import met_after, together


@pytest.fixture
def shirt(database: Database) -> int:
    with database.transaction() as session:
        return a_variant(session, stock=2).id


@pytest.fixture
def cart(database: Database) -> int:
    with database.transaction() as session:
        return a_cart(session)[0]


def add(database: Database, cart: int, shirt: int, pieces: int) -> None:
    with database.transaction() as session:
        adding.add_to_cart(session, cart, shirt, pieces, limit=20)


def held(database: Database) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(CartLine.quantity)))


def test_two_clicks_on_add_make_one_line_with_both_pieces(database: Database, cart: int, shirt: int) -> None:
    together(*[lambda: add(database, cart, shirt, 1)] * 2)
    assert held(database) == [2]


def test_two_clicks_on_add_never_hold_more_than_there_is(database: Database, cart: int, shirt: int) -> None:
    outcomes = together(*[lambda: add(database, cart, shirt, 2)] * 2)
    assert sum(isinstance(outcome, OutOfStock) for outcome in outcomes) == 1
    assert held(database) == [2]


def test_control_without_the_lock_on_the_cart_both_clicks_pass_the_look_at_the_shelf(
    database: Database, cart: int, shirt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "lock", Mock())
    monkeypatch.setattr(adding, "offer", met_after(adding.offer))
    together(*[lambda: add(database, cart, shirt, 2)] * 2)
    assert held(database) == [4]


def test_a_ticket_that_two_pages_hand_in_at_once_opens_the_cart_to_one_of_them(database: Database, cart: int) -> None:
    with database.transaction() as session:
        ticket = handover.offer_handover(session, cart)

    def hand_in() -> int | None:
        with database.transaction() as session:
            return handover.redeem_handover(session, ticket)

    outcomes = together(*[hand_in] * 4)
    assert outcomes.count(cart) == 1
    assert outcomes.count(None) == 3


def test_control_a_ticket_that_is_looked_at_first_opens_the_cart_to_both(database: Database, cart: int) -> None:
    with database.transaction() as session:
        handover.offer_handover(session, cart)
    unused = select(CartHandover.cart_id).where(CartHandover.used_at.is_(None))
    look = met_after(lambda session: session.scalar(unused))

    def hand_in() -> int | None:
        with database.transaction() as session:
            found = look(session)
            session.execute(update(CartHandover).values(used_at=func.now()))
            return found

    assert together(hand_in, hand_in) == [cart, cart]


def test_two_carts_that_adopt_each_other_lose_and_double_nothing(database: Database, shirt: int) -> None:
    with database.transaction() as session:
        mug = a_variant(session, stock=9).id
        ours, theirs = a_cart(session)[0], a_cart(session)[0]
        adding.add_to_cart(session, ours, shirt, 1, limit=20)
        adding.add_to_cart(session, theirs, mug, 1, limit=20)

    def adopt(into: int, out_of: int) -> None:
        with database.transaction() as session:
            handover.adopt(session, into, out_of, limit=20)

    assert together(lambda: adopt(ours, theirs), lambda: adopt(theirs, ours)) == [None, None]
    assert held(database) == [1, 1]
