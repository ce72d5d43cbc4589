"""Payment methods and intents that a shop makes itself, without a session, as the SDK sees them."""

from typing import Any

import pytest
import stripe

from shop.sandbox.server import RunningSandbox


def intent(api: stripe.StripeClient, **params: Any) -> stripe.PaymentIntent:
    given: Any = {"amount": 4900, "currency": "sgd", **params}
    return api.v1.payment_intents.create(params=given)


def test_an_intent_is_made_confirmed_and_refunded(api: stripe.StripeClient, local: RunningSandbox) -> None:
    made = intent(api, metadata={"order": "U-1"}, description="A shirt")
    assert (made.status, made.metadata.to_dict()) == ("requires_payment_method", {"order": "U-1"})
    card = api.v1.payment_methods.create(
        params={"type": "card", "card": {"number": "4242424242424242", "exp_month": 1, "exp_year": 2030, "cvc": "123"}}
    )
    assert card.card
    assert (card.card.last4, card.card.exp_month, card.card.exp_year) == ("4242", 1, 2030)
    paid = api.v1.payment_intents.confirm(made.id, params={"payment_method": card.id, "expand": ["latest_charge"]})
    charge: Any = paid.latest_charge
    assert (paid.status, paid.amount_received, charge.paid, charge.description) == ("succeeded", 4900, True, "A shirt")
    assert api.v1.refunds.create(params={"payment_intent": made.id}).amount == 4900
    assert [event["type"] for event in local.control.events()] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "refund.created",
        "charge.refunded",
    ]


def test_an_intent_with_a_method_waits_to_be_confirmed(api: stripe.StripeClient) -> None:
    made = intent(api, payment_method="pm_card_visa")
    assert made.status == "requires_confirmation"
    assert api.v1.payment_intents.confirm(made.id).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.payment_intents.confirm(made.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError, match="because it has a status of succeeded"):
        api.v1.payment_intents.cancel(made.id)


def test_an_intent_without_a_method_cannot_be_confirmed_and_may_be_cancelled(api: stripe.StripeClient) -> None:
    made = intent(api)
    with pytest.raises(stripe.InvalidRequestError, match="it's missing a payment method"):
        api.v1.payment_intents.confirm(made.id)
    ended = api.v1.payment_intents.cancel(made.id, params={"cancellation_reason": "abandoned"})
    assert (ended.status, ended.cancellation_reason) == ("canceled", "abandoned")


def test_a_declined_intent_takes_another_card(api: stripe.StripeClient, local: RunningSandbox) -> None:
    made = intent(api)
    with pytest.raises(stripe.CardError) as declined:
        api.v1.payment_intents.confirm(
            made.id, params={"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}
        )
    error: Any = declined.value.error
    assert (error.code, error.decline_code) == ("card_declined", "insufficient_funds")
    assert error.payment_intent.status == "requires_payment_method"
    assert error.charge == local.control.charges()[0]["id"]
    assert api.v1.payment_intents.confirm(made.id, params={"payment_method": "pm_card_visa"}).status == "succeeded"


def test_the_intent_of_a_session_is_the_sessions_own(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Any
) -> None:
    session = checkout()
    local.control.decline(session.id)
    under = str(api.v1.checkout.sessions.retrieve(session.id).payment_intent)
    with pytest.raises(stripe.InvalidRequestError, match="PaymentIntents created by Checkout"):
        api.v1.payment_intents.cancel(under)
    with pytest.raises(stripe.InvalidRequestError, match="PaymentIntents created by Checkout"):
        api.v1.payment_intents.confirm(under, params={"payment_method": "pm_card_visa"})
    changed = api.v1.payment_intents.update(under, params={"metadata": {"note": "late"}})
    assert changed.metadata.to_dict() == {"note": "late"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"amount": 0}, "Invalid positive integer"),
        ({"amount": 49}, r"Amount must be at least S\$0.50 sgd"),
        ({"amount": 100_000_000}, "Amount must be no more than"),
        ({"currency": "xyz"}, "Invalid currency: xyz"),
        ({"payment_method": "pm_x"}, "No such PaymentMethod: 'pm_x'"),
        ({"capture_method": "manual"}, "does not play `capture_method` yet: not `manual`"),
        ({"application_fee_amount": 1}, "does not play `application_fee_amount`"),
        ({"allowed_payment_method_types": ["sepa_debit"]}, "only `card` outside of Checkout"),
    ],
)
def test_an_intent_that_cannot_be_is_refused(
    api: stripe.StripeClient, local: RunningSandbox, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=message):
        intent(api, **params)
    assert api.v1.payment_intents.list().data == []


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({}, stripe.InvalidRequestError, "Missing required param: type"),
        ({"type": "card", "card": {"token": "tok_gold"}}, stripe.InvalidRequestError, "No such token: 'tok_gold'"),
        ({"type": "card", "card": {"number": "4242424242424241"}}, stripe.CardError, "card number is incorrect"),
        ({"type": "card"}, stripe.CardError, "card number is incorrect"),
        ({"type": "sepa_debit"}, stripe.InvalidRequestError, r"Missing required param: sepa_debit\[iban\]"),
        ({"type": "klarna"}, stripe.InvalidRequestError, "only `card` and `sepa_debit`, not `klarna`"),
    ],
)
def test_a_payment_method_that_cannot_be_is_refused(
    api: stripe.StripeClient, params: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        api.v1.payment_methods.create(params=params)


def test_a_method_of_the_payment_page_is_not_used_again(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Any
) -> None:
    used = local.control.pay(checkout().id)["payment_intent"]
    method = str(api.v1.payment_intents.retrieve(used).payment_method)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        intent(api, payment_method=method, confirm=True)


def test_methods_are_read_and_listed(api: stripe.StripeClient) -> None:
    card: Any = {"type": "card", "card": {"token": "tok_amex"}, "metadata": {"a": "1"}}
    made = api.v1.payment_methods.create(params=card)
    debit = api.v1.payment_methods.create(
        params={"type": "sepa_debit", "sepa_debit": {"iban": "AT61 1904 3002 3457 3201"}}
    )
    read = api.v1.payment_methods.retrieve(made.id)
    assert read.card
    assert read.metadata
    assert (read.card.brand, read.metadata.to_dict()) == ("amex", {"a": "1"})
    assert [found.id for found in api.v1.payment_methods.list(params={"type": "sepa_debit"}).data] == [debit.id]
