"""Answers held against the SDK's resource classes: every key that the SDK's user may read is there."""

import json
from collections.abc import Callable
from typing import Any, get_args

import pytest
import stripe
from stripe.checkout import Session

from shop.sandbox.cards import CARDS
from shop.sandbox.resources import INCLUDABLE, TYPES, completed, expandable
from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import SHIPPED
from tests.contract.shapes import LEFT_OUT, annotated, mistakes

Create = Callable[..., Session]


def missing(body: Any, kind: type) -> set[str]:
    name = body["object"]
    promised = annotated(kind) - INCLUDABLE.get(name, set()) - LEFT_OUT.get(name, set())
    return {key for key in promised if key not in body}


@pytest.fixture(params=["card", "declined", "delayed", "open", "expired", "nothing due"])
def lived(request: pytest.FixtureRequest, local: RunningSandbox, checkout: Create) -> str:
    """The id of a session after one kind of life."""
    control = local.control
    if request.param == "nothing due":
        free = checkout(
            line_items=[
                {"quantity": 1, "price_data": {"currency": "sgd", "unit_amount": 0, "product_data": {"name": "x"}}}
            ]
        )
        control.pay(free.id)
        return free.id
    session = checkout(**SHIPPED)
    lives: dict[str, Callable[[], Any]] = {
        "card": lambda: control.pay(session.id),
        "declined": lambda: control.decline(session.id),
        "delayed": lambda: control.pay(session.id, method="delayed_debit"),
        "open": lambda: None,
        "expired": lambda: control.expire(session.id),
    }
    lives[request.param]()
    return session.id


def test_no_key_is_missing_from_a_session_its_payment_and_its_events(api: stripe.StripeClient, lived: str) -> None:
    session = api.v1.checkout.sessions.retrieve(lived)
    assert missing(session, Session) == set()
    if session.payment_intent:
        assert missing(api.v1.payment_intents.retrieve(str(session.payment_intent)), stripe.PaymentIntent) == set()
    for charge in api.v1.charges.list().data:
        assert missing(charge, stripe.Charge) == set()
    for event in api.v1.events.list().data:
        assert missing(event, stripe.Event) == set()
        about: Any = event.data.object
        assert missing(about, TYPES[about["object"]]) == set(), event.type


