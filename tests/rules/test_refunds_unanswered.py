"""Refunds whose call to Stripe went wrong: the money goes back once, or not at all, and the shop knows which."""

from datetime import timedelta

import pytest

from shop.checkout import refunding
from shop.checkout.refunding import finish_refunds
from shop.checkout.sweep import Swept, sweep
from shop.errors import PaymentRefused, PaymentUnavailable
from shop.orders.reading import OrderView
from shop.payments.gateway import Gateway
from tests.conftest import Shop
from tests.support.refunding import (
    PENDING_THEN_PAID,
    a_paid_order,
    give_back,
    holds,
    mails,
    refund_in_dashboard,
    refunds,
    sums,
    time_passes,
)
from tests.support.serving import eventually
from tests.support.staff import an_account

AT_REFUNDS = {"method": "POST", "path": "/v1/refunds"}


def unanswered(shop: Shop, order: OrderView, kind: str) -> None:
    """A refund of a piece and the shipping; all tries of its call go wrong in this way."""
    shop.stripe.fail_next(9, kind, **AT_REFUNDS)
    once = Gateway(shop.settings, time_out=(1.0, 0.4), retries=0)
    with pytest.raises(PaymentUnavailable):
        give_back(Shop(shop.settings, shop.database, once, *list(vars(shop).values())[3:]), order, 1, shipping=True)
    shop.stripe.clear_faults()


def statuses(shop: Shop, order: OrderView) -> list[str]:
    return [each.status for each in refunds(shop, order)]


@pytest.mark.parametrize("kind", ["500", "429", "timeout", "drop_after"])
def test_a_refund_that_stripe_did_not_answer_for_is_kept_counted_and_finished_by_the_sweep(
    shop: Shop, kind: str
) -> None:
    order = a_paid_order(shop)
    unanswered(shop, order, kind)
    assert statuses(shop, order) == ["creating"]
    assert sums(shop, order) == (0, 4400), "it may have been made"
    assert shop.order(order.id).status == "paid"
    assert mails(shop) == []
    assert sweep(shop.database, shop.gateway) == Swept(), "a call of ours may still be on its way"
    time_passes(shop, minutes=3)
    assert sweep(shop.database, shop.gateway) == Swept(refunds=1)
    assert statuses(shop, order) == ["succeeded"]
    assert sums(shop, order) == (4400, 0)
    assert [told["amount"] for told in shop.stripe.refunds()] == [4400]
    assert mails(shop) == ["refunded"]
    holds(shop)
    assert sweep(shop.database, shop.gateway) == Swept()


def test_the_answer_is_lost_and_the_event_tells(shop: Shop) -> None:
    order = a_paid_order(shop)
    unanswered(shop, order, "drop_after")
    shop.stripe.deliver_now()
    assert statuses(shop, order) == ["succeeded"]
    assert sums(shop, order) == (4400, 0)
    time_passes(shop, minutes=3)
    assert sweep(shop.database, shop.gateway) == Swept()
    assert mails(shop) == ["refunded"]
    holds(shop)


def test_a_refund_under_way_leaves_no_room_for_another_of_the_same(shop: Shop) -> None:
    order = a_paid_order(shop, pieces=1)
    unanswered(shop, order, "timeout")
    with pytest.raises(refunding.InvalidChange, match="No piece of this line is left"):
        give_back(shop, order, 1)
    with pytest.raises(refunding.InvalidChange, match="Nothing is left of this payment"):
        give_back(shop, order, amount_minor=1)


def test_the_same_press_tries_again_at_once(shop: Shop) -> None:
    order = a_paid_order(shop)
    shop.stripe.fail_next(2, "500", **AT_REFUNDS)
    with pytest.raises(PaymentUnavailable):
        give_back(shop, order, 1, press="a showing")
    give_back(shop, order, 1, press="a showing")
    assert statuses(shop, order) == ["succeeded"]
    assert len(shop.stripe.refunds()) == 1
    holds(shop)


