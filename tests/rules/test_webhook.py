"""What Stripe posts: twice, late, out of order, forged."""

import json
import time
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select, update

from shop.cart import adding
from shop.cart.reading import view_cart
from shop.catalog.models import Variant
from shop.checkout.sweep import sweep
from shop.db import now
from shop.mail.models import OutboxMessage
from shop.orders.models import Order
from shop.payments.inbox import events_of_order
from shop.payments.models import PaymentAttempt, StripeEvent
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop
from tests.support.invariants import broken
from tests.support.posting import post
from tests.support.refunding import a_paid_order, refund_in_dashboard, sums, told_of
from tests.support.serving import eventually


def placed_order(shop: Shop, quantity: int = 1) -> int:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id, _ = a_cart(session, (a_variant(session, stock=3), quantity))
    return shop.place(cart_id).order_id


def counters(shop: Shop) -> tuple[int, int]:
    with shop.database.reading() as session:
        row = session.execute(select(Variant.on_hand, Variant.reserved)).one()
        return row.on_hand, row.reserved


def pieces_in(shop: Shop, cart_id: int) -> int:
    with shop.database.reading() as session:
        return view_cart(session, cart_id, "sgd").pieces


def holds(shop: Shop) -> None:
    with shop.database.reading() as session:
        assert broken(session) == []


def stored(shop: Shop) -> list[tuple[str, str]]:
    with shop.database.reading() as session:
        return [(row.type, row.state) for row in session.scalars(select(StripeEvent).order_by(StripeEvent.id))]


def test_a_signed_event_makes_the_order_paid_within_a_second(shop: Shop) -> None:
    order_id = placed_order(shop, 2)
    shop.stripe.pay(shop.session_of(order_id))
    order = eventually(lambda: next((o for o in [shop.order(order_id)] if o.status == "paid"), None), within=1)
    assert order.paid.minor == 7800 + 500
    assert order.email == "reader@example.com"
    assert counters(shop) == (1, 0)
    holds(shop)


def test_an_event_delivered_again_changes_nothing(shop: Shop) -> None:
    order_id = placed_order(shop)
    shop.stripe.pay(shop.session_of(order_id))
    eventually(lambda: shop.order(order_id).status == "paid")
    before = shop.order(order_id)
    event = shop.stripe.events("checkout.session.completed")[0]
    for _ in range(3):
        assert post(shop, json.dumps(event).encode()).status_code == 200
    assert shop.order(order_id) == before
    holds(shop)


def test_an_expired_session_gives_the_goods_back(shop: Shop) -> None:
    order_id = placed_order(shop)
    shop.stripe.expire(shop.session_of(order_id))
    eventually(lambda: shop.order(order_id).status == "expired")
    assert counters(shop) == (3, 0)
    holds(shop)


def test_completed_but_unpaid_holds_the_goods_until_the_money_came(shop: Shop) -> None:
    order_id = placed_order(shop)
    session_id = shop.session_of(order_id)
    shop.stripe.pay(session_id, method="delayed_debit")
    eventually(lambda: shop.order(order_id).status == "processing")
    assert counters(shop) == (3, 1)
    shop.stripe.settle_delayed(session_id, ok=True)
    eventually(lambda: shop.order(order_id).status == "paid")
    assert counters(shop) == (2, 0)
    holds(shop)


def test_money_that_comes_late_leaves_alone_what_the_reader_has_put_into_the_cart_since(shop: Shop) -> None:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        variant = a_variant(session, stock=3)
        cart_id, _ = a_cart(session, (variant, 1))
    session_id = shop.session_of(shop.place(cart_id).order_id)
    shop.stripe.pay(session_id, method="delayed_debit")
    eventually(lambda: not pieces_in(shop, cart_id))
    with shop.database.transaction() as session:
        adding.add_to_cart(session, cart_id, variant.id, 1, limit=20)
    shop.stripe.settle_delayed(session_id, ok=True)
    eventually(lambda: counters(shop) == (2, 0))
    assert pieces_in(shop, cart_id) == 1
    holds(shop)


def test_a_delayed_payment_that_fails_gives_the_goods_back(shop: Shop) -> None:
    order_id = placed_order(shop)
    session_id = shop.session_of(order_id)
    shop.stripe.pay(session_id, method="delayed_debit")
    eventually(lambda: shop.order(order_id).status == "processing")
    shop.stripe.settle_delayed(session_id, ok=False)
    eventually(lambda: shop.order(order_id).status == "payment_failed")
    assert counters(shop) == (3, 0)
    holds(shop)


