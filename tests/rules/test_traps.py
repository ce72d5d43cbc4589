"""Where shops lose money in public. Each trap has its test here, through the doors that a buyer and Stripe use."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
import stripe
from sqlalchemy import func, select, update

from shop.cart import adding
from shop.catalog.models import StockMovement, Variant
from shop.checkout.sweep import sweep
from shop.db import now
from shop.errors import AlreadyPaid, PaymentUnavailable
from shop.mail.models import OutboxMessage
from shop.orders.models import Order
from shop.payments.models import PaymentAttempt, Refund, StripeEvent
from shop.payments.refunds import refunds_of
from shop.sandbox.refusals import Refusal
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import TEST_WEBHOOK_SECRET, Shop
from tests.support.books import broken_books
from tests.support.invariants import broken, disagreements
from tests.support.refunding import a_paid_order, give_back, refund_in_dashboard
from tests.support.serving import eventually

COMPLETED = "checkout.session.completed"


@pytest.fixture
def cart(shop: Shop) -> int:
    """One of three shirts, for 39.00 and 5.00 of shipping."""
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        return a_cart(session, (a_variant(session, stock=3), 1))[0]


def paid_unheard(shop: Shop, cart: int) -> tuple[int, Any]:
    """An order that is paid at Stripe, and the event that says so, which has not been delivered."""
    order_id = shop.place(cart).order_id
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order_id))
    return order_id, shop.stripe.events(COMPLETED)[0]


def signed(body: str) -> dict[str, str]:
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body, TEST_WEBHOOK_SECRET)}


def post(shop: Shop, body: str, **headers: str) -> int:
    sent = {"Content-Type": "application/json", **(headers or signed(body))}
    return requests.post(f"{shop.url}/webhooks/stripe", data=body.encode(), headers=sent, timeout=10).status_code


def shelf(shop: Shop) -> tuple[int, int]:
    """On hand, and how many of them are promised."""
    with shop.database.reading() as session:
        on_hand, reserved = session.execute(select(Variant.on_hand, Variant.reserved)).one()
    return on_hand, reserved


def count(shop: Shop, *conditions: Any) -> int:
    with shop.database.reading() as session:
        return session.scalar(select(func.count()).where(*conditions)) or 0


def holds(shop: Shop) -> None:
    with shop.database.reading() as session:
        wrong = broken(session) + broken_books(session)
        wrong += disagreements(session, shop.stripe.sessions(), shop.stripe.events())
    assert wrong == []


def while_it_does_not_fit(shop: Shop) -> Callable[[], None]:
    """Until the returned function is called, no event can be applied."""
    with shop.database.transaction() as session:
        attempt = session.scalars(select(PaymentAttempt)).one()
        params, attempt.params = attempt.params, {"shipping_options": [{}]}

    def mend() -> None:
        with shop.database.transaction() as session:
            session.execute(update(PaymentAttempt).values(params=params))

    return mend


def test_trap_a_body_that_is_parsed_and_written_again_before_it_is_verified(shop: Shop, cart: int) -> None:
    """Only the very bytes are what was signed: spaces, escapes and the order of keys are part of them."""
    order_id, event = paid_unheard(shop, cart)
    event["note"] = "caf\u00e9"
    body = json.dumps(dict(reversed(event.items())), indent=7, ensure_ascii=True)
    assert post(shop, json.dumps(json.loads(body)), **signed(body)) == 400
    assert shop.order(order_id).status == "pending"
    assert post(shop, body) == 200
    assert shop.order(order_id).status == "paid"


def test_trap_a_webhook_under_the_protection_against_forged_forms(shop: Shop, cart: int) -> None:
    """Stripe has no token, no cookie and no page of ours; what it says may even look like another site's request."""
    order_id, event = paid_unheard(shop, cart)
    body = json.dumps(event)
    elsewhere = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert post(shop, body, **signed(body), **elsewhere) == 200
    assert shop.order(order_id).status == "paid"


def test_trap_parallel_deliveries_of_one_event_settle_twice(shop: Shop, cart: int) -> None:
    order_id, event = paid_unheard(shop, cart)
    body = json.dumps(event)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: post(shop, body), range(36)))
    assert set(answers) == {200}
    assert count(shop, StockMovement.kind == "sale") == 1
    assert count(shop, OutboxMessage.kind == "receipt") == 1
    assert count(shop, StripeEvent.stripe_id == event["id"]) == 1
    assert [entry.what for entry in shop.order(order_id).entries].count("paid") == 1
    assert shelf(shop) == (2, 0)
    holds(shop)


