"""Refunds as Stripe tells of them: made here or in its dashboard, twice, late, in any order, and sometimes taken back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import func, select

from shop.catalog import stock
from shop.catalog.models import Variant
from shop.checkout.attention import deal_with
from shop.checkout.given_back import compare_charge, settle_refund
from shop.checkout.refunding import finish_refunds
from shop.checkout.settle import WAITS, Settled
from shop.checkout.ship import ship
from shop.errors import InvalidChange
from shop.mail.models import OutboxMessage
from shop.money import Money
from shop.orders.models import Order
from shop.payments.models import Refund, StripeEvent
from shop.payments.told import ChargeRefunded, RefundTold
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop
from tests.support.refunding import (
    PAID_THEN_FAILED,
    PENDING_THEN_PAID,
    a_paid_order,
    dashboard,
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
from tests.support.staff import an_account


def timeline(shop: Shop, order_id: int) -> list[str]:
    return [entry.what for entry in shop.order(order_id).entries if entry.what.startswith("refund_")]


def test_a_refund_made_in_the_dashboard_arrives_as_one_of_the_shops_own_does(shop: Shop) -> None:
    order = a_paid_order(shop)
    made = refund_in_dashboard(shop, order, 1500, reason="requested_by_customer")
    shop.stripe.deliver_now()
    assert sums(shop, order) == (1500, 0)
    assert shop.order(order.id).status == "partly_refunded"
    (known,) = refunds(shop, order)
    assert (known.stripe_id, known.status, known.amount) == (made.id, "succeeded", Money(1500, "sgd"))
    assert (known.reason, known.actor, known.lines) == ("requested by customer", "", ())
    assert timeline(shop, order.id) == ["refund_succeeded"]
    assert mails(shop) == ["refunded"]
    holds(shop)


def test_amount_refunded_is_not_taken_for_a_delta(shop: Shop) -> None:
    """charge.refunded says 10.00 and then 30.00: that is 30.00 in all."""
    order = a_paid_order(shop)
    refund_in_dashboard(shop, order, 1000)
    refund_in_dashboard(shop, order, 2000)
    told = shop.stripe.events("charge.refunded")
    assert [event["data"]["object"]["amount_refunded"] for event in told] == [1000, 3000]
    shop.stripe.deliver_now()
    for event in told * 2:
        shop.stripe.resend(event["id"])
        shop.stripe.deliver_now()
    assert sums(shop, order) == (3000, 0)
    holds(shop)


def test_a_charge_that_tells_of_more_than_is_known_changes_nothing_and_waits_for_the_refund(shop: Shop) -> None:
    order = a_paid_order(shop)
    shop.stripe.fault_deliveries("drop", 1, "refund.created")
    refund_in_dashboard(shop, order, 1000)
    shop.stripe.deliver_now()
    assert sums(shop, order) == (0, 0)
    with shop.database.reading() as session:
        state = session.scalars(select(StripeEvent.state).where(StripeEvent.type == "charge.refunded")).one()
    assert state == "waiting"


def test_every_event_of_a_refund_may_come_a_hundred_times(shop: Shop) -> None:
    order = a_paid_order(shop, card=PENDING_THEN_PAID)
    give_back(shop, order, 1, restock=True)
    shop.stripe.settle_refund(shop.stripe.refunds()[0]["id"], ok=True)
    hear(shop, *(told_of(shop) * 30))
    assert sums(shop, order) == (3900, 0)
    assert timeline(shop, order.id) == ["refund_asked", "refund_pending", "refund_succeeded"]
    assert mails(shop) == ["refunded"]
    holds(shop)


STAGES = ("pending", "succeeded", "failed")


@pytest.mark.parametrize("order_of_telling", [*permutations(STAGES)])
def test_a_late_telling_never_moves_a_refund_back(shop: Shop, order_of_telling: tuple[str, ...]) -> None:
    order = a_paid_order(shop, card=PENDING_THEN_PAID)
    made = refund_in_dashboard(shop, order, 1500)
    shop.stripe.settle_refund(made.id, ok=True)
    shop.stripe.settle_refund(made.id, ok=False)
    events = {event["data"]["object"]["status"]: event for event in told_of(shop, "refund.created", "refund.updated")}
    assert sorted(events) == sorted(STAGES)
    furthest = 0
    for stage in order_of_telling:
        hear(shop, events[stage])
        furthest = max(furthest, STAGES.index(stage))
        assert [each.status for each in refunds(shop, order)] == [STAGES[furthest]]
    assert sums(shop, order) == (0, 0)
    holds(shop)


def test_a_refund_may_be_on_its_way_for_days(shop: Shop) -> None:
    """By bank debit Stripe says pending first, and succeeded when the bank has done it."""
    order = a_paid_order(shop, method="delayed_debit")
    give_back(shop, order, 1)
    assert sums(shop, order) == (0, 3900)
    assert shop.order(order.id).status == "paid"
    assert timeline(shop, order.id) == ["refund_asked", "refund_pending"]
    assert mails(shop) == [], "the money has not arrived"
    shop.stripe.settle_refund(shop.stripe.refunds()[0]["id"], ok=True)
    shop.stripe.deliver_now()
    assert sums(shop, order) == (3900, 0)
    assert shop.order(order.id).status == "partly_refunded"
    assert mails(shop) == ["refunded"]
    holds(shop)


def test_a_refund_that_fails_after_it_had_succeeded_is_the_shops_money_again(shop: Shop) -> None:
    an_account(shop.database, "owner")
    order = a_paid_order(shop, card=PAID_THEN_FAILED)
    give_back(shop, order, 2, shipping=True, restock=True)
    assert shop.order(order.id).status == "refunded"
    shop.stripe.settle_refund(shop.stripe.refunds()[0]["id"], ok=False)
    shop.stripe.deliver_now()
    shop.stripe.deliver_now()
    assert sums(shop, order) == (0, 0)
    known = shop.order(order.id)
    assert known.status == "attention"
    assert "refund of SGD 83.00 failed" in known.attention
    assert "expired or canceled card" in known.attention
    assert timeline(shop, order.id) == ["refund_asked", "refund_succeeded", "refund_failed"]
    assert mails(shop) == ["refunded", "staff_attention"], "and the buyer is not told twice"
    with shop.database.reading() as session:
        assert session.scalar(select(func.sum(Variant.on_hand))) == 5, "the goods have come back all the same"
    holds(shop)


def test_what_a_failed_refund_was_of_can_be_given_back_once_more(shop: Shop) -> None:
    order = a_paid_order(shop, card=PAID_THEN_FAILED)
    give_back(shop, order, 2, shipping=True)
    shop.stripe.settle_refund(shop.stripe.refunds()[0]["id"], ok=False)
    shop.stripe.deliver_now()
    give_back(shop, order, 2, shipping=True)
    assert sums(shop, order) == (8300, 0)
    assert [each.status for each in refunds(shop, order)] == ["failed", "succeeded"]
    assert mails(shop) == ["refunded", "refunded"], "money has been on its way twice"
    holds(shop)


def test_pieces_that_a_failed_refund_has_brought_back_are_not_put_on_the_shelf_once_more(shop: Shop) -> None:
    """Another buyer would pay for pieces that nobody has."""
    order = a_paid_order(shop, card=PAID_THEN_FAILED)
    give_back(shop, order, 1, restock=True)
    shop.stripe.settle_refund(shop.stripe.refunds()[0]["id"], ok=False)
    shop.stripe.deliver_now()
    with pytest.raises(InvalidChange, match="on the shelf already"):
        give_back(shop, order, 2, restock=True)
    assert len(refunds(shop, order)) == 1, "nothing was asked for"
    give_back(shop, order, 1)
    with shop.database.reading() as session:
        assert session.scalar(select(func.sum(Variant.on_hand))) == 4
    give_back(shop, order, 1, restock=True)
    with shop.database.reading() as session:
        assert session.scalar(select(func.sum(Variant.on_hand))) == 5, "the other piece comes back in its own time"
    holds(shop)


def test_what_a_failed_refund_has_put_back_leaves_the_shelf_with_the_parcel(shop: Shop) -> None:
    """The buyer gets the goods after all, so that nobody else may buy them."""
    order = a_paid_order(shop, card=PAID_THEN_FAILED)
    give_back(shop, order, 1, restock=True)
    shop.stripe.settle_refund(shop.stripe.refunds()[0]["id"], ok=False)
    shop.stripe.deliver_now()
    deal_with(shop.database, order.number, note="They want the shirts.", actor="desk@example.com")
    (line,) = shop.order(order.id).lines
    with shop.database.transaction() as session:
        stock.adjust(session, line.variant_id or 0, -4, "sold at a fair", "tests")
    with pytest.raises(InvalidChange, match="waits for its goods"):
        send(shop, order.number)
    with shop.database.transaction() as session:
        stock.adjust(session, line.variant_id or 0, 3, "more came", "tests")
    send(shop, order.number)
    with shop.database.reading() as session:
        assert session.scalar(select(func.sum(Variant.on_hand))) == 2
    with pytest.raises(InvalidChange, match="shipped already"):
        send(shop, order.number)
    give_back(shop, order, 2, restock=True)
    with shop.database.reading() as session:
        assert session.scalar(select(func.sum(Variant.on_hand))) == 4, "both have come home"
    holds(shop)


def send(shop: Shop, number: str) -> None:
    ship(shop.database, number, carrier="Post", tracking_number="RR1", actor="desk@example.com")


def test_a_charge_that_names_no_payment_is_not_taken_for_that_of_an_unpaid_order(shop: Shop) -> None:
    """Charges of old ways to pay have none, and an order has none until it is paid."""
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id = a_cart(session, (a_variant(session), 1))[0]
    shop.place(cart_id)
    with shop.database.transaction() as session:
        assert compare_charge(session, ChargeRefunded("ch_old", 0, "sgd", None)).order_id is None
        assert compare_charge(session, ChargeRefunded("ch_old", 500, "sgd", None)) == Settled(None, False, WAITS)


def test_a_refund_that_seems_to_be_too_much_waits_until_stripe_has_said_which_one_has_failed(shop: Shop) -> None:
    """The first has failed, its events are lost, and the second was made in the dashboard."""
    order = a_paid_order(shop, card=PAID_THEN_FAILED)
    give_back(shop, order, 2, shipping=True)
    shop.stripe.deliver_now()
    shop.stripe.settle_refund(shop.stripe.refunds()[0]["id"], ok=False)
    again = refund_in_dashboard(shop, order)
    hear(shop, next(event for event in told_of(shop) if event["data"]["object"]["id"] == again.id))
    assert sums(shop, order) == (8300, 0), "never more than was paid"
    assert [each.status for each in refunds(shop, order)] == ["succeeded", "pending"]
    finish_refunds(shop.database, shop.gateway)
    assert [each.status for each in refunds(shop, order)] == ["failed", "succeeded"]
    assert sums(shop, order) == (8300, 0)
    holds(shop)


def test_a_refund_that_waits_for_the_buyer_is_told_to_them_once(shop: Shop) -> None:
    order = a_paid_order(shop, method="delayed_debit")
    made = refund_in_dashboard(shop, order, 1000, instructions_email="reader@example.com")
    hear(shop, *(told_of(shop) * 2))
    assert [each.status for each in refunds(shop, order)] == ["requires_action"]
    assert sums(shop, order) == (0, 1000)
    with shop.database.reading() as session:
        letter = session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "order_needs_you")).one()
    assert "tell them there where to send it" in letter.context["reason"]
    dashboard(shop).v1.refunds.cancel(made.id)
    shop.stripe.deliver_now()
    assert [each.status for each in refunds(shop, order)] == ["canceled"]
    assert sums(shop, order) == (0, 0)
    assert timeline(shop, order.id) == ["refund_requires_action", "refund_canceled"]
    assert mails(shop) == ["order_needs_you"]
    holds(shop)


def told_otherwise(shop: Shop, **changed: Any) -> Settled:
    """A refund of 10.00 of the newest order's payment, but for what is said otherwise, is settled."""
    with shop.database.transaction() as session:
        order = session.scalars(select(Order).order_by(Order.id.desc())).first()
        assert order is not None
        values: dict[str, Any] = {
            "id": "re_1",
            "amount_minor": 1000,
            "currency": "sgd",
            "status": "succeeded",
            "reason": "",
            "failure_reason": "",
            "payment_intent": order.payment_intent,
            "charge": "ch_1",
            "refund_id": None,
            "order_number": "",
            "created_at": datetime.now(UTC),
        }
        return settle_refund(session, RefundTold(**(values | changed)), "webhook evt_1", datetime.now(UTC))