def test_a_late_event_never_moves_a_paid_order_back(shop: Shop) -> None:
    order_id = placed_order(shop)
    session_id = shop.session_of(order_id)
    shop.stripe.pay(session_id)
    eventually(lambda: shop.order(order_id).status == "paid")
    event = shop.stripe.events("checkout.session.completed")[0]
    late = json.loads(json.dumps(event))
    late["id"], late["type"] = "evt_late", "checkout.session.expired"
    late["data"]["object"]["status"] = "expired"
    assert post(shop, json.dumps(late).encode()).status_code == 200
    assert shop.order(order_id).status == "paid"
    holds(shop)


@pytest.mark.parametrize(
    ("field", "value"), [("amount_total", 1), ("currency", "usd"), ("amount_subtotal", 1), ("livemode", True)]
)
def test_money_that_does_not_match_the_order_is_never_fulfilled(shop: Shop, field: str, value: object) -> None:
    order_id = placed_order(shop)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id))
    event = json.loads(json.dumps(shop.stripe.events("checkout.session.completed")[0]))
    event["id"] = "evt_wrong"
    event["data"]["object"][field] = value
    assert post(shop, json.dumps(event).encode()).status_code == 200
    order = shop.order(order_id)
    assert order.status == "attention"
    assert order.paid_at is None
    assert counters(shop) == (3, 1)
    holds(shop)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[]", b"{}", b"null", b'"text"', b"[1]", b'{"object": "event"}', b"{", b"\x00"]
)
def test_a_malformed_body_is_a_400_even_when_it_is_signed(shop: Shop, body: bytes) -> None:
    answer = post(shop, body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_signature"
    assert stored(shop) == []


def test_forged_stale_and_unsigned_events_are_refused(shop: Shop) -> None:
    order_id = placed_order(shop)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id))
    body = json.dumps(shop.stripe.events("checkout.session.completed")[0]).encode()
    assert post(shop, body, secret="whsec_forged").status_code == 400
    assert post(shop, body, at=int(time.time()) - 3600).status_code == 400
    assert requests.post(f"{shop.url}/webhooks/stripe", data=body, timeout=10).status_code == 400
    assert stored(shop) == []
    assert shop.order(order_id).status == "pending"


def test_foreign_and_unknown_events_are_kept_as_ignored(shop: Shop) -> None:
    event = {
        "id": "evt_foreign",
        "object": "event",
        "type": "customer.created",
        "created": int(time.time()),
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    }
    assert post(shop, json.dumps(event).encode()).status_code == 200
    assert stored(shop) == [("customer.created", "ignored")]


def test_a_session_of_another_shop_on_the_same_account_touches_no_order_of_ours(shop: Shop) -> None:
    order_id = placed_order(shop)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id))
    event = json.loads(json.dumps(shop.stripe.events("checkout.session.completed")[0]))
    event["id"], event["data"]["object"]["id"] = "evt_other", "cs_test_of_another_shop"
    for metadata in ({"order_id": str(order_id)}, {"order_id": str(order_id), "order_number": "U-00000000"}):
        event["id"] += "1"
        event["data"]["object"]["metadata"] = metadata
        assert post(shop, json.dumps(event).encode()).json()["state"] == "ignored"
    assert shop.order(order_id).status == "pending"
    holds(shop)


def test_a_failed_payment_whose_other_events_were_lost_is_told_to_the_buyer(shop: Shop) -> None:
    order_id = placed_order(shop)
    session_id = shop.session_of(order_id)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(session_id, method="delayed_debit")
    shop.stripe.settle_delayed(session_id, ok=False)
    failed = shop.stripe.events("checkout.session.async_payment_failed")[0]
    assert post(shop, json.dumps(failed).encode()).status_code == 200
    assert shop.order(order_id).status == "payment_failed"
    with shop.database.reading() as session:
        sent = session.scalars(select(OutboxMessage)).all()
    assert [(message.kind, message.recipient) for message in sent] == [("payment_failed", "reader@example.com")]
    holds(shop)


def test_a_payment_that_has_failed_is_not_on_its_way_again_when_the_older_event_comes_late(shop: Shop) -> None:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id, _ = a_cart(session, (a_variant(session, stock=3), 1))
    order_id = shop.place(cart_id).order_id
    session_id = shop.session_of(order_id)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(session_id, method="delayed_debit")
    (completed,) = shop.stripe.events("checkout.session.completed")
    shop.stripe.settle_delayed(session_id, ok=False)
    (failed,) = shop.stripe.events("checkout.session.async_payment_failed")
    for event in (failed, completed):
        assert post(shop, json.dumps(event).encode()).status_code == 200
    order = shop.order(order_id)
    assert (order.status, order.processing_at) == ("payment_failed", None)
    assert pieces_in(shop, cart_id) == 1
    holds(shop)


