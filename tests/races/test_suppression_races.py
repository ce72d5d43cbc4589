"""Taking merchandise away while it is being bought."""

import itertools
import threading
from contextlib import suppress as letting
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from shop.articles.models import Article, Suppression
from shop.cart import adding
from shop.catalog.models import Variant
from shop.checkout import beginning, suppressing
from shop.checkout.place import Placed
from shop.checkout.suppressing import TakenAway, give_back, take_away
from shop.errors import NoLongerSold
from shop.sandbox.refusals import Refusal
from tests.builders import a_variant, shipping_to
from tests.conftest import Shop
from tests.support.racing import met_after, together
from tests.support.serving import eventually


@pytest.fixture
def article(shop: Shop) -> int:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        a_variant(session, stock=9)
        row = Article(url="https://news.example/kim", title="Kim", source="feed")
        session.add(row)
        session.flush()
        return row.id


@pytest.fixture
def cart_id(shop: Shop, article: int) -> int:
    with shop.database.transaction() as session:
        shirt = session.scalars(select(Variant.id)).one()
        return adding.add_by_handle(session, None, shirt, 1, limit=9, article_id=article)[0]


def take(shop: Shop, article: int) -> TakenAway:
    return take_away(shop.database, shop.gateway, "article", article, reason="", actor="ed")


def open_sessions(shop: Shop) -> list[str]:
    return [session["id"] for session in shop.stripe.sessions() if session["status"] == "open"]


def at_the_moment_between_looking_and_storing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout has looked at what is suppressed, and a suppression is written, before either goes on."""
    looked = met_after(beginning._check)
    monkeypatch.setattr(beginning, "_check", looked)
    made = suppressing.suppress_once

    def meet(*args: Any) -> Any:
        looked(_Nothing())
        return made(*args)

    monkeypatch.setattr(suppressing, "suppress_once", meet)


class _Nothing:
    lines = ()
    price_changed = False


def test_a_checkout_that_has_just_looked_leaves_no_payment_page_behind(
    shop: Shop, article: int, cart_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_moment_between_looking_and_storing(monkeypatch)
    placed, taken = together(lambda: shop.place(cart_id), lambda: take(shop, article))
    assert isinstance(placed, Placed | NoLongerSold)
    assert (taken.left, open_sessions(shop)) == (0, [])
    with shop.database.reading() as session:
        assert session.scalars(select(Variant.reserved)).one() == 0


def test_control_without_waiting_for_the_carts_such_a_checkout_is_overlooked(
    shop: Shop, article: int, cart_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_moment_between_looking_and_storing(monkeypatch)
    monkeypatch.setattr(suppressing, "stop_lines", lambda *_: set())
    store, under, overlooked = beginning._store_order, suppressing.orders_under, threading.Event()

    def when_nobody_looks_any_more(*args: Any, **options: Any) -> Any:
        overlooked.wait(10)
        return store(*args, **options)

    def look(*args: Any, **options: Any) -> Any:
        found = under(*args, **options)
        overlooked.set()
        return found

    monkeypatch.setattr(beginning, "_store_order", when_nobody_looks_any_more)
    monkeypatch.setattr(suppressing, "orders_under", look)
    together(lambda: shop.place(cart_id), lambda: take(shop, article))
    assert len(open_sessions(shop)) == 1


@pytest.fixture
def pressed(shop: Shop, article: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody presses "Buy now" once the lines of carts are marked, looks before the suppression is committed, and goes on when
    nobody looks for orders any more, or after a while.
    """
    looked, overlooked = threading.Event(), threading.Event()
    store, under, record = beginning._store_order, suppressing.orders_under, suppressing.record

    def press() -> None:
        with shop.database.transaction() as session:
            shirt = session.scalars(select(Variant.id)).one()
            cart_id, _ = adding.add_by_handle(session, None, shirt, 1, limit=9, article_id=article)
        with letting(NoLongerSold):
            shop.place(cart_id)

    def go_on_late(*args: Any, **options: Any) -> Any:
        looked.set()
        overlooked.wait(1)
        return store(*args, **options)

    def after_somebody_has_looked(*args: Any) -> None:
        record(*args)
        buyer.start()
        assert looked.wait(10)

    def look(*args: Any) -> Any:
        found = under(*args)
        overlooked.set()
        return found

    buyer = threading.Thread(target=press)
    monkeypatch.setattr(beginning, "_store_order", go_on_late)
    monkeypatch.setattr(suppressing, "record", after_somebody_has_looked)
    monkeypatch.setattr(suppressing, "orders_under", look)
    take(shop, article)
    buyer.join(20)


@pytest.mark.usefixtures("pressed")
def test_a_press_that_no_cart_told_of_when_lines_were_marked_leaves_no_payment_page_behind(shop: Shop) -> None:
    assert open_sessions(shop) == []


@pytest.fixture
def marking_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mark, times = suppressing.stop_lines, itertools.count()
    monkeypatch.setattr(suppressing, "stop_lines", lambda *asked: mark(*asked) if next(times) == 0 else set())


@pytest.mark.usefixtures("marking_once", "pressed")
def test_control_without_waiting_once_more_such_a_press_is_overlooked(shop: Shop) -> None:
    assert len(open_sessions(shop)) == 1


def test_four_desks_that_take_the_same_away_at_once_do_it_once(shop: Shop, article: int, cart_id: int) -> None:
    order = shop.place(cart_id)
    taken = together(*[lambda: take(shop, article)] * 4)
    assert len({one.suppression_id for one in taken}) == 1
    assert open_sessions(shop) == []
    assert shop.order(order.order_id).status == "expired"


def test_what_is_taken_away_and_given_back_at_once_is_one_or_the_other(shop: Shop, article: int, cart_id: int) -> None:
    for _ in range(3):
        first = take(shop, article).suppression_id
        together(lambda: take(shop, article), partial(give_back, shop.database, first, actor="ed"))
        with shop.database.reading() as session:
            holds = session.scalars(select(Suppression.id).where(Suppression.open_key.is_not(None))).all()
        if holds:
            with pytest.raises(NoLongerSold):
                shop.place(cart_id)
            give_back(shop.database, holds[0], actor="ed")
        assert shop.place(cart_id)


def test_an_order_that_is_paid_at_this_very_moment_is_paid_or_can_never_be(
    shop: Shop, article: int, cart_id: int
) -> None:
    order = shop.place(cart_id)
    session_id = shop.session_of(order.order_id)

    def pay() -> None:
        with letting(Refusal):  # in a session that has expired nobody can
            shop.stripe.pay(session_id)

    together(pay, lambda: take(shop, article))
    eventually(lambda: shop.order(order.order_id).status != "pending")
    status = shop.order(order.order_id).status
    paid = shop.stripe.session(session_id)["payment_status"] == "paid"
    assert (status, paid) in {("paid", True), ("expired", False)}
