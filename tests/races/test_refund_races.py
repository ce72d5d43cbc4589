"""Money that goes back once, whoever presses and whoever tells; beside each race the control that takes its guard away."""

from contextlib import ExitStack
from typing import Any

import pytest
import stripe
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from shop.catalog.models import StockMovement
from shop.checkout import given_back, refunding
from shop.checkout.refunding import ask, finish_refunds
from shop.errors import InvalidChange, PaymentRefused, PaymentUnavailable
from shop.orders.reading import OrderView
from shop.payments.models import Refund
from shop.payments.told import RefundTold
from tests.conftest import Shop
from tests.support.books import broken_books
from tests.support.racing import met_after, together, without_constraint, without_row_locks
from tests.support.refunding import (
    a_paid_order,
    give_back,
    hear,
    holds,
    mails,
    refund_in_dashboard,
    refunds,
    sums,
    time_passes,
    told_of,
)


def at_stripe(shop: Shop) -> list[int]:
    return [told["amount"] for told in shop.stripe.refunds()]


def ledger(shop: Shop) -> int:
    """How often pieces were put back on the shelf."""
    with shop.database.reading() as session:
        return session.scalar(select(func.count()).where(StockMovement.kind == "restock")) or 0


def wrong_books(shop: Shop) -> list[str]:
    with shop.database.reading() as session:
        return broken_books(session)


def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody has seen what is left before anybody has stored a refund."""
    monkeypatch.setattr(refunding, "_plan", met_after(refunding._plan))


def by_two_of_the_staff(shop: Shop, order: OrderView, *pieces: int, **wanted: Any) -> list[Any]:
    def press(actor: str) -> Any:
        return lambda: give_back(shop, order, *pieces, actor=actor, press=actor, **wanted)

    return together(press("ada@example.com"), press("grace@example.com"))


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [((2,), {}), ((), {"shipping": True}), ((), {"amount_minor": 5000}), ((1,), {"shipping": True, "restock": True})],
)
def test_of_two_refunds_by_two_of_the_staff_at_once_only_what_is_left_goes_back(
    shop: Shop, pieces: tuple[int, ...], wanted: dict[str, Any]
) -> None:
    order = a_paid_order(shop)
    outcomes = by_two_of_the_staff(shop, order, *pieces, **wanted)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["InvalidChange", "int"]
    assert len(at_stripe(shop)) == 1
    holds(shop)


def test_two_of_the_staff_who_give_different_pieces_back_are_both_heard(shop: Shop) -> None:
    order = a_paid_order(shop)
    outcomes = by_two_of_the_staff(shop, order, 1, restock=True)
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    assert sums(shop, order) == (7800, 0)
    assert ledger(shop) == 2
    holds(shop)


def test_control_without_the_lock_on_the_order_the_shipping_goes_back_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody_waits(monkeypatch)
    order = a_paid_order(shop)
    with without_row_locks(shop.database):
        by_two_of_the_staff(shop, order, shipping=True)
    assert at_stripe(shop) == [500, 500]


def test_one_press_that_arrives_four_times_at_once_is_one_refund(shop: Shop) -> None:
    order = a_paid_order(shop)
    outcomes = together(*[lambda: give_back(shop, order, 1, restock=True, press="a showing")] * 4)
    # A call that meets its twin at Stripe may be told to try again; nobody gives the money back a second time.
    assert {outcome for outcome in outcomes if not isinstance(outcome, PaymentUnavailable)} == {
        refunds(shop, order)[0].id
    }
    assert at_stripe(shop) == [3900]
    assert len(refunds(shop, order)) == 1
    assert (ledger(shop), mails(shop)) == (1, ["refunded"])
    holds(shop)


def test_without_that_lock_the_key_still_lets_only_one_press_through(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody_waits(monkeypatch)
    order = a_paid_order(shop)
    with without_row_locks(shop.database):
        outcomes = together(*[lambda: give_back(shop, order, 1, press="a showing")] * 2)
    assert sum(isinstance(outcome, IntegrityError) for outcome in outcomes) == 1
    assert "uq_refunds_idempotency_key" in str(outcomes)
    assert at_stripe(shop) == [3900]
    holds(shop)


def test_control_without_lock_and_unique_key_one_press_is_two_refunds(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody_waits(monkeypatch)
    with without_constraint(shop.database, "refunds", "uq_refunds_idempotency_key"):
        order = a_paid_order(shop)
        with without_row_locks(shop.database):
            together(*[lambda: give_back(shop, order, 1, press="a showing")] * 2)
        with shop.database.reading() as session:
            assert session.scalar(select(func.count(Refund.id))) == 2


def an_unanswered_refund(shop: Shop) -> tuple[OrderView, int, Any]:
    """A piece goes back at Stripe, the answer is lost; the order, the refund, and the event that tells of it."""
    order = a_paid_order(shop)
    shop.stripe.fail_next(9, "drop_after", method="POST", path="/v1/refunds")
    with pytest.raises(PaymentUnavailable):
        give_back(shop, order, 1, restock=True)
    shop.stripe.clear_faults()
    return order, refunds(shop, order)[0].id, told_of(shop)[0]


def test_a_refund_event_and_the_answer_to_the_call_at_once_count_once(shop: Shop) -> None:
    order, refund_id, event = an_unanswered_refund(shop)
    outcomes = together(
        lambda: hear(shop, event),
        lambda: ask(shop.database, shop.gateway, refund_id),
        lambda: hear(shop, event),
    )
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    told = [entry for entry in shop.order(order.id).entries if entry.what == "refund_succeeded"]
    assert len(told) == 1
    assert (sums(shop, order), ledger(shop), mails(shop)) == ((3900, 0), 1, ["refunded"])
    holds(shop)


def test_control_without_the_lock_on_the_order_event_and_answer_both_count(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as unguarded:
        unguarded.enter_context(
            without_constraint(shop.database, "stock_movements", "uq_stock_movements_variant_id_kind_reference")
        )
        order, refund_id, event = an_unanswered_refund(shop)
        monkeypatch.setattr(given_back, "_row_of", met_after(given_back._row_of))
        unguarded.enter_context(without_row_locks(shop.database))
        together(lambda: hear(shop, event), lambda: ask(shop.database, shop.gateway, refund_id))
        told = [entry for entry in shop.order(order.id).entries if entry.what == "refund_succeeded"]
        assert len(told) == 2
        assert ledger(shop) == 2
        assert any("restocked" in said for said in wrong_books(shop))


@pytest.mark.parametrize("round_", range(3))
def test_a_refund_in_the_dashboard_and_one_here_at_once_give_back_what_there_is(shop: Shop, round_: int) -> None:
    order = a_paid_order(shop)
    shop.stripe.release_deliveries()

    def there() -> Any:
        try:
            return refund_in_dashboard(shop, order, 5000).amount
        except stripe.InvalidRequestError as refusal:
            return refusal

    here, _ = together(lambda: give_back(shop, order, amount_minor=5000), there)
    assert at_stripe(shop) == [5000]
    assert isinstance(here, (int, PaymentRefused, InvalidChange))
    shop.stripe.calm()
    assert sums(shop, order) == (5000, 0)
    holds(shop)


def of_the_dashboard(shop: Shop, order: OrderView) -> Any:
    """The event of a refund of 50.00 in the dashboard."""
    refund_in_dashboard(shop, order, 5000)
    return told_of(shop, "refund.created")[-1]


def event_and_staff_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read what there is before either has counted."""
    meet, plan, row_of = met_after(lambda: None), refunding._plan, given_back._row_of
    monkeypatch.setattr(refunding, "_plan", lambda *words, **named: (plan(*words, **named), meet())[0])
    monkeypatch.setattr(given_back, "_row_of", lambda *words: (row_of(*words), meet())[0])