def test_a_refund_of_a_payment_that_no_order_knows_leaves_nothing_behind(shop: Shop) -> None:
    order = a_paid_order(shop)
    assert told_otherwise(shop, payment_intent="pi_another") == Settled(None, changed=False, reason=WAITS)
    assert told_otherwise(shop, payment_intent=None) == Settled(None, changed=False, reason=WAITS)
    assert refunds(shop, order) == ()


def test_a_refund_in_another_currency_counts_nothing_and_is_flagged_once(shop: Shop) -> None:
    order = a_paid_order(shop)
    assert told_otherwise(shop, currency="usd").changed
    assert not told_otherwise(shop, currency="usd").changed
    assert sums(shop, order) == (0, 0)
    assert shop.order(order.id).attention == "refund re_1 is in USD"
    assert refunds(shop, order) == ()


def test_a_refund_with_another_amount_than_is_known_is_flagged(shop: Shop) -> None:
    order = a_paid_order(shop)
    told_otherwise(shop)
    told_otherwise(shop, amount_minor=1001, status="failed")
    assert sums(shop, order) == (1000, 0)
    assert "re_1 is over 1001, not 1000" in shop.order(order.id).attention


def test_a_status_that_stripe_has_invented_since_is_not_guessed_at(shop: Shop) -> None:
    a_paid_order(shop)
    with pytest.raises(ValueError, match="'on_holiday', which this release does not know"):
        told_otherwise(shop, status="on_holiday")


