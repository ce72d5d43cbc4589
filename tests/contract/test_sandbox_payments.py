"""Charges, declines, 3-D Secure, delayed debits and refunds, as the SDK sees them."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from stripe.checkout import Session

from shop.sandbox.cards import CARDS
from shop.sandbox.refusals import Refusal
from shop.sandbox.server import RunningSandbox

Create = Callable[..., Session]

DECLINES = [
    ("4000000000000002", "card_declined", "generic_decline", "Your card was declined."),
    ("4000000000009995", "card_declined", "insufficient_funds", "Your card has insufficient funds."),
    ("4000000000009987", "card_declined", "lost_card", "Your card was declined."),
    ("4000000000009979", "card_declined", "stolen_card", "Your card was declined."),
    ("4000000000000069", "expired_card", None, "Your card has expired."),
    ("4000000000000127", "incorrect_cvc", None, "Your card's security code is incorrect."),
    ("4000000000000119", "processing_error", None, "An error occurred while processing your card."),
    ("4000000000006975", "card_declined", "card_velocity_exceeded", "repeated attempts"),
    ("4111111111111111", "card_declined", "test_mode_live_card", "used a non test card"),
]


@pytest.mark.parametrize(("card", "code", "decline_code", "message"), DECLINES)
def test_a_declined_card_leaves_the_session_open_and_says_why(
    api: stripe.StripeClient,
    local: RunningSandbox,
    checkout: Create,
    card: str,
    code: str,
    decline_code: str | None,
    message: str,
) -> None:
    session = checkout()
    assert local.control.decline(session.id, card) == (decline_code or code)
    after = api.v1.checkout.sessions.retrieve(session.id, params={"expand": ["payment_intent.latest_charge"]})
    assert (after.status, after.payment_status) == ("open", "unpaid")
    intent: Any = after.payment_intent
    assert intent.status == "requires_payment_method"
    error = intent.last_payment_error
    assert (error.type, error.code) == ("card_error", code)
    assert (("decline_code" in error and error.decline_code) or None) == decline_code
    assert message in error.message
    charge = intent.latest_charge
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, code)
    types = [event["type"] for event in local.control.events()]
    assert types == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]


def test_a_declined_buyer_pays_with_another_card_on_the_same_intent(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout()
    local.control.decline(session.id)
    begun = api.v1.checkout.sessions.retrieve(session.id).payment_intent
    paid = local.control.pay(session.id)
    assert (paid["payment_intent"], paid["payment_status"]) == (begun, "paid")
    charges = api.v1.charges.list(params={"payment_intent": str(begun)}).data
    assert [charge.status for charge in charges] == ["succeeded", "failed"]
    assert api.v1.payment_intents.retrieve(str(begun)).last_payment_error is None


@pytest.mark.parametrize("card", [card.number for card in CARDS if card.asks_3ds and not card.decline_after_3ds])
def test_a_card_that_asks_for_3d_secure_pays_once_the_buyer_has_answered(
    local: RunningSandbox, checkout: Create, card: str
) -> None:
    session = checkout()
    assert local.control.pay(session.id, card)["payment_status"] == "paid"
    (asked,) = local.control.events("payment_intent.requires_action")
    assert asked["data"]["object"]["next_action"]["redirect_to_url"]["url"].endswith(f"/c/pay/{session.id}/3ds")
    (charge,) = local.control.events("charge.succeeded")
    details = charge["data"]["object"]["payment_method_details"]["card"]
    assert details["three_d_secure"]["result"] == "authenticated"


def test_a_failed_3d_secure_declines_without_a_charge(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout()
    code = local.control.decline(session.id, "4000002500003155", authenticate=False)
    assert code == "payment_intent_authentication_failure"
    assert api.v1.charges.list().data == []
    assert api.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_a_card_may_be_declined_after_3d_secure(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout()
    assert local.control.decline(session.id, "4000008400001629") == "generic_decline"
    assert [charge.status for charge in api.v1.charges.list().data] == ["failed"]


def test_a_delayed_debit_completes_unpaid_and_is_paid_later(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout()
    local.control.pay(session.id, method="delayed_debit")
    waiting = api.v1.checkout.sessions.retrieve(session.id, params={"expand": ["payment_intent.latest_charge"]})
    intent: Any = waiting.payment_intent
    assert (waiting.status, waiting.payment_status, intent.status) == ("complete", "unpaid", "processing")
    assert (intent.latest_charge.status, intent.latest_charge.paid) == ("pending", False)
    local.control.settle_delayed(session.id, ok=True)
    assert api.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    (event,) = local.control.events("checkout.session.async_payment_succeeded")
    assert event["data"]["object"]["payment_status"] == "paid"
    (first,) = local.control.events("checkout.session.completed")
    assert first["data"]["object"]["payment_status"] == "unpaid"


def test_a_delayed_debit_may_fail_and_the_session_stays_complete_and_unpaid(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout()
    local.control.pay(session.id, method="delayed_debit")
    local.control.settle_delayed(session.id, ok=False)
    after = api.v1.checkout.sessions.retrieve(session.id, params={"expand": ["payment_intent"]})
    intent: Any = after.payment_intent
    assert (after.status, after.payment_status, intent.status) == ("complete", "unpaid", "requires_payment_method")
    assert local.control.events("checkout.session.async_payment_failed")
    assert local.control.events("charge.failed")


def test_a_delayed_debit_is_answered_once(local: RunningSandbox, checkout: Create) -> None:
    session = checkout()
    for wrong in (checkout(), session):
        with pytest.raises(Refusal, match="not waiting for a delayed payment"):
            local.control.settle_delayed(wrong.id)
    local.control.pay(session.id, method="delayed_debit")
    local.control.settle_delayed(session.id, ok=False)
    with pytest.raises(Refusal, match="not waiting for a delayed payment"):
        local.control.settle_delayed(session.id, ok=True)


def test_two_payments_of_one_session_take_the_money_once(local: RunningSandbox, checkout: Create) -> None:
    session = checkout()
    local.control.pay(session.id)
    with pytest.raises(Refusal, match="This Checkout Session is complete"):
        local.control.pay(session.id)
    assert len(local.control.events("charge.succeeded")) == 1


def paid_intent(local: RunningSandbox, checkout: Create) -> str:
    return str(local.control.pay(checkout().id)["payment_intent"])


def test_a_refund_gives_back_the_rest_unless_an_amount_is_said(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    intent = paid_intent(local, checkout)
    part = api.v1.refunds.create(params={"payment_intent": intent, "amount": 1500, "metadata": {"order": "U-1"}})
    assert (part.amount, part.currency, part.status, part.payment_intent) == (1500, "sgd", "succeeded", intent)
    rest = api.v1.refunds.create(params={"charge": str(part.charge), "reason": "requested_by_customer"})
    assert rest.amount == 3400
    charge = api.v1.charges.retrieve(str(part.charge), params={"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded) == (4900, True)
    assert charge.refunds is not None
    assert [refund.id for refund in charge.refunds.data] == [rest.id, part.id]
    assert [refund.id for refund in api.v1.refunds.list(params={"payment_intent": intent}).data] == [rest.id, part.id]
    told = local.control.events("charge.refunded")
    assert [event["data"]["object"]["amount_refunded"] for event in told] == [1500, 4900], "cumulative, as at Stripe"
    assert told[0]["data"]["previous_attributes"] == {"amount_refunded": 0}
    assert len(local.control.events("refund.created")) == 2


def test_never_more_is_refunded_than_was_paid(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    intent = paid_intent(local, checkout)
    with pytest.raises(
        stripe.InvalidRequestError, match=r"Refund amount \(S\$49.01\) is greater than unrefunded amount"
    ):
        api.v1.refunds.create(params={"payment_intent": intent, "amount": 4901})
    refund = api.v1.refunds.create(params={"payment_intent": intent})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.refunds.create(params={"payment_intent": intent})
    assert refused.value.user_message == f"Charge {refund.charge} has already been refunded."
    assert refused.value.code == "charge_already_refunded"


@pytest.mark.parametrize("amount", [0, -1])
def test_a_refund_gives_back_something(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create, amount: int
) -> None:
    intent = paid_intent(local, checkout)
    with pytest.raises(stripe.InvalidRequestError, match="Invalid positive integer"):
        api.v1.refunds.create(params={"payment_intent": intent, "amount": amount})


def test_a_refund_needs_something_that_was_paid(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="payment_intent or charge"):
        api.v1.refunds.create(params={})
    with pytest.raises(stripe.InvalidRequestError, match="No such charge: 'ch_x'"):
        api.v1.refunds.create(params={"charge": "ch_x"})
    session = checkout()
    local.control.decline(session.id)
    unpaid = str(api.v1.checkout.sessions.retrieve(session.id).payment_intent)
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge to refund"):
        api.v1.refunds.create(params={"payment_intent": unpaid})


def test_a_refunds_metadata_may_change_and_is_told(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    refund = api.v1.refunds.create(params={"payment_intent": paid_intent(local, checkout), "metadata": {"a": "1"}})
    changed = api.v1.refunds.update(refund.id, params={"metadata": {"b": "2"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"a": "1", "b": "2"}
    (event,) = local.control.events("refund.updated")
    assert event["data"]["previous_attributes"] == {"metadata": {"a": "1"}}


def test_events_are_listed_by_type(api: stripe.StripeClient, local: RunningSandbox, checkout: Create) -> None:
    local.control.pay(checkout().id)
    one = api.v1.events.list(params={"type": "charge.succeeded"}).data
    assert [event.type for event in one] == ["charge.succeeded"]
    two = api.v1.events.list(params={"types": ["charge.succeeded", "checkout.session.completed"]}).data
    assert [event.type for event in two] == ["checkout.session.completed", "charge.succeeded"]
    assert api.v1.events.retrieve(one[0].id).id == one[0].id
