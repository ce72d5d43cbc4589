"""A Checkout Session's life at the local Stripe, through the unmodified SDK."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe
from stripe.checkout import Session

from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import SHIPPED, a_checkout, a_line, client_of

Create = Callable[..., Session]


def test_a_new_session_is_open_unpaid_and_has_a_payment_page(checkout: Create, local: RunningSandbox) -> None:
    before = int(time.time())
    session = checkout(client_reference_id="U-7K2M", customer_email="reader@example.com")
    assert session.id.startswith("cs_test_")
    assert (session.status, session.payment_status, session.mode) == ("open", "unpaid", "payment")
    assert (session.amount_subtotal, session.amount_total, session.currency) == (4900, 4900, "sgd")
    assert session.url == f"{local.url}/c/pay/{session.id}"
    assert session.payment_intent is None
    assert session.customer_details is not None
    assert session.customer_details.email == "reader@example.com"
    assert session.livemode is False
    assert before + 86400 <= session.expires_at <= int(time.time()) + 86400


def test_a_session_reads_the_same_later(api: stripe.StripeClient, checkout: Create) -> None:
    session = checkout()
    assert str(api.v1.checkout.sessions.retrieve(session.id)) == str(session)


def test_paying_completes_the_session_and_names_the_buyer(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout(**SHIPPED, payment_intent_data={"metadata": {"order": "U-7K2M"}, "description": "One shirt"})
    local.control.pay(session.id, email="kim@example.com", name="Kim Reader", shipping=1)
    paid = api.v1.checkout.sessions.retrieve(session.id, params={"expand": ["payment_intent.latest_charge"]})
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.amount_total == 4900 + 1500
    assert paid.total_details is not None
    assert paid.total_details.amount_shipping == 1500
    assert paid.customer_details is not None
    assert (paid.customer_details.email, paid.customer_details.name) == ("kim@example.com", "Kim Reader")
    assert paid.collected_information is not None
    assert paid.collected_information.shipping_details is not None
    assert paid.collected_information.shipping_details.address.postal_code == "048616"
    intent: Any = paid.payment_intent
    assert (intent.status, intent.amount, intent.amount_received) == ("succeeded", 6400, 6400)
    assert (intent.metadata.order, intent.description) == ("U-7K2M", "One shirt")
    assert intent.shipping.name == "Kim Reader"
    charge = intent.latest_charge
    assert (charge.paid, charge.captured, charge.amount, charge.refunded) == (True, True, 6400, False)
    assert charge.payment_method_details.card.last4 == "4242"


def test_paying_makes_each_event_once_with_a_snapshot_of_its_moment(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout()
    local.control.pay(session.id)
    events = api.v1.events.list(params={"limit": 100}).data
    assert [event.type for event in reversed(events)] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    created: Any = events[-1]
    assert created.data.object.status == "requires_payment_method"
    completed: Any = events[0]
    assert completed.data.object.id == session.id
    assert completed.data.object.payment_status == "paid"
    assert completed.api_version == stripe.api_version
    assert completed.livemode is False
    assert (completed.request.id, completed.request.idempotency_key) == (None, None)


def test_an_expired_session_has_no_address_and_cannot_be_paid(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout()
    expired = api.v1.checkout.sessions.expire(session.id, options={"idempotency_key": "expire-1"})
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(Exception, match="This Checkout Session is expired"):
        local.control.pay(session.id)
    (event,) = local.control.events("checkout.session.expired")
    assert event["data"]["object"]["id"] == session.id
    assert event["request"]["id"].startswith("req_")
    assert event["request"]["idempotency_key"] == "expire-1"


def test_expiring_what_is_complete_or_expired_is_refused_in_stripes_words(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout()
    local.control.pay(session.id)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.checkout.sessions.expire(session.id)
    assert 'Only Checkout Sessions with a status in ["open"] can be expired' in str(refused.value)
    assert "`complete`" in str(refused.value)
    assert refused.value.http_status == 400


def test_expiring_takes_a_begun_payment_with_it(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout()
    local.control.decline(session.id)
    begun = api.v1.checkout.sessions.retrieve(session.id)
    assert begun.status == "open"
    api.v1.checkout.sessions.expire(session.id)
    intent = api.v1.payment_intents.retrieve(str(begun.payment_intent))
    assert intent.status == "canceled"
    assert local.control.events("payment_intent.canceled")


def test_metadata_is_merged_and_an_empty_value_removes_a_key(api: stripe.StripeClient, checkout: Create) -> None:
    session = checkout(metadata={"order": "U-1", "story": "summit"})
    changed = api.v1.checkout.sessions.update(session.id, params={"metadata": {"order": "", "seen": "yes"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"story": "summit", "seen": "yes"}


def test_a_sessions_time_comes_by_the_sandboxs_clock(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    short = checkout(expires_at=int(time.time()) + 35 * 60)
    long = checkout()
    local.control.advance(36 * 60)
    assert api.v1.checkout.sessions.retrieve(short.id).status == "expired"
    assert api.v1.checkout.sessions.retrieve(long.id).status == "open"
    later = checkout(expires_at=int(time.time()) + 35 * 60)
    assert later.status == "open", "a moved clock must not stop the shop from creating sessions by its own"


def test_a_page_of_sessions_is_followed_by_its_cursor_both_ways(api: stripe.StripeClient, checkout: Create) -> None:
    made = [checkout().id for _ in range(5)]
    newest_first = made[::-1]
    first = api.v1.checkout.sessions.list(params={"limit": 2})
    assert [session.id for session in first.data] == newest_first[:2]
    assert first.has_more is True
    second = api.v1.checkout.sessions.list(params={"limit": 2, "starting_after": newest_first[1]})
    assert [session.id for session in second.data] == newest_first[2:4]
    before = api.v1.checkout.sessions.list(params={"limit": 2, "ending_before": newest_first[3]})
    assert [session.id for session in before.data] == newest_first[1:3]
    assert before.has_more is True
    assert [session.id for session in first.auto_paging_iter()] == newest_first


def test_sessions_are_listed_by_status_intent_buyer_and_time(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    paid, left = checkout(), checkout()
    intent = local.control.pay(paid.id, email="Kim@example.com")["payment_intent"]

    def ids(**params: Any) -> list[str]:
        return [session.id for session in api.v1.checkout.sessions.list(params=params).data]  # type: ignore[arg-type]

    assert ids(status="complete") == [paid.id]
    assert ids(status="open") == [left.id]
    assert ids(payment_intent=intent) == [paid.id]
    assert ids(customer_details={"email": "kim@example.com"}) == [paid.id]
    assert ids(created={"gte": int(time.time()) - 60}) == [left.id, paid.id]
    assert ids(created={"lt": int(time.time()) - 60}) == []


def test_line_items_come_in_the_order_of_the_request_page_by_page(api: stripe.StripeClient, checkout: Create) -> None:
    session = checkout(line_items=[a_line(name=f"Shirt {number}", quantity=number + 1) for number in range(12)])
    page = api.v1.checkout.sessions.line_items.list(session.id)
    assert [line.description for line in page.data] == [f"Shirt {number}" for number in range(10)]
    assert page.has_more is True
    assert [line.quantity for line in page.auto_paging_iter()] == list(range(1, 13))
    assert page.data[1].amount_total == 9800


def test_expand_puts_objects_where_the_ids_were(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout(**SHIPPED)
    local.control.pay(session.id)
    paths = ["line_items.data.price.product", "payment_intent.payment_method", "shipping_cost.shipping_rate"]
    full: Any = api.v1.checkout.sessions.retrieve(session.id, params={"expand": paths})
    assert full.line_items.data[0].price.product.name == "Trump-Kim T-shirt"
    assert full.payment_intent.payment_method.card.brand == "visa"
    assert full.shipping_cost.shipping_rate.display_name == "SingPost"
    listed: Any = api.v1.checkout.sessions.list(params={"expand": ["data.payment_intent.latest_charge"]})
    assert listed.data[0].payment_intent.latest_charge.object == "charge"


def test_expand_follows_four_steps_from_object_to_object(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    intent = local.control.pay(checkout().id)["payment_intent"]
    path = "charge.payment_intent.latest_charge.balance_transaction"
    refund: Any = api.v1.refunds.create(params={"payment_intent": intent, "amount": 900, "expand": [path]})
    charge = refund.charge.payment_intent.latest_charge
    assert (charge.id, charge.balance_transaction.amount) == (refund.charge.id, 4900)
    (line,) = api.v1.balance_transactions.list(params={"type": "refund", "expand": ["data.source.charge"]}).data
    source: Any = line.source
    assert (source.id, source.charge.amount_refunded) == (refund.id, 900)


def test_expand_refuses_what_is_no_object_and_what_is_too_deep(api: stripe.StripeClient, checkout: Create) -> None:
    session = checkout()
    with pytest.raises(stripe.InvalidRequestError, match=r"This property cannot be expanded \(status\)"):
        api.v1.checkout.sessions.retrieve(session.id, params={"expand": ["status"]})
    with pytest.raises(stripe.InvalidRequestError, match="cannot expand more than 4 levels"):
        api.v1.checkout.sessions.retrieve(session.id, params={"expand": ["a.b.c.d.e"]})


def test_recovery_that_is_switched_off_is_in_the_session_as_at_stripe(checkout: Create) -> None:
    assert checkout().after_expiration is None
    told = checkout(after_expiration={"recovery": {"enabled": False}}).after_expiration
    assert told is not None
    assert told.recovery is not None
    assert (told.recovery.enabled, told.recovery.url, told.recovery.expires_at) == (False, None, None)


def test_line_items_are_absent_until_they_are_asked_for_as_at_stripe(checkout: Create) -> None:
    assert "line_items" not in checkout()


@pytest.mark.parametrize(("currency", "amount"), [("krw", 21000), ("jpy", 3000), ("kwd", 12340)])
def test_currencies_of_no_and_of_three_decimals_charge_what_was_said(
    local: RunningSandbox, checkout: Create, currency: str, amount: int
) -> None:
    session = checkout(line_items=[a_line(amount, currency)])
    paid = local.control.pay(session.id)
    (event,) = local.control.events("payment_intent.succeeded")
    assert (paid["amount_total"], event["data"]["object"]["amount_received"]) == (amount, amount)
    assert event["data"]["object"]["currency"] == currency


def test_an_order_for_nothing_needs_no_payment(local: RunningSandbox, checkout: Create) -> None:
    session = checkout(line_items=[a_line(0)])
    done = local.control.pay(session.id)
    assert (done["payment_status"], done["payment_intent"]) == ("no_payment_required", None)
    assert [event["type"] for event in local.control.events()] == ["checkout.session.completed"]


def test_ids_are_the_same_under_a_seed_and_differ_without(tmp_path: Any) -> None:
    from shop.sandbox.server import running

    def first_id(name: str, seed: int) -> str:
        with running(database=tmp_path / name, seed=seed) as sandbox:
            return client_of(sandbox.url).v1.checkout.sessions.create(params=a_checkout()).id  # type: ignore[arg-type]

    assert first_id("a", 7) == first_id("b", 7)
    assert first_id("c", 0) != first_id("d", 0)