def test_trap_an_event_is_marked_as_handled_before_its_work_is_stored(shop: Shop, cart: int) -> None:
    """Work that failed leaves no mark that would keep the next delivery from doing it."""
    order_id, event = paid_unheard(shop, cart)
    mend = while_it_does_not_fit(shop)
    body = json.dumps(event)
    assert post(shop, body) == 500
    assert count(shop, StripeEvent.state == "failed") == 1
    assert (shop.order(order_id).status, shelf(shop)) == ("pending", (3, 1))
    assert count(shop, OutboxMessage.kind == "receipt") == 0
    mend()
    assert post(shop, body) == 200
    assert count(shop, StripeEvent.state == "applied") == 1
    assert (shop.order(order_id).status, shelf(shop)) == ("paid", (2, 0))
    holds(shop)


def test_trap_the_webhook_comes_before_the_order_is_stored(shop: Shop, cart: int) -> None:
    """The order is there before Stripe is asked, so an event that overtakes the answer finds it."""
    shop.stripe.fail_next(1, "slow", "POST", "/v1/checkout/sessions")
    with ThreadPoolExecutor(1) as buyer:
        slow = buyer.submit(shop.place, cart)
        eventually(lambda: shop.stripe.waiting_calls() == 1)
        shop.stripe.pay(shop.stripe.sessions()[0]["id"])
        eventually(lambda: count(shop, Order.paid_at.is_not(None)) == 1)
        assert not slow.done()
        shop.stripe.release_calls()
        with pytest.raises(AlreadyPaid) as refusal:
            slow.result(10)
    assert count(shop, Order.access_token == refusal.value.access_token, Order.status == "paid") == 1
    assert shelf(shop) == (2, 0)
    holds(shop)


def test_trap_completed_is_taken_for_paid(shop: Shop, cart: int) -> None:
    order_id = shop.place(cart).order_id
    shop.stripe.pay(shop.session_of(order_id), method="delayed_debit")
    assert shop.stripe.events(COMPLETED)[0]["data"]["object"]["payment_status"] == "unpaid"
    eventually(lambda: count(shop, StripeEvent.type == COMPLETED, StripeEvent.state == "applied") == 1)
    order = shop.order(order_id)
    assert (order.status, order.paid.minor, shelf(shop)) == ("processing", 0, (3, 1))
    assert count(shop, OutboxMessage.kind == "receipt") == 0
    holds(shop)


def test_trap_a_timer_of_our_own_frees_the_goods_while_the_session_can_be_paid(shop: Shop, cart: int) -> None:
    order_id = shop.place(cart).order_id
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(expires_at=now() - timedelta(hours=1)))
    shop.stripe.fail_next(20, "500")
    assert sweep(shop.database, shop.gateway).postponed == 1
    assert (shop.order(order_id).status, shelf(shop)) == ("pending", (3, 1))
    shop.stripe.pay(shop.session_of(order_id))
    eventually(lambda: shop.order(order_id).status == "paid")
    assert shelf(shop) == (2, 0)
    holds(shop)


def test_trap_a_retried_checkout_forgets_a_session_that_still_takes_money(shop: Shop, cart: int) -> None:
    first = shop.place(cart).order_id
    old = shop.session_of(first)
    with shop.database.transaction() as session:
        adding.add_to_cart(session, cart, session.scalars(select(Variant.id)).one(), 1, limit=20)
    second = shop.place(cart).order_id
    assert second != first
    assert (shop.session_of(first), shop.stripe.session(old)["status"]) == (old, "expired")
    with pytest.raises(Refusal):
        shop.stripe.pay(old)
    assert [told["status"] for told in shop.stripe.sessions()] == ["open", "expired"]
    holds(shop)


def test_trap_a_checkout_whose_answer_was_lost_opens_a_second_session(shop: Shop, cart: int) -> None:
    shop.stripe.fail_next(2, "drop_after", "POST", "/v1/checkout/sessions")
    with pytest.raises(PaymentUnavailable):
        shop.place(cart)
    (made,) = shop.stripe.sessions()
    assert shop.place(cart).payment_url == made["url"]
    assert len(shop.stripe.sessions()) == 1
    holds(shop)


