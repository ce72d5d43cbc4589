"""What Stripe's own command line sends for `stripe trigger`, request by request: no version, arrays as `a[]`.

Each list is one of its fixtures (@stripe/cli 1.52.0), written down while it ran against the local Stripe.
"""

from typing import Any
from urllib.parse import quote

import pytest
import requests

from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import KEY

Step = tuple[str, str, dict[str, str]]

BUYER = {
    "billing_details[email]": "stripe@example.com",
    "billing_details[name]": "Jenny Rosen",
    "billing_details[address][line1]": "354 Oyster Point Blvd",
    "billing_details[address][postal_code]": "94080",
    "billing_details[address][city]": "South San Francisco",
    "billing_details[address][state]": "CA",
    "billing_details[address][country]": "US",
}
SHIPPED_TO = {
    "payment_intent_data[shipping][name]": "Jenny Rosen",
    "payment_intent_data[shipping][address][line1]": "510 Townsend St",
    "payment_intent_data[shipping][address][postal_code]": "94103",
    "payment_intent_data[shipping][address][city]": "San Francisco",
    "payment_intent_data[shipping][address][state]": "CA",
    "payment_intent_data[shipping][address][country]": "US",
}
VISA = {"type": "card", "card[token]": "tok_visa", **BUYER}
DEBIT = {"payment_method_types[]": "sepa_debit", "payment_intent_data[setup_future_usage]": "off_session"}


def a_session(currency: str = "usd", **more: str) -> list[Step]:
    line = {"line_items[0][price]": "{price}", "line_items[0][quantity]": "2", "mode": "payment"}
    urls = {"success_url": "https://httpbin.org/post", "cancel_url": "https://httpbin.org/post"}
    return [
        ("product", "/v1/products", {"name": "myproduct", "description": "(created by Stripe CLI)"}),
        ("price", "/v1/prices", {"product": "{product}", "unit_amount": "1500", "currency": currency}),
        ("session", "/v1/checkout/sessions", {**urls, **line, **more}),
    ]


def paid_with(method: dict[str, str]) -> list[Step]:
    return [
        ("page", "GET /v1/payment_pages/{session}", {}),
        ("method", "/v1/payment_methods", method),
        (
            "confirmed",
            "/v1/payment_pages/{session}/confirm",
            {"payment_method": "{method}", "expected_amount": "3000"},
        ),
    ]


def a_debit_of(iban: str) -> dict[str, str]:
    return {"type": "sepa_debit", "sepa_debit[iban]": iban, **BUYER, "billing_details[phone]": "1234567890"}


def an_intent(method: str, amount: str = "100", *, confirm: bool = True) -> Step:
    given = {"amount": amount, "currency": "usd", "description": "(created by Stripe CLI)"}
    return (
        "intent",
        "/v1/payment_intents",
        {**given, "payment_method_types[]": "card", "payment_method": method, "confirm": str(confirm).lower()},
    )


REFUND: Step = ("refund", "/v1/refunds", {"payment_intent": "{intent}"})
DISPUTES: Step = ("dispute", "GET /v1/disputes", {"payment_intent": "{intent}"})

FIXTURES: dict[str, list[Step]] = {
    "checkout.session.completed": [*a_session(**SHIPPED_TO), *paid_with(VISA)],
    "checkout.session.async_payment_succeeded": [
        *a_session("eur", **DEBIT, **SHIPPED_TO),
        *paid_with(a_debit_of("AT611904300234573201")),
    ],
    "checkout.session.async_payment_failed": [
        *a_session("eur", **DEBIT, **SHIPPED_TO),
        *paid_with(a_debit_of("IT60X0542811101000000123456")),
    ],
    "checkout.session.expired": [*a_session(), ("expired", "/v1/checkout/sessions/{session}/expire", {})],
    "charge.succeeded": [an_intent("pm_card_visa")],
    "charge.refunded": [an_intent("pm_card_visa"), REFUND],
    "charge.refund.updated": [
        an_intent("pm_card_visa"),
        REFUND,
        ("updated", "/v1/refunds/{refund}", {"metadata[order_id]": "6735"}),
    ],
    "charge.dispute.created": [an_intent("pm_card_createDisputeInquiry")],
    "charge.dispute.updated": [
        an_intent("pm_card_createDisputeInquiry"),
        DISPUTES,
        ("updated", "/v1/disputes/{dispute}", {"metadata[foo]": "bar"}),
    ],
    "charge.dispute.closed": [
        an_intent("pm_card_createDisputeInquiry"),
        DISPUTES,
        ("closed", "/v1/disputes/{dispute}/close", {}),
    ],
    "payment_intent.succeeded": [an_intent("pm_card_visa", "2000")],
    "payment_intent.requires_action": [an_intent("pm_card_authenticationRequired", "2000")],
    "payment_intent.canceled": [
        ("intent", "/v1/payment_intents", {"amount": "2000", "currency": "usd"}),
        ("canceled", "/v1/payment_intents/{intent}/cancel", {"cancellation_reason": "requested_by_customer"}),
    ],
}


