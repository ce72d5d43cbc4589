"""What staff do about orders that wait for them: goods that are gone, payments that are not what the order costs."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.catalog import stock
from shop.catalog.models import Variant
from shop.checkout.attention import backorder, deal_with, give_back_unmatched
from shop.checkout.closing import look_at_payment
from shop.checkout.disputes import settle_dispute
from shop.checkout.refunding import finish_refunds
from shop.checkout.ship import ship
from shop.db import now
from shop.errors import InvalidChange, NotFound, PaymentRefused, PaymentUnavailable
from shop.mail.models import OutboxMessage
from shop.orders.models import Order
from shop.orders.reading import OrderView
from shop.payments.models import Refund
from shop.payments.told import read_dispute
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop
from tests.support.books import money_held
from tests.support.invariants import disagreements
from tests.support.refunding import (
    STAFF,
    an_owed_order,
    dashboard,
    give_back,
    hear,
    holds,
    mails,
    sums,
    time_passes,
    told_of,
)
from tests.support.staff import trail

TOTAL = 2 * 3900 + 500


def placed(shop: Shop) -> int:
    """Two of three shirts, waiting for 83.00. Nothing arrives by itself."""
    shop.stripe.hold_deliveries()
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id = a_cart(session, (a_variant(session, stock=3), 2))[0]
    return shop.place(cart_id).order_id


def paid_otherwise(shop: Shop, **wanted: Any) -> OrderView:
    """The buyer has paid 83.00 SGD, which is not what the order costs by now."""
    order_id = placed(shop)
    change = wanted or {"subtotal_minor": 9900, "total_minor": 9900}
    with shop.database.transaction() as session:
        session.execute(update(Order).values(**change))
    shop.stripe.pay(shop.session_of(order_id))
    look_at_payment(shop.database, shop.gateway, order_id)
    order = shop.order(order_id)
    assert (order.status, order.paid.minor, order.stock_state) == ("attention", 0, "reserved")
    return order


def the_shirt(session: Session) -> int:
    return session.scalars(select(Variant.id)).one()


def shelf(shop: Shop) -> tuple[int, int]:
    """On hand, and how many of them are promised."""
    with shop.database.reading() as session:
        on_hand, reserved = session.execute(select(Variant.on_hand, Variant.reserved)).one()
    return on_hand, reserved


def receive(shop: Shop, pieces: int) -> None:
    with shop.database.transaction() as session:
        stock.adjust(session, the_shirt(session), pieces, "a box came", STAFF, kind="receive")


def parcel(shop: Shop, order: OrderView) -> None:
    ship(shop.database, order.number, carrier="Post", tracking_number="1", actor=STAFF)


def told_to_buyers(shop: Shop) -> list[str]:
    with shop.database.reading() as session:
        query = select(OutboxMessage).where(OutboxMessage.kind == "order_needs_you").order_by(OutboxMessage.id)
        return [str(message.context["reason"]) for message in session.scalars(query)]


def given_back(shop: Shop, order: OrderView, press: str = "press") -> int:
    return give_back_unmatched(shop.database, shop.gateway, order.number, actor=STAFF, press=press)


def agrees_with_stripe(shop: Shop) -> None:
    holds(shop)
    with shop.database.reading() as session:
        assert disagreements(session, shop.stripe.sessions(), shop.stripe.events(), everything_told=True) == []
        at_stripe = {currency: sums["amount"] for currency, sums in shop.stripe.balance().items() if sums["amount"]}
        assert money_held(session) == at_stripe


# Paid for what is gone


def test_goods_that_are_gone_are_never_below_zero_and_nothing_leaves_before_staff_have_decided(shop: Shop) -> None:
    order = an_owed_order(shop)
    assert shelf(shop) == (1, 0)
    with pytest.raises(InvalidChange, match="needs a look first"):
        parcel(shop, order)
    agrees_with_stripe(shop)


def test_a_backordered_order_waits_for_its_goods_and_its_buyer_is_told_once(shop: Shop) -> None:
    order = an_owed_order(shop)
    for _ in range(2):
        backorder(shop.database, order.number, actor=STAFF)
    known = shop.order(order.id)
    assert (known.status, known.stock_state, known.attention) == ("paid", "owed", "")
    assert shelf(shop) == (1, 0)
    (reason,) = told_to_buyers(shop)
    assert "sold out" in reason
    assert [(action, subject) for action, subject, _ in trail(shop.database)] == [
        ("order.backorder", f"order {order.number}")
    ]
    assert [entry.what for entry in known.entries].count("dealt_with") == 1
    agrees_with_stripe(shop)


def test_a_backordered_order_does_not_ship_before_its_goods_have_come(shop: Shop) -> None:
    order = an_owed_order(shop)
    backorder(shop.database, order.number, actor=STAFF)
    with pytest.raises(InvalidChange, match=r"waits for its goods: Only 1 of Shirt is left\."):
        parcel(shop, order)
    assert shop.order(order.id).shipped_at is None
    receive(shop, 5)
    assert (shelf(shop), shop.order(order.id).stock_state) == ((6, 0), "owed")  # coming in takes nothing by itself
    parcel(shop, order)
    assert (shelf(shop), shop.order(order.id).stock_state) == ((4, 0), "sold")
    assert shop.order(order.id).status == "shipped"
    agrees_with_stripe(shop)


def test_goods_that_are_there_again_are_taken_at_once_and_nobody_is_told_to_wait(shop: Shop) -> None:
    order = an_owed_order(shop)
    receive(shop, 1)
    for _ in range(2):
        backorder(shop.database, order.number, actor=STAFF)
    known = shop.order(order.id)
    assert (known.status, known.stock_state, shelf(shop)) == ("paid", "sold", (0, 0))
    assert told_to_buyers(shop) == []
    agrees_with_stripe(shop)


def test_pieces_that_were_refunded_meanwhile_are_not_taken_from_the_shelf(shop: Shop) -> None:
    order = an_owed_order(shop)
    backorder(shop.database, order.number, actor=STAFF)
    give_back(shop, order, 1)
    parcel(shop, order)
    assert shelf(shop) == (0, 0)
    assert shop.order(order.id).stock_state == "sold"
    agrees_with_stripe(shop)


def test_refunding_all_of_what_is_gone_leaves_nothing_to_look_at(shop: Shop) -> None:
    order = an_owed_order(shop)
    give_back(shop, order, 1, shipping=True)
    assert shop.order(order.id).status == "attention"
    give_back(shop, order, 1)
    known = shop.order(order.id)
    assert (known.status, known.attention) == ("refunded", "")
    for verb in (lambda: parcel(shop, order), lambda: backorder(shop.database, order.number, actor=STAFF)):
        with pytest.raises(InvalidChange, match="has been refunded"):
            verb()
    assert shelf(shop) == (1, 0)
    agrees_with_stripe(shop)


def test_a_refund_in_the_dashboard_settles_it_as_well_when_its_event_comes(shop: Shop) -> None:
    order = an_owed_order(shop)
    dashboard(shop).v1.refunds.create(params={"payment_intent": order.payment_intent or ""})
    for _ in range(2):
        hear(shop, *told_of(shop))
    assert (shop.order(order.id).status, shop.order(order.id).attention) == ("refunded", "")
    agrees_with_stripe(shop)


def test_backordering_leaves_other_reasons_to_look_standing(shop: Shop) -> None:
    order = an_owed_order(shop)
    give_back(shop, order, amount_minor=100)
    shop.stripe.settle_refund(shop.stripe.refunds()[0]["id"], ok=False)
    hear(shop, *told_of(shop))
    assert "failed" in shop.order(order.id).attention
    backorder(shop.database, order.number, actor=STAFF)
    known = shop.order(order.id)
    assert known.status == "attention"
    assert "failed" in known.attention
    assert "gone" not in known.attention


@pytest.mark.parametrize(
    "verb", [backorder, lambda database, number, actor: deal_with(database, number, note="x", actor=actor)]
)
def test_an_order_that_lacks_nothing_is_left_as_it_is(shop: Shop, verb: Callable[..., None]) -> None:
    order_id = placed(shop)
    shop.stripe.pay(shop.session_of(order_id))
    look_at_payment(shop.database, shop.gateway, order_id)
    before = shop.order(order_id)
    verb(shop.database, before.number, actor=STAFF)
    assert shop.order(order_id) == before
    assert trail(shop.database) == []
    with pytest.raises(NotFound):
        verb(shop.database, "U-NONE", actor=STAFF)


def test_an_unpaid_order_cannot_be_backordered(shop: Shop) -> None:
    with pytest.raises(InvalidChange, match="has not been paid"):
        backorder(shop.database, shop.order(placed(shop)).number, actor=STAFF)


# Dealt with


def test_whoever_deals_with_an_order_says_what_came_of_it(shop: Shop) -> None:
    order = an_owed_order(shop)
    with pytest.raises(InvalidChange, match="Say what came of it"):
        deal_with(shop.database, order.number, note=" ", actor=STAFF)
    for _ in range(2):
        deal_with(shop.database, order.number, note="Sent from the other shop.", actor=STAFF)
    known = shop.order(order.id)
    assert (known.status, known.attention) == ("paid", "")
    said = [(entry.source, entry.note) for entry in known.entries if entry.what == "dealt_with"]
    assert said == [(STAFF, "Sent from the other shop.")]
    ((action, subject, changes),) = trail(shop.database)
    assert (action, subject) == ("order.deal_with", f"order {order.number}")
    assert changes["note"] == ["", "Sent from the other shop."]
    assert "gone" in changes["attention"][0]
    agrees_with_stripe(shop)


# A payment that is not what the order costs


def test_a_wrong_payment_goes_back_whole_and_the_order_is_cancelled_and_its_goods_are_free(shop: Shop) -> None:
    order = paid_otherwise(shop)
    assert shelf(shop) == (3, 2)
    refund_id = given_back(shop, order)
    assert given_back(shop, order) == refund_id  # a double click
    assert given_back(shop, order, "another desk") == refund_id
    known = shop.order(order.id)
    assert (known.status, known.attention, known.stock_state) == ("cancelled", "", "released")
    assert shelf(shop) == (3, 0)
    assert [(told["amount"], told["status"]) for told in shop.stripe.refunds()] == [(TOTAL, "succeeded")]
    assert sums(shop, known) == (0, 0)  # it was never the order's money
    assert [reason for reason in told_to_buyers(shop) if "cancelled" in reason] == told_to_buyers(shop) != []
    assert {action for action, _, _ in trail(shop.database)} == {"order.refund"}
    agrees_with_stripe(shop)
    with shop.database.reading() as session:
        assert session.scalars(select(Order.open_cart_id)).one() is None


def test_a_payment_in_another_currency_goes_back_in_its_own(shop: Shop) -> None:
    order = paid_otherwise(shop, currency="usd")
    given_back(shop, order)
    known = shop.order(order.id)
    assert known.status == "cancelled"
    assert [(told["amount"], told["currency"]) for told in shop.stripe.refunds()] == [(TOTAL, "sgd")]
    assert sums(shop, known) == (0, 0)
    assert "refunded" not in mails(shop)  # which would name the order's currency
    agrees_with_stripe(shop)


def test_a_wrong_payment_cannot_be_dealt_with_while_it_is_here(shop: Shop) -> None:
    order = paid_otherwise(shop)
    with pytest.raises(InvalidChange, match=r"SGD 83\.00 are here"):
        deal_with(shop.database, order.number, note="never mind", actor=STAFF)
    assert shop.order(order.id).status == "attention"


def test_a_wrong_payment_that_was_given_back_in_the_dashboard_cancels_the_order_too(shop: Shop) -> None:
    order = paid_otherwise(shop)
    client = dashboard(shop)
    for amount, status in ((300, "attention"), (TOTAL - 300, "cancelled")):
        client.v1.refunds.create(params={"payment_intent": order.payment_intent or "", "amount": amount})
        hear(shop, *told_of(shop))
        assert shop.order(order.id).status == status
    agrees_with_stripe(shop)
    assert given_back(shop, order) > 0
    assert len(shop.stripe.refunds()) == 2


def test_what_the_dashboard_left_of_a_wrong_payment_is_given_back(shop: Shop) -> None:
    order = paid_otherwise(shop)
    dashboard(shop).v1.refunds.create(params={"payment_intent": order.payment_intent or "", "amount": 300})
    hear(shop, *told_of(shop))
    given_back(shop, order)
    assert sorted(told["amount"] for told in shop.stripe.refunds()) == [300, TOTAL - 300]
    assert shop.order(order.id).status == "cancelled"
    agrees_with_stripe(shop)


def test_a_refund_of_a_wrong_payment_that_stripe_does_not_answer_for_is_finished_by_the_sweep(shop: Shop) -> None:
    order = paid_otherwise(shop)
    shop.stripe.fail_next(9, "500", "POST", "/v1/refunds")
    for desk in ("one", "another"):
        with pytest.raises(PaymentUnavailable):
            given_back(shop, order, desk)
    assert shop.order(order.id).status == "attention"
    assert shelf(shop) == (3, 2)
    with shop.database.reading() as session:
        assert len(session.scalars(select(Refund)).all()) == 1
    shop.stripe.clear_faults()
    time_passes(shop, minutes=10)
    finish_refunds(shop.database, shop.gateway)
    assert shop.order(order.id).status == "cancelled"
    assert shelf(shop) == (3, 0)
    assert len(shop.stripe.refunds()) == 1
    agrees_with_stripe(shop)


def test_a_wrong_payment_that_could_not_be_given_back_is_looked_at_again_and_may_be_tried_once_more(shop: Shop) -> None:
    order = paid_otherwise(shop)
    given_back(shop, order)
    shop.stripe.settle_refund(shop.stripe.refunds()[0]["id"], ok=False)
    hear(shop, *told_of(shop))
    assert shop.order(order.id).status == "attention"
    assert shelf(shop) == (3, 0)
    given_back(shop, order, "again")
    deal_with(shop.database, order.number, note="given back at the second try", actor=STAFF)
    assert shop.order(order.id).status == "cancelled"
    agrees_with_stripe(shop)


def test_a_wrong_payment_that_stripe_will_not_give_back_keeps_the_order_as_it_is(shop: Shop) -> None:
    order = paid_otherwise(shop)
    shop.stripe.dispute(shop.session_of(order.id))
    with pytest.raises(PaymentRefused):
        given_back(shop, order)
    assert shop.order(order.id).attention
    assert shelf(shop) == (3, 2)


def test_a_wrong_payment_that_the_bank_has_taken_back_for_good_cancels_the_order_when_it_is_dealt_with(
    shop: Shop,
) -> None:
    order = paid_otherwise(shop)
    shop.stripe.settle_dispute(shop.stripe.dispute(shop.session_of(order.id))["id"], won=False)
    with shop.database.transaction() as session:
        for event in (each for each in shop.stripe.events() if each["type"].startswith("charge.dispute.")):
            settle_dispute(session, read_dispute(event["data"]["object"]), "webhook", now())
    with pytest.raises(InvalidChange, match="Nothing of this payment is left"):
        given_back(shop, order)
    deal_with(shop.database, order.number, note="the bank was faster", actor=STAFF)
    known = shop.order(order.id)
    assert (known.cancelled_at is not None, known.stock_state, shelf(shop)) == (True, "released", (3, 0))
    holds(shop)


def test_a_payment_that_is_what_the_order_costs_is_not_given_back_this_way(shop: Shop) -> None:
    order = an_owed_order(shop)
    with pytest.raises(InvalidChange, match="is what it costs"):
        given_back(shop, order)
    assert shop.stripe.refunds() == []


def test_a_right_telling_that_comes_late_still_makes_the_order_paid(shop: Shop) -> None:
    """What looked wrong was a forged or mangled telling; Stripe itself says what was paid."""
    order = paid_otherwise(shop)
    with shop.database.transaction() as session:
        session.execute(update(Order).values(subtotal_minor=7800, total_minor=7800, closed_at=None))
    look_at_payment(shop.database, shop.gateway, order.id)
    deal_with(shop.database, order.number, note=f"right after all, {now():%Y}", actor=STAFF)
    known = shop.order(order.id)
    assert (known.status, known.paid.minor, known.stock_state) == ("paid", TOTAL, "sold")
    agrees_with_stripe(shop)