def test_trap_amount_refunded_is_taken_for_what_was_refunded_just_now(shop: Shop) -> None:
    """It is the sum of all refunds: 10.00 and then 15.00 are 15.00."""
    order = a_paid_order(shop)
    for amount in (1000, 500):
        refund_in_dashboard(shop, order, amount)
    charges = shop.stripe.events("charge.refunded")
    assert [told["data"]["object"]["amount_refunded"] for told in charges] == [1000, 1500]
    shop.stripe.release_deliveries()
    eventually(lambda: shop.order(order.id).refunded.minor == 1500)
    for told in (*charges, *charges):
        assert post(shop, json.dumps(told)) == 200
    assert (shop.order(order.id).refunded.minor, count(shop, Refund.order_id == order.id)) == (1500, 2)
    assert shop.order(order.id).status == "partly_refunded"
    holds(shop)


def test_trap_a_refunds_event_comes_before_the_refunds_call_has_returned(shop: Shop) -> None:
    """The row is there before the call, and its number travels with it: one refund, not two."""
    order = a_paid_order(shop)
    shop.stripe.release_deliveries()
    shop.stripe.fail_next(1, "slow", "POST", "/v1/refunds")
    with ThreadPoolExecutor(1) as staff:
        slow = staff.submit(give_back, shop, order, 1)
        eventually(lambda: shop.order(order.id).refunded.minor == 3900)
        assert not slow.done()
        shop.stripe.release_calls()
        refund_id = slow.result(10)
    with shop.database.reading() as session:
        assert [(each.id, each.status) for each in refunds_of(session, order.id)] == [(refund_id, "succeeded")]
    assert shop.order(order.id).refunded.minor == 3900
    assert count(shop, OutboxMessage.kind == "refunded") == 1
    holds(shop)


def test_trap_a_failure_is_caught_and_answered_200(shop: Shop, cart: int) -> None:
    """Stripe forgets what it was told has arrived; after a 500 it comes again by itself."""
    order_id = shop.place(cart).order_id
    mend = while_it_does_not_fit(shop)
    shop.stripe.pay(shop.session_of(order_id))

    def answers() -> list[int | None]:
        return [
            attempt["status"]
            for delivery in shop.stripe.deliveries()
            if delivery["type"] == COMPLETED
            for attempt in delivery["attempts"]
        ]

    eventually(lambda: 500 in answers())
    assert shop.order(order_id).status == "pending"
    mend()
    eventually(lambda: shop.order(order_id).status == "paid")
    eventually(lambda: answers()[-1] == 200)
    holds(shop)


def test_trap_whoever_holds_a_session_id_reads_the_order(shop: Shop, cart: int) -> None:
    placed = shop.place(cart)
    session_id = shop.session_of(placed.order_id)
    shop.stripe.pay(session_id)
    order = eventually(lambda: next((each for each in [shop.order(placed.order_id)] if each.paid_at), None))
    told = shop.stripe.session(session_id)
    assert session_id not in told["success_url"]
    assert "CHECKOUT_SESSION_ID" not in told["success_url"]
    for name in (session_id, told["payment_intent"], order.number, str(order.id), placed.access_token[:-1]):
        for path in (f"/orders/{name}", f"/orders/{name}/return", f"/orders/return?session_id={name}"):
            answer = requests.get(f"{shop.url}{path}", timeout=10)
            assert answer.status_code == 404, path
            assert "reader@" not in answer.text
    assert requests.get(f"{shop.url}/orders/{placed.access_token}", timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount_total", 1), ("amount_subtotal", 1), ("currency", "idr"), ("livemode", True)],
)
def test_trap_amount_currency_and_mode_are_never_compared(shop: Shop, cart: int, field: str, value: object) -> None:
    order_id, event = paid_unheard(shop, cart)
    event["data"]["object"][field] = value
    assert post(shop, json.dumps(event)) == 200
    order = shop.order(order_id)
    assert (order.status, order.paid_at, order.stock_state) == ("attention", None, "reserved")
    assert order.attention
    assert count(shop, OutboxMessage.kind == "receipt") == 0
    assert count(shop, StockMovement.kind == "sale") == 0