def sent(url: str, address: str, form: dict[str, str], **headers: str) -> requests.Response:
    method, _, path = address.rpartition(" ")
    headers = {"Authorization": f"Bearer {KEY}", "User-Agent": "Stripe/v1 stripe-cli/1.52.0", **headers}
    body = "&".join(f"{name}={quote(value)}" for name, value in form.items())
    if method == "GET":
        return requests.get(f"{url}{path}?{body}", headers=headers, timeout=10)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return requests.post(url + path, data=body, headers=headers, timeout=10)


@pytest.mark.parametrize("event", FIXTURES)
def test_stripe_trigger_makes_its_event(local: RunningSandbox, event: str) -> None:
    made: dict[str, str] = {}
    for name, address, form in FIXTURES[event]:
        answer = sent(local.url, address.format(**made), {key: value.format(**made) for key, value in form.items()})
        assert answer.status_code == 200, answer.text
        body: Any = answer.json()
        made[name] = body["data"][0]["id"] if body["object"] == "list" else body["id"]
    assert len(local.control.events(event)) == 1


def test_stripe_trigger_has_a_card_declined(local: RunningSandbox) -> None:
    _, address, form = an_intent("pm_card_visa_chargeDeclined")
    answer = sent(local.url, address, form)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (402, "card_error", "card_declined")
    assert (error["decline_code"], error["payment_intent"]["status"]) == ("generic_decline", "requires_payment_method")
    assert [charge["id"] for charge in local.control.charges()] == [error["charge"]], "the failed charge is kept"
    assert local.control.events("charge.failed")
    assert local.control.events("payment_intent.payment_failed")


def test_payment_methods_are_named_by_older_versions_and_by_requests_without_one(local: RunningSandbox) -> None:
    _, address, form = an_intent("pm_card_visa")
    for older in ({}, {"Stripe-Version": "2025-09-30.clover"}):
        assert sent(local.url, address, form, **older).status_code == 200
    refused = sent(local.url, address, form, **{"Stripe-Version": "2026-10-28.endive"}).json()["error"]
    assert refused["message"] == "Received unknown parameter: payment_method_types"


@pytest.mark.parametrize("version", ["yesterday", "2026-13-01", "2026-10-28.ENDIVE", "1999-01-01", "2026-10-28 x"])
def test_a_version_that_there_is_not_is_refused(local: RunningSandbox, version: str) -> None:
    answer = sent(local.url, "GET /v1/refunds", {}, **{"Stripe-Version": version})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == f"Invalid Stripe API version: {version}"


def test_the_version_of_a_request_is_said_again(local: RunningSandbox) -> None:
    answer = sent(local.url, "GET /v1/refunds", {}, **{"Stripe-Version": "2025-09-30.clover"})
    assert answer.headers["Stripe-Version"] == "2025-09-30.clover"


def test_the_second_version_of_the_api_is_not_there(local: RunningSandbox) -> None:
    answer = sent(local.url, "/v2/core/events", {})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Unrecognized request URL (POST: /v2/core/events)."


@pytest.mark.parametrize(
    ("page", "method", "message"),
    [
        ({"expected_amount": "2999"}, VISA, "is not the amount that is due, 3000"),
        ({}, a_debit_of("AT611904300234573201"), "sepa_debit is not offered"),
    ],
)
def test_a_page_is_not_paid_otherwise_than_it_asks(
    local: RunningSandbox, page: dict[str, str], method: dict[str, str], message: str
) -> None:
    made: dict[str, str] = {}
    steps = [*a_session(), ("method", "/v1/payment_methods", method)]
    for name, address, form in steps:
        made[name] = sent(local.url, address, {key: value.format(**made) for key, value in form.items()}).json()["id"]
    confirmed = sent(
        local.url, f"/v1/payment_pages/{made['session']}/confirm", {"payment_method": made["method"], **page}
    )
    assert message in confirmed.json()["error"]["message"]
    assert local.control.session(made["session"])["status"] == "open"