def test_an_event_that_cannot_be_applied_is_a_500_and_kept_as_failed_then_applied_when_it_comes_again(
    shop: Shop,
) -> None:
    order_id = placed_order(shop)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id))
    body = json.dumps(shop.stripe.events("checkout.session.completed")[0]).encode()
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(params={"shipping_options": [{}]}))
    assert post(shop, body).status_code == 500
    assert stored(shop) == [("checkout.session.completed", "failed")]
    assert shop.order(order_id).status == "pending"
    with shop.database.reading() as session:
        assert [event.state for event in events_of_order(session, order_id)] == ["failed"]
    option = {"shipping_rate_data": {"fixed_amount": {"amount": 500, "currency": "sgd"}, "display_name": "Standard"}}
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(params={"shipping_options": [option]}))
    assert post(shop, body).status_code == 200
    assert shop.order(order_id).status == "paid"
    holds(shop)


@pytest.mark.parametrize("amount", [10**30, float("inf"), float("nan"), -1, None], ids=str)
def test_a_refund_over_a_sum_that_can_be_none_is_kept_as_failed_and_counts_nothing(shop: Shop, amount: object) -> None:
    order = a_paid_order(shop)
    refund_in_dashboard(shop, order, 1000)
    event = told_of(shop, "refund.created")[0]
    event["data"]["object"]["amount"] = amount
    assert post(shop, json.dumps(event).encode()).status_code == 500
    assert stored(shop) == [("refund.created", "failed")]
    assert sums(shop, order) == (0, 0)


def test_the_reason_kept_of_a_failure_names_no_buyer_though_the_database_does(shop: Shop) -> None:
    order_id = placed_order(shop)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id), email="secret-reader@example.com")
    event = json.loads(json.dumps(shop.stripe.events("checkout.session.completed")[0]))
    with shop.database.transaction() as session:
        # A shipping price that leads to a sum which the schema refuses, with the buyer's row in the database's words.
        option = {"shipping_rate_data": {"fixed_amount": {"amount": -1, "currency": "sgd"}, "display_name": "Odd"}}
        session.execute(update(PaymentAttempt).values(params={"shipping_options": [option]}))
    event["data"]["object"]["shipping_cost"]["amount_total"] = -1
    event["data"]["object"]["amount_total"] = 3899
    assert post(shop, json.dumps(event).encode()).status_code == 500
    with shop.database.reading() as session:
        row = session.scalars(select(StripeEvent)).one()
    assert row.state == "failed"
    assert row.reason.startswith("IntegrityError: ")
    assert "secret-reader" not in row.reason


def test_no_name_or_address_of_the_buyer_is_kept_in_the_inbox(shop: Shop) -> None:
    order_id = placed_order(shop)
    shop.stripe.pay(shop.session_of(order_id), email="secret-reader@example.com", name="Zebedee Quill")
    eventually(lambda: shop.order(order_id).status == "paid")
    with shop.database.reading() as session:
        payloads = " ".join(session.scalars(select(StripeEvent.payload)))
    assert "checkout.session" in payloads
    assert "secret-reader" not in payloads
    assert "Zebedee" not in payloads


def test_the_sweep_settles_what_a_lost_webhook_would_have_said(shop: Shop) -> None:
    order_id = placed_order(shop)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id))
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(expires_at=now() - timedelta(minutes=1)))
    sweep(shop.database, shop.gateway)
    assert shop.order(order_id).status == "paid"
    holds(shop)


def test_the_sweep_holds_the_goods_while_stripe_does_not_answer(shop: Shop) -> None:
    placed_order(shop)
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(expires_at=now() - timedelta(minutes=1)))
    shop.stripe.fail_next(10, "500")
    assert sweep(shop.database, shop.gateway).postponed == 1
    assert counters(shop) == (3, 1)
    shop.stripe.clear_faults()
    assert sweep(shop.database, shop.gateway).closed == 1
    assert counters(shop) == (3, 0)
    holds(shop)


def test_paid_for_what_is_gone_is_flagged_and_stock_never_goes_below_zero(shop: Shop) -> None:
    order_id = placed_order(shop)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id))
    with shop.database.transaction() as session:
        session.execute(update(Variant).values(reserved=0))
        session.execute(update(Order).values(stock_state="released"))
        variant_id = session.scalars(select(Variant.id)).one()
        from shop.catalog import stock

        stock.adjust(session, variant_id, -3, "gone", "tests")
    shop.stripe.release_deliveries()
    order = eventually(lambda: next((o for o in [shop.order(order_id)] if o.status == "attention"), None))
    assert "paid for what is gone" in order.attention
    assert order.paid_at is not None
    assert counters(shop) == (0, 0)
    holds(shop)