def test_a_failure_that_stripe_repeats_under_the_key_ends_when_the_key_is_forgotten(shop: Shop) -> None:
    order = a_paid_order(shop)
    unanswered(shop, order, "500_stored")
    time_passes(shop, hours=1)
    assert finish_refunds(shop.database, shop.gateway).postponed == 1
    assert statuses(shop, order) == ["creating"]
    time_passes(shop, hours=24)
    assert finish_refunds(shop.database, shop.gateway).looked_at == 1
    assert statuses(shop, order) == ["succeeded"]
    assert len(shop.stripe.refunds()) == 1
    holds(shop)


def test_a_refund_whose_answer_was_lost_a_day_ago_is_found_and_not_made_again(shop: Shop) -> None:
    """Stripe has forgotten the key by then."""
    order = a_paid_order(shop)
    unanswered(shop, order, "drop_after")
    time_passes(shop, hours=25)
    finish_refunds(shop.database, shop.gateway)
    assert len(shop.stripe.refunds()) == 1
    assert sums(shop, order) == (4400, 0)
    holds(shop)


def test_control_without_looking_for_it_first_the_money_goes_back_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refunding, "KEY_LIFE", timedelta(days=999))
    order = a_paid_order(shop, pieces=3)
    unanswered(shop, order, "drop_after")
    time_passes(shop, hours=25)
    finish_refunds(shop.database, shop.gateway)
    assert len(shop.stripe.refunds()) == 2


def test_what_stripe_refuses_because_the_dashboard_was_faster_is_refused_and_the_sums_are_right(shop: Shop) -> None:
    """Its events have not arrived."""
    order = a_paid_order(shop)
    refund_in_dashboard(shop, order)
    with pytest.raises(PaymentRefused) as refusal:
        give_back(shop, order, 1, restock=True)
    assert "has already been refunded" in refusal.value.reason
    assert statuses(shop, order) == ["refused", "succeeded"]
    assert sums(shop, order) == (8300, 0)
    assert shop.order(order.id).status == "refunded"
    assert [line.refunded_quantity for line in shop.order(order.id).lines] == [0]
    holds(shop)


def test_what_is_greater_than_the_dashboard_left_is_refused_and_the_rest_can_be_given_back(shop: Shop) -> None:
    order = a_paid_order(shop)
    refund_in_dashboard(shop, order, 5000)
    with pytest.raises(PaymentRefused) as refusal:
        give_back(shop, order, 1, press="a showing")
    assert "greater than unrefunded amount" in refusal.value.reason
    with pytest.raises(PaymentRefused, match="Nothing was charged") as again:
        give_back(shop, order, 1, press="a showing")
    assert again.value.reason == refusal.value.reason, "the same press gets the same answer"
    assert sums(shop, order) == (5000, 0)
    (refused, _) = refunds(shop, order)
    assert "greater than unrefunded amount" in refused.failure_reason
    give_back(shop, order, 1, amount_minor=3300)
    assert sums(shop, order) == (8300, 0)
    holds(shop)


def test_what_stripe_refuses_when_nobody_is_at_the_desk_any_more_is_told_to_staff_once(shop: Shop) -> None:
    """The shop has promised to ask again by itself, and the buyer waits for money that will not come."""
    an_account(shop.database, "owner")
    order = a_paid_order(shop)
    unanswered(shop, order, "500")
    shop.stripe.dispute(shop.session_of(order.id))
    time_passes(shop, minutes=3)
    finish_refunds(shop.database, shop.gateway)
    finish_refunds(shop.database, shop.gateway)
    assert statuses(shop, order) == ["refused"]
    assert "of SGD 44.00 was refused: nothing was given back" in shop.order(order.id).attention
    assert mails(shop) == ["staff_attention"]