def test_what_cannot_be_understood_of_one_refund_keeps_no_other_waiting(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = a_paid_order(shop, card=PENDING_THEN_PAID), a_paid_order(shop, card=PENDING_THEN_PAID)
    give_back(shop, first, 1)
    give_back(shop, second, 1)
    time_passes(shop, days=5)
    ask = shop.gateway.refunds_of

    def on_holiday(payment_intent: str) -> tuple[RefundTold, ...]:
        told = ask(payment_intent)
        return (
            tuple(replace(each, status="on_holiday") for each in told)
            if payment_intent == first.payment_intent
            else told
        )

    monkeypatch.setattr(shop.gateway, "refunds_of", on_holiday)
    finished = finish_refunds(shop.database, shop.gateway)
    assert (finished.looked_at, finished.postponed) == (1, 1)
    assert [each.status for each in (*refunds(shop, first), *refunds(shop, second))] == ["pending", "succeeded"]


def test_metadata_that_names_a_refund_of_another_order_is_not_believed(shop: Shop) -> None:
    """Another shop on the same account counts its refunds, too."""
    order = a_paid_order(shop)
    shop.stripe.fail_next(9, "500", method="POST", path="/v1/refunds")
    with pytest.raises(Exception, match="could not be reached"):
        give_back(shop, order, 1)
    (asked,) = refunds(shop, order)
    told_otherwise(shop, amount_minor=3900, refund_id=asked.id, order_number="U-ANOTHER1")
    assert [(each.stripe_id, each.status) for each in refunds(shop, order)] == [("", "creating"), ("re_1", "succeeded")]
    told_otherwise(shop, id="re_2", amount_minor=3900, refund_id=asked.id, order_number=order.number)
    assert [(each.stripe_id, each.status) for each in refunds(shop, order)] == [
        ("re_2", "succeeded"),
        ("re_1", "succeeded"),
    ]


def test_a_telling_of_an_earlier_moment_does_not_take_back_that_the_buyer_must_act(shop: Shop) -> None:
    order = a_paid_order(shop)
    with shop.database.transaction() as session:
        for status, minutes in (("requires_action", 5), ("pending", 1), ("pending", 9), ("requires_action", 7)):
            told = RefundTold(
                id="re_1",
                amount_minor=1000,
                currency="sgd",
                status=status,
                reason="",
                failure_reason="",
                payment_intent=order.payment_intent,
                charge=None,
                refund_id=None,
                order_number="",
                created_at=datetime.now(UTC),
            )
            at = datetime(2026, 11, 25, tzinfo=UTC) + timedelta(minutes=minutes)
            settle_refund(session, told, "webhook", at)
            if minutes == 1:
                assert session.scalars(select(Refund.status)).one() == "requires_action"
    assert [each.status for each in refunds(shop, order)] == ["pending"]


def test_time_alone_brings_a_pending_refund_to_its_end(shop: Shop) -> None:
    """Every event of it is lost."""
    order = a_paid_order(shop, card=PENDING_THEN_PAID)
    shop.stripe.fault_deliveries("drop", 99)
    give_back(shop, order, 1)
    time_passes(shop, days=5)
    shop.stripe.deliver_now()
    assert [each.status for each in refunds(shop, order)] == ["pending"]
    finish_refunds(shop.database, shop.gateway)
    assert sums(shop, order) == (3900, 0)
    shop.stripe.clear_faults()
    holds(shop)
