"""Events that could not be applied when they came: they wait, are read anew from Stripe, and are tried again."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from shop.checkout.closing import look_at_payment
from shop.checkout.replay import Replayed, has_due, replay, replay_failed, retry_due
from shop.checkout.sweep import sweep
from shop.cli import main
from shop.db import Database, now
from shop.errors import NotFound
from shop.orders.models import Order
from shop.orders.reading import OrderView
from shop.payments.inbox import EventView, events_of_order, find_event, list_events
from shop.payments.models import PaymentAttempt, StripeEvent
from shop.staff.audit import list_entries
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET, Shop
from tests.support.invariants import broken
from tests.support.posting import post
from tests.support.refunding import a_paid_order, refund_in_dashboard
from tests.support.serving import eventually

OLDER = "2024-06-20"


def an_order(shop: Shop) -> int:
    """Paid at Stripe; the shop has not been told."""
    shop.stripe.hold_deliveries()
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id, _ = a_cart(session, (a_variant(session, stock=3), 1))
    order_id = shop.place(cart_id).order_id
    shop.stripe.pay(shop.session_of(order_id))
    return order_id


def told(shop: Shop, kind: str) -> Any:
    """The newest event of a kind at Stripe."""
    return json.loads(json.dumps(shop.stripe.events(kind)[-1]))


def deliver(shop: Shop, event: Any, status: int = 200) -> EventView:
    """Hand an event in; how it stands in the inbox then."""
    answer = post(shop, json.dumps(event).encode())
    assert answer.status_code == status, answer.text
    return inbox(shop, event["id"])


def inbox(shop: Shop, stripe_id: str) -> EventView:
    with shop.database.reading() as session:
        found = find_event(session, stripe_id)
    assert found is not None
    return found


def later(shop: Shop, **length: float) -> None:
    """So much time passes in the inbox."""
    past = timedelta(**length)
    with shop.database.transaction() as session:
        for row in session.scalars(select(StripeEvent)):
            row.received_at -= past
            row.due_at = row.due_at and row.due_at - past


def out_of_order(shop: Shop) -> None:
    """Applying the payment fails from now on."""
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(params={"shipping_options": [{}]}))


def in_order(shop: Shop) -> None:
    option = {"shipping_rate_data": {"fixed_amount": {"amount": 500, "currency": "sgd"}, "display_name": "Standard"}}
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(params={"shipping_options": [option]}))


def holds(shop: Shop) -> None:
    with shop.database.reading() as session:
        assert broken(session) == []


def test_a_refund_of_stripes_dashboard_comes_by_its_event_and_once(shop: Shop) -> None:
    order = a_paid_order(shop)
    refund_in_dashboard(shop, order, 1000)
    event = told(shop, "refund.created")
    first = deliver(shop, event)
    assert (first.state, first.order_id) == ("applied", order.id)
    assert shop.order(order.id).refunded.minor == 1000
    assert deliver(shop, event).attempts == 2
    assert shop.order(order.id).refunded.minor == 1000
    with shop.database.reading() as session:
        assert [each.type for each in events_of_order(session, order.id)] == ["refund.created"]
    holds(shop)


def test_a_dispute_comes_by_its_event(shop: Shop) -> None:
    order = a_paid_order(shop, card="4000000000000259")
    assert deliver(shop, told(shop, "charge.dispute.created")).state == "applied"
    assert shop.order(order.id).status == "disputed"


def test_a_sum_of_refunds_is_no_refund_those_that_it_adds_up_are_asked_for(shop: Shop) -> None:
    order = a_paid_order(shop)
    refund_in_dashboard(shop, order, 1000)
    refund_in_dashboard(shop, order, 500)
    event = told(shop, "charge.refunded")
    assert deliver(shop, event).state == "waiting"
    assert shop.order(order.id).refunded.minor == 0
    assert retry_due(shop.database, shop.gateway) == Replayed(applied=1)
    assert shop.order(order.id).refunded.minor == 1500
    assert deliver(shop, event | {"id": "evt_again"}).state == "applied"
    assert shop.order(order.id).refunded.minor == 1500


def test_a_refund_that_is_told_before_the_payment_waits_for_it(shop: Shop) -> None:
    order_id = an_order(shop)
    intent = shop.stripe.session(shop.session_of(order_id))["payment_intent"]
    shop.gateway.create_refund({"payment_intent": intent, "amount": 700}, "dashboard")
    event = told(shop, "refund.created")
    waiting = deliver(shop, event)
    assert (waiting.state, waiting.reason) == ("waiting", "waits for its payment")
    look_at_payment(shop.database, shop.gateway, order_id)
    assert not has_due(shop.database)
    later(shop, minutes=2)
    assert has_due(shop.database)
    assert retry_due(shop.database, shop.gateway) == Replayed(applied=1)
    assert inbox(shop, event["id"]).order_id == order_id
    assert shop.order(order_id).refunded.minor == 700


def test_another_shops_refund_on_the_same_account_is_let_go_after_three_days_and_stripe_is_never_asked(
    shop: Shop,
) -> None:
    refund_in_dashboard(shop, a_paid_order(shop), 700)
    event = told(shop, "refund.created")
    event["data"]["object"] |= {"id": "re_of_another_shop", "payment_intent": "pi_of_another_shop"}
    deliver(shop, event)
    shop.stripe.fail_next(99, "500")
    tries = 0
    while inbox(shop, event["id"]).state == "waiting":
        later(shop, hours=6)
        retry_due(shop.database, shop.gateway)
        tries += 1
        assert tries < 20
    let_go = inbox(shop, event["id"])
    assert (let_go.state, let_go.reason, let_go.due_at) == ("ignored", "no order of this shop", None)
    assert let_go.attempts < 10
    assert tries == 12


@pytest.mark.parametrize("version", [OLDER, "2025-03-31.basil", None, ""])
def test_an_event_of_another_version_of_the_api_is_read_anew_and_never_misread(shop: Shop, version: str | None) -> None:
    order_id = an_order(shop)
    event = told(shop, "checkout.session.completed") | {"api_version": version}
    event["data"]["object"] = {"id": event["data"]["object"]["id"], "object": "checkout.session", "amount_total": 1}
    waiting = deliver(shop, event)
    assert waiting.state == "waiting"
    assert (version or "unknown") in waiting.reason
    assert shop.order(order_id).status == "pending"
    assert retry_due(shop.database, shop.gateway) == Replayed(applied=1)
    assert shop.order(order_id).status == "paid"
    holds(shop)


def test_an_event_that_has_failed_is_applied_by_the_shop_itself_without_another_delivery(shop: Shop) -> None:
    order_id = an_order(shop)
    out_of_order(shop)
    event = told(shop, "checkout.session.completed")
    failed = deliver(shop, event, 500)
    assert failed.state == "failed"
    assert failed.due_at is not None
    assert timedelta() < failed.due_at - now() <= timedelta(minutes=1)
    later(shop, minutes=1)
    assert retry_due(shop.database, shop.gateway) == Replayed(failed=1)
    again = inbox(shop, event["id"])
    assert again.attempts == 2
    assert again.due_at is not None
    assert timedelta(minutes=3) < again.due_at - now() <= timedelta(minutes=4)
    in_order(shop)
    later(shop, minutes=5)
    assert retry_due(shop.database, shop.gateway) == Replayed(applied=1)
    assert shop.order(order_id).status == "paid"
    assert inbox(shop, event["id"]).due_at is None
    holds(shop)


def test_what_has_failed_for_three_days_is_left_to_the_staff(shop: Shop) -> None:
    an_order(shop)
    out_of_order(shop)
    event = told(shop, "checkout.session.completed")
    deliver(shop, event, 500)
    later(shop, days=4)
    retry_due(shop.database, shop.gateway)
    left = inbox(shop, event["id"])
    assert (left.state, left.due_at) == ("failed", None)
    assert left.reason.startswith("KeyError")


def test_an_event_waits_on_while_stripe_does_not_answer(shop: Shop) -> None:
    order_id = an_order(shop)
    event = told(shop, "checkout.session.completed") | {"api_version": OLDER}
    deliver(shop, event)
    shop.stripe.fail_next(9, "500")
    assert retry_due(shop.database, shop.gateway) == Replayed(failed=1)
    assert inbox(shop, event["id"]).reason == "Stripe did not answer"
    shop.stripe.clear_faults()
    later(shop, minutes=2)
    assert retry_due(shop.database, shop.gateway) == Replayed(applied=1)
    assert shop.order(order_id).status == "paid"


def test_what_one_worker_has_taken_up_no_other_tries(shop: Shop) -> None:
    an_order(shop)
    deliver(shop, told(shop, "checkout.session.completed") | {"api_version": OLDER})
    shop.stripe.fail_next(1, "slow", path="/v1/checkout/sessions/*")
    with ThreadPoolExecutor(1) as worker:
        first = worker.submit(retry_due, shop.database, shop.gateway)
        eventually(lambda: shop.stripe.waiting_calls() == 1)
        assert not has_due(shop.database)
        assert retry_due(shop.database, shop.gateway) == Replayed()
        shop.stripe.release_calls()
        assert first.result(10) == Replayed(applied=1)


def test_staff_replay_one_event_and_the_trail_says_so(shop: Shop) -> None:
    order_id = an_order(shop)
    out_of_order(shop)
    event = told(shop, "checkout.session.completed")
    deliver(shop, event, 500)
    in_order(shop)
    assert replay(shop.database, shop.gateway, event["id"], actor="desk@example.com").state == "applied"
    assert shop.order(order_id).status == "paid"
    with shop.database.reading() as session:
        (line,) = list_entries(session).entries
    assert (line.actor, line.action, line.subject) == ("desk@example.com", "event.replay", f"event {event['id']}")
    assert {name: tuple(pair) for name, pair in line.changes.items()} == {"state": ("failed", "applied")}
    with pytest.raises(NotFound):
        replay(shop.database, shop.gateway, "evt_nobody_knows", actor="desk@example.com")


def test_all_that_has_failed_is_replayed_at_once_whenever_it_failed(shop: Shop) -> None:
    order_id = an_order(shop)
    out_of_order(shop)
    event = told(shop, "checkout.session.completed")
    deliver(shop, event, 500)
    deliver(shop, event | {"id": "evt_twin"}, 500)
    later(shop, days=30)
    in_order(shop)
    assert replay_failed(shop.database, shop.gateway, actor="desk@example.com") == Replayed(applied=2)
    assert shop.order(order_id).status == "paid"
    holds(shop)


def test_replaying_what_was_applied_changes_nothing_also_when_it_goes_wrong(shop: Shop) -> None:
    order_id = an_order(shop)
    event = told(shop, "checkout.session.completed")
    deliver(shop, event)
    before = shop.order(order_id)
    assert replay(shop.database, shop.gateway, event["id"], actor="desk@example.com").state == "applied"
    shop.stripe.fail_next(9, "500")
    assert replay(shop.database, shop.gateway, event["id"], actor="desk@example.com").state == "failed"
    assert inbox(shop, event["id"]).state == "applied"
    assert shop.order(order_id) == before


def test_a_refund_of_the_other_mode_touches_no_money_and_is_flagged(shop: Shop) -> None:
    order = a_paid_order(shop)
    refund_in_dashboard(shop, order, 700)
    deliver(shop, told(shop, "refund.created") | {"livemode": True})
    after = shop.order(order.id)
    assert after.refunded.minor == 0
    assert after.status == "attention"
    assert "wrong mode" in after.attention


def wrongly_paid(shop: Shop) -> tuple[OrderView, Any]:
    """An order whose payment is told with another amount, and the event that tells it right."""
    order_id = an_order(shop)
    event = told(shop, "checkout.session.completed")
    wrong = json.loads(json.dumps(event)) | {"id": "evt_wrong"}
    wrong["data"]["object"]["amount_total"] = 1
    deliver(shop, wrong)
    return shop.order(order_id), event


def columns(database: Database, order_id: int) -> tuple[int | None, str | None, str, bool]:
    with database.reading() as session:
        order = session.get_one(Order, order_id)
        return order.unmatched_minor, order.unmatched_currency, order.stock_state, order.closed_at is not None


def test_money_that_does_not_match_is_noted_for_staff_with_the_goods_still_held(shop: Shop) -> None:
    order, _ = wrongly_paid(shop)
    assert order.status == "attention"
    assert columns(shop.database, order.id) == (1, "sgd", "reserved", True)
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(expires_at=now() - timedelta(hours=1)))
    assert sweep(shop.database, shop.gateway).closed == 0
    holds(shop)


def test_a_later_word_that_matches_makes_the_order_paid_after_all(shop: Shop) -> None:
    order, event = wrongly_paid(shop)
    assert deliver(shop, event).state == "applied"
    assert shop.order(order.id).paid.minor == 3900 + 500
    assert columns(shop.database, order.id) == (None, None, "sold", True)
    holds(shop)


def test_the_inbox_is_read_newest_first_page_by_page_and_by_state(shop: Shop) -> None:
    order_id = an_order(shop)
    event = told(shop, "checkout.session.completed")
    deliver(shop, event)
    for number in range(3):
        deliver(shop, event | {"id": f"evt_{number}", "type": "customer.created"})
    with shop.database.reading() as session:
        first = list_events(session, limit=2)
        second = list_events(session, after=first.next_cursor, limit=2)
        ignored = list_events(session, "ignored")
    assert [each.stripe_id for each in first.events + second.events] == ["evt_2", "evt_1", "evt_0", event["id"]]
    assert second.next_cursor is None
    assert second.events[-1].order_id == order_id
    assert {each.reason for each in ignored.events} == {"not a kind of event that the shop acts on"}


def shop_events(shop: Shop, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    """How `shop events` ends, and what it says."""
    monkeypatch.setenv("SHOP_DATA", str(shop.settings.shop_data))
    monkeypatch.setenv("SHOP_DATABASE_URL", shop.settings.database_url)
    monkeypatch.setenv("STRIPE_API_BASE", shop.settings.stripe_api_base)
    monkeypatch.setenv("STRIPE_SECRET_KEY", TEST_KEY)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", TEST_WEBHOOK_SECRET)
    ran = CliRunner().invoke(main, ["events", *words])
    return ran.exit_code, ran.stdout or ran.stderr


def test_the_command_lists_shows_and_replays(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = an_order(shop)
    out_of_order(shop)
    event = told(shop, "checkout.session.completed")
    deliver(shop, event, 500)
    status, listed = shop_events(shop, monkeypatch, "list", "--state", "failed")
    assert (status, event["id"] in listed, "KeyError" in listed) == (0, True, True), listed
    assert shop_events(shop, monkeypatch, "list", "--state", "applied") == (0, "")
    assert "attempts     1" in shop_events(shop, monkeypatch, "show", event["id"])[1]
    assert shop_events(shop, monkeypatch, "replay", event["id"])[0] == 1
    in_order(shop)
    assert shop_events(shop, monkeypatch, "replay", "--failed") == (0, "1 applied, 0 ignored, 0 waiting, 0 failed\n")
    assert shop.order(order_id).status == "paid"
    for refused in (("show", "evt_nobody_knows"), ("replay",), ("replay", event["id"], "--failed")):
        assert shop_events(shop, monkeypatch, *refused)[0] == 2