def test_an_unanswered_refund_gives_way_to_what_the_dashboard_has_given_back(shop: Shop) -> None:
    order = a_paid_order(shop)
    unanswered(shop, order, "500")
    refund_in_dashboard(shop, order)
    shop.stripe.deliver_now()
    assert sums(shop, order) == (8300, 0), "what is only being asked for will be refused"
    time_passes(shop, minutes=3)
    sweep(shop.database, shop.gateway)
    assert statuses(shop, order) == ["refused", "succeeded"]
    assert shop.order(order.id).status == "refunded", "the buyer has it all, so nobody need look"
    holds(shop)


def test_a_secret_key_that_stripe_refuses_says_nothing_about_an_earlier_try(shop: Shop) -> None:
    order = a_paid_order(shop)
    unanswered(shop, order, "drop_after")
    settings = shop.settings.model_copy(update={"stripe_secret_key": type(shop.settings.stripe_secret_key)("sk_wrong")})
    rolled = Gateway(settings, time_out=(1.0, 3.0), retries=0)
    time_passes(shop, minutes=3)
    assert finish_refunds(shop.database, rolled).postponed == 1
    assert statuses(shop, order) == ["creating"]
    time_passes(shop, minutes=6)
    assert finish_refunds(shop.database, shop.gateway).looked_at == 1
    assert statuses(shop, order) == ["succeeded"]
    holds(shop)


def test_a_refund_that_stripe_is_silent_about_keeps_no_other_waiting(shop: Shop) -> None:
    first, second = a_paid_order(shop), a_paid_order(shop)
    unanswered(shop, first, "500")
    unanswered(shop, second, "500")
    time_passes(shop, minutes=3)
    shop.stripe.fail_next(1, "500", **AT_REFUNDS)
    once = Gateway(shop.settings, time_out=(1.0, 3.0), retries=0)
    assert finish_refunds(shop.database, once, limit=1).postponed == 1
    assert finish_refunds(shop.database, once, limit=1).looked_at == 1
    assert (statuses(shop, first), statuses(shop, second)) == (["creating"], ["succeeded"])
    assert finish_refunds(shop.database, once).looked_at == 0, "it was asked for a moment ago"
    time_passes(shop, minutes=6)
    assert finish_refunds(shop.database, once).looked_at == 1
    holds(shop)


def test_the_event_comes_before_the_call_is_answered(shop: Shop) -> None:
    """A refund event arriving before the refund call returned."""
    order = a_paid_order(shop)
    shop.stripe.release_deliveries()
    shop.stripe.fault_deliveries("deliver_before_answer", type="refund.created")
    give_back(shop, order, 1, restock=True)
    assert statuses(shop, order) == ["succeeded"]
    entries = [entry for entry in shop.order(order.id).entries if entry.what == "refund_succeeded"]
    assert [entry.source.partition(" ")[0] for entry in entries] == ["webhook"], "it was the event that told"
    eventually(lambda: all(delivery["state"] == "delivered" for delivery in shop.stripe.deliveries()) or None)
    assert mails(shop) == ["refunded"]
    holds(shop)


def test_the_sweep_asks_once_an_hour_how_a_refund_stands_that_takes_days(shop: Shop) -> None:
    order = a_paid_order(shop, card=PENDING_THEN_PAID)
    give_back(shop, order, 1)
    assert statuses(shop, order) == ["pending"]
    assert sums(shop, order) == (0, 3900)
    assert sweep(shop.database, shop.gateway) == Swept()
    time_passes(shop, hours=2)
    assert sweep(shop.database, shop.gateway) == Swept(refunds=1)
    assert statuses(shop, order) == ["pending"]
    assert sweep(shop.database, shop.gateway) == Swept()
    time_passes(shop, days=4)
    assert sweep(shop.database, shop.gateway) == Swept(refunds=1)
    assert statuses(shop, order) == ["succeeded"]
    assert sums(shop, order) == (3900, 0)
    assert mails(shop) == ["refunded"]
    holds(shop)