def test_no_key_is_missing_from_a_refund_a_line_a_price_a_product_and_a_rate(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    paid = local.control.pay(checkout(**SHIPPED).id)
    refund = api.v1.refunds.create(params={"payment_intent": paid["payment_intent"]})
    assert missing(refund, stripe.Refund) == set()
    full: Any = api.v1.checkout.sessions.retrieve(
        paid["id"], params={"expand": ["line_items.data.price.product", "shipping_cost.shipping_rate"]}
    )
    line = full.line_items.data[0]
    never = {"deleted", "currency_options"}
    assert missing(line, stripe.LineItem) == set()
    assert missing(line.price, stripe.Price) - never == set()
    assert missing(line.price.product, stripe.Product) - never == set()
    assert missing(full.shipping_cost.shipping_rate, stripe.ShippingRate) == set()


def test_keys_inside_are_there_too(api: stripe.StripeClient, local: RunningSandbox, checkout: Create) -> None:
    paid = local.control.pay(checkout(**SHIPPED).id)
    session: Any = api.v1.checkout.sessions.retrieve(paid["id"], params={"expand": ["payment_intent.latest_charge"]})
    charge = session.payment_intent.latest_charge
    for part, kind in (
        (session.customer_details, Session.CustomerDetails),
        (session.customer_details.address, Session.CustomerDetails.Address),
        (session.collected_information, Session.CollectedInformation),
        (session.collected_information.shipping_details.address, Session.CollectedInformation.ShippingDetails.Address),
        (session.shipping_cost, Session.ShippingCost),
        (session.total_details, Session.TotalDetails),
        (session.automatic_tax, Session.AutomaticTax),
        (session.payment_intent.shipping, stripe.PaymentIntent.Shipping),
        (charge.billing_details, stripe.Charge.BillingDetails),
        (charge.outcome, stripe.Charge.Outcome),
        (charge.payment_method_details.card, stripe.Charge.PaymentMethodDetails.Card),
    ):
        assert {key for key in annotated(kind) if key not in part} == set(), kind.__qualname__


def test_every_value_is_one_that_the_sdks_annotation_names(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    """Enums: a status that Stripe does not have would pass unseen otherwise."""
    paid = local.control.pay(checkout(**SHIPPED).id)
    session: Any = api.v1.checkout.sessions.retrieve(paid["id"], params={"expand": ["payment_intent.latest_charge"]})
    intent = session.payment_intent
    for body, kind in ((session, Session), (intent, stripe.PaymentIntent), (intent.latest_charge, stripe.Charge)):
        for name in annotated(kind):
            named = literals(kind.__annotations__[name])
            if named and name in body and body[name] is not None and not isinstance(body[name], list):
                assert body[name] in named, f"{kind.__name__}.{name}"
    for event in api.v1.events.list().data:
        assert event.type in literals(stripe.Event.__annotations__["type"])


def literals(hint: Any) -> set[Any]:
    found = {member for member in get_args(hint) if isinstance(member, str)}
    for member in get_args(hint):
        found |= literals(member) if get_args(member) else set()
    return found


def test_a_key_that_the_sdk_does_not_know_is_refused_by_the_local_stripe_itself() -> None:
    with pytest.raises(LookupError, match="colour"):
        completed({"object": "refund", "id": "re_x", "amount": 1, "colour": "red"})


def test_what_may_be_expanded_is_what_the_sdk_annotates_as_expandable() -> None:
    assert {"payment_intent", "customer", "line_items"} <= expandable("checkout.session")
    assert "status" not in expandable("checkout.session")
    assert {"latest_charge", "payment_method"} <= expandable("payment_intent")


def every_object(api: stripe.StripeClient) -> list[Any]:
    """Everything that the API lists, as it travels, and what its events tell."""
    v1 = api.v1
    most: Any = {"limit": 100}
    kinds: list[Any] = [v1.checkout.sessions, v1.payment_intents, v1.charges, v1.refunds, v1.disputes]
    kinds += [v1.balance_transactions, v1.products, v1.prices, v1.webhook_endpoints, v1.events]
    listed = [found for kind in kinds for found in kind.list(params=most).auto_paging_iter()]
    methods = {str(found.payment_method) for found in listed if found["object"] == "charge"}
    listed += [v1.payment_methods.retrieve(key) for key in sorted(methods)]
    lines = [
        line
        for session in v1.checkout.sessions.list(params=most)
        for line in v1.checkout.sessions.line_items.list(session.id)
    ]
    return [json.loads(str(found)) for found in [*listed, *lines, v1.balance.retrieve()]]


def test_every_object_in_every_state_has_the_shape_that_the_sdk_expects(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    control, v1 = local.control, api.v1
    v1.webhook_endpoints.create(params={"url": "http://127.0.0.1:9/", "enabled_events": ["refund.failed"]})
    control.hold_deliveries()
    paid = {card.number: checkout(**SHIPPED) for card in CARDS if not (card.decline or card.decline_after_3ds)}
    for number, session in paid.items():
        intent = control.pay(session.id, number)["payment_intent"]
        if number not in ("4000000000000259", "4000000000002685"):
            v1.refunds.create(params={"payment_intent": intent, "amount": 100})
    for number in (card.number for card in CARDS if card.decline or card.decline_after_3ds):
        control.decline(checkout().id, number)
    control.expire(checkout().id)
    control.dispute(paid["378282246310005"].id, "general", 100, "prevented")
    for ok in (True, False):
        delayed = checkout()
        control.pay(delayed.id, method="delayed_debit")
        assert mistakes(json.loads(str(v1.checkout.sessions.retrieve(delayed.id)))) == []
        control.settle_delayed(delayed.id, ok=ok)
        if ok:
            debit: Any = {
                "payment_intent": str(v1.checkout.sessions.retrieve(delayed.id).payment_intent),
                "amount": 100,
            }
            debit["instructions_email"] = "reader@example.com"
            v1.refunds.cancel(v1.refunds.create(params=debit).id)
            v1.refunds.create(params=debit)
    for method in ("paynow", "grabpay"):
        instant: Any = {"payment_intent": control.pay(checkout(**SHIPPED).id, method=method)["payment_intent"]}
        assert v1.refunds.create(params=instant).status == "pending", "only cards are refunded at once"
    own = {"amount": 100, "currency": "sgd", "confirm": True, "payment_method": "pm_card_authenticationRequired"}
    v1.payment_intents.create(params=own)  # type: ignore[arg-type]
    for state in ("before", "after"):
        wrong = {mistake for found in every_object(api) for mistake in mistakes(found)}
        assert wrong == set(), state
        for dispute in control.disputes():
            if state == "before" and dispute["status"] != "prevented":
                v1.disputes.update(dispute["id"], params={"evidence": {"customer_name": "Ada"}})
        control.advance(60 * 24 * 60 * 60)
    refunds = {refund["status"] for refund in control.refunds()}
    assert refunds == {"succeeded", "failed", "canceled"}


def test_a_wrong_shape_is_found(local: RunningSandbox, checkout: Create) -> None:
    local.control.pay(checkout().id)
    (charge,) = local.control.charges()
    assert mistakes(charge) == []
    card = charge["payment_method_details"]["card"]
    wrong: list[tuple[Any, str]] = [
        (charge | {"amount": "4900"}, "charge.amount is '4900'"),
        (charge | {"paid": 1}, "charge.paid is 1"),
        (charge | {"currency": None}, "charge.currency is null"),
        (charge | {"status": "paid"}, "charge.status is 'paid'"),
        (charge | {"colour": "red"}, "charge.colour is not known"),
        (charge | {"payment_intent": charge}, "charge.payment_intent is a Charge"),
        (charge | {"billing_details": []}, "charge.billing_details is a list"),
        ({name: value for name, value in charge.items() if name != "review"}, "charge.review is missing"),
        (charge | {"payment_method_details": {"type": "card", "card": card | {"last4": 4242}}}, "card.last4 is 4242"),
        (charge | {"payment_method_details": {"card": card}}, "payment_method_details.type is missing"),
    ]
    for body, said in wrong:
        (mistake,) = mistakes(body)
        assert said in mistake