def test_without_the_lock_the_schema_refuses_to_count_more_than_was_paid(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event of a dashboard's refund comes while a member of the staff gives the same money back."""
    order = a_paid_order(shop)
    event = of_the_dashboard(shop, order)
    with monkeypatch.context() as patched, without_row_locks(shop.database):
        event_and_staff_meet(patched)
        outcomes = together(lambda: hear(shop, event), lambda: give_back(shop, order, amount_minor=5000))
    assert sum("ck_orders_refund_within_paid" in str(outcome) for outcome in outcomes) == 1
    time_passes(shop, minutes=3)
    finish_refunds(shop.database, shop.gateway)
    hear(shop, event)
    assert at_stripe(shop) == [5000]
    assert sums(shop, order) == (5000, 0)
    holds(shop)


def test_control_without_lock_and_constraint_more_is_counted_than_was_paid(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever commits before the other adds up is seen by them, so it takes a few orders until both have looked too early."""
    event_and_staff_meet(monkeypatch)
    monkeypatch.setattr(refunding, "ask", lambda *_, **__: None)

    def counted() -> int:
        order = a_paid_order(shop)
        event = of_the_dashboard(shop, order)
        with without_row_locks(shop.database):
            together(lambda: hear(shop, event), lambda: give_back(shop, order, amount_minor=5000))
        return sum(sums(shop, order))

    with without_constraint(shop.database, "orders", "ck_orders_refund_within_paid"):
        assert any(counted() == 10_000 for _ in range(6))
        assert wrong_books(shop) != []


def test_the_event_of_a_dashboards_refund_and_a_refund_here_at_once_leave_no_cent_counted_twice(shop: Shop) -> None:
    order = a_paid_order(shop)
    event = of_the_dashboard(shop, order)
    _, here = together(lambda: hear(shop, event), lambda: give_back(shop, order, amount_minor=5000))
    assert isinstance(here, (PaymentRefused, InvalidChange))
    assert at_stripe(shop) == [5000]
    assert sums(shop, order) == (5000, 0)
    holds(shop)


def with_key(shop: Shop, order: OrderView, key: str) -> RefundTold:
    params = {"payment_intent": order.payment_intent, "amount": 1000}
    return shop.gateway.create_refund(params, key)


def test_two_clients_with_one_idempotency_key_at_once_make_one_refund(shop: Shop) -> None:
    order = a_paid_order(shop)
    outcomes = together(*[lambda: with_key(shop, order, "one")] * 4)
    made = {outcome.id for outcome in outcomes if not isinstance(outcome, PaymentUnavailable)}
    assert len(made) == 1
    assert at_stripe(shop) == [1000]


def test_control_two_clients_with_a_key_each_make_two(shop: Shop) -> None:
    order = a_paid_order(shop)
    together(lambda: with_key(shop, order, "one"), lambda: with_key(shop, order, "two"))
    assert at_stripe(shop) == [1000, 1000]


def test_two_sweeps_that_finish_one_refund_at_once_finish_it_once(shop: Shop) -> None:
    order, _, _ = an_unanswered_refund(shop)
    time_passes(shop, minutes=3)
    outcomes = together(*[lambda: finish_refunds(shop.database, shop.gateway)] * 2)
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    assert at_stripe(shop) == [3900]
    assert (sums(shop, order), ledger(shop), mails(shop)) == ((3900, 0), 1, ["refunded"])
    holds(shop)
