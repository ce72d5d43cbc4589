"""What Stripe refuses, the local Stripe refuses: by parameter, in Stripe's words, with its codes."""

import time
from typing import Any

import pytest
import requests
import stripe

from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import KEY, a_checkout, a_line, a_shipping_option, client_of


def line_with(**price: Any) -> list[dict[str, Any]]:
    line = a_line()
    line["price_data"] |= price
    line["price_data"] = {name: value for name, value in line["price_data"].items() if value is not None}
    return [line]


REFUSED: list[tuple[str, dict[str, Any], str, str, str | None]] = [
    (
        "a misspelt parameter",
        {"sucess_url": "x"},
        "Received unknown parameter: sucess_url",
        "sucess_url",
        "parameter_unknown",
    ),
    (
        "a parameter that this version took away",
        {"payment_method_types": ["card"]},
        "Received unknown parameter: payment_method_types",
        "payment_method_types",
        "parameter_unknown",
    ),
    (
        "a misspelt parameter deep inside",
        {"line_items": line_with(product_data={"name": "Shirt", "titel": "x"})},
        "Received unknown parameter: line_items[0][price_data][product_data][titel]",
        "line_items[0][price_data][product_data][titel]",
        "parameter_unknown",
    ),
    ("no mode", {"mode": None}, "Missing required param: mode.", "mode", "parameter_missing"),
    (
        "no success_url",
        {"success_url": None},
        "Missing required param: success_url.",
        "success_url",
        "parameter_missing",
    ),
    ("no line items", {"line_items": None}, "Missing required param: line_items.", "line_items", "parameter_missing"),
    (
        "no currency",
        {"line_items": line_with(currency=None)},
        "Missing required param: line_items[0][price_data][currency].",
        "line_items[0][price_data][currency]",
        "parameter_missing",
    ),
    (
        "no amount",
        {"line_items": line_with(unit_amount=None)},
        "Missing required param: line_items[0][price_data][unit_amount].",
        "line_items[0][price_data][unit_amount]",
        "parameter_missing",
    ),
    (
        "a mode that there is not",
        {"mode": "pay"},
        "Invalid mode: must be one of payment, setup, or subscription",
        "mode",
        None,
    ),
    (
        "a country that there is not",
        {"shipping_address_collection": {"allowed_countries": ["SG", "XX"]}},
        "Invalid shipping_address_collection[allowed_countries][1]: must be one of",
        "shipping_address_collection[allowed_countries][1]",
        None,
    ),
    (
        "an amount that is no number",
        {"line_items": line_with(unit_amount="49.00")},
        "Invalid integer: 49.00",
        "line_items[0][price_data][unit_amount]",
        "parameter_invalid_integer",
    ),
    (
        "an amount below nothing",
        {"line_items": line_with(unit_amount=-1)},
        "Invalid non-negative integer",
        "line_items[0][price_data][unit_amount]",
        "parameter_invalid_integer",
    ),
    (
        "a quantity of none",
        {"line_items": [a_line(quantity=0)]},
        "This value must be greater than or equal to 1.",
        "line_items[0][quantity]",
        "parameter_invalid_integer",
    ),
    (
        "no quantity",
        {"line_items": [{"price_data": a_line()["price_data"]}]},
        "Quantity is required. Add `quantity` to `line_items[0]`",
        "line_items[0][quantity]",
        "parameter_missing",
    ),
    (
        "101 line items",
        {"line_items": [a_line() for _ in range(101)]},
        "Array line_items exceeded maximum 100 allowed elements.",
        "line_items",
        None,
    ),
    (
        "six shipping options",
        {"shipping_options": [a_shipping_option() for _ in range(6)]},
        "Array shipping_options exceeded maximum 5 allowed elements.",
        "shipping_options",
        None,
    ),
    (
        "two currencies",
        {"line_items": [a_line(), a_line(currency="usd")]},
        "The currency of `line_items[1]` is `usd`, but that of the other line items is `sgd`.",
        "line_items[1][price_data][currency]",
        None,
    ),
    (
        "shipping in another currency",
        {"shipping_options": [a_shipping_option(currency="usd")]},
        "The shipping rate's currency is `usd`, but that of the line items is `sgd`.",
        "shipping_options[0][shipping_rate_data][fixed_amount][currency]",
        None,
    ),
    (
        "a currency that there is not",
        {"line_items": [a_line(currency="xxx")]},
        "Invalid currency: xxx. Stripe currently supports these currencies:",
        "line_items[0][price_data][currency]",
        None,
    ),
    (
        "less than the smallest charge",
        {"line_items": [a_line(49)]},
        "The Checkout Session's total amount due must add up to at least S$0.50 sgd",
        "",
        "amount_too_small",
    ),
    (
        "more than the largest charge",
        {"line_items": [a_line(99_999_999, quantity=2)]},
        "The Checkout Session's total amount due must be no more than",
        "",
        "amount_too_large",
    ),
    (
        "three decimals with a last digit",
        {"line_items": [a_line(12345, "kwd")]},
        "must have a last digit of 0",
        "line_items[0][price_data][unit_amount]",
        None,
    ),
    (
        "an address without a scheme",
        {"success_url": "shop.example/return"},
        "Invalid URL: An explicit scheme (such as https) must be provided.",
        "success_url",
        "url_invalid",
    ),
    ("an address without a host", {"cancel_url": "https://"}, "Not a valid URL", "cancel_url", "url_invalid"),
    (
        "an address that is a script",
        {"cancel_url": "javascript:alert(1)"},
        "Not a valid URL",
        "cancel_url",
        "url_invalid",
    ),
    (
        "an address that would change a header's meaning",
        {"success_url": "http://shop;script-src*/return"},
        "Not a valid URL",
        "success_url",
        "url_invalid",
    ),
    (
        "an address with a port that there is not",
        {"success_url": "http://shop.example:99999/"},
        "Not a valid URL",
        "success_url",
        "url_invalid",
    ),
    (
        "an empty address",
        {"success_url": ""},
        "You passed an empty string for 'success_url'.",
        "success_url",
        "parameter_invalid_empty",
    ),
    (
        "an e-mail address that is none",
        {"customer_email": "reader"},
        "Invalid email address: reader",
        "customer_email",
        "email_invalid",
    ),
    ("51 metadata keys", {"metadata": {f"k{n}": "v" for n in range(51)}}, "up to 50 metadata keys", "metadata", None),
    ("a long metadata key", {"metadata": {"k" * 41: "v"}}, "keys can have up to 40 characters", "metadata", None),
    (
        "a long metadata value",
        {"metadata": {"k": "v" * 501}},
        "values can have up to 500 characters",
        "metadata[k]",
        None,
    ),
    (
        "a long reference",
        {"client_reference_id": "r" * 201},
        "must be at most 200 characters",
        "client_reference_id",
        None,
    ),
    (
        "a price of nobody",
        {"line_items": [{"price": "price_x", "quantity": 1}]},
        "No such price: 'price_x'",
        "line_items[0][price]",
        "resource_missing",
    ),
    ("a customer of nobody", {"customer": "cus_x"}, "No such customer: 'cus_x'", "customer", "resource_missing"),
    (
        "a coupon of nobody",
        {"discounts": [{"coupon": "TEN"}]},
        "No such coupon: 'TEN'",
        "discounts[0][coupon]",
        "resource_missing",
    ),
    (
        "a way to pay that leaves none",
        {"excluded_payment_method_types": ["card", "paynow", "grabpay", "sepa_debit"]},
        "No valid payment method types for this Checkout Session.",
        "excluded_payment_method_types",
        None,
    ),
    (
        "what it does not play",
        {"ui_mode": "elements"},
        "The local Stripe does not play `ui_mode` yet",
        "ui_mode",
        "sandbox_not_played",
    ),
    (
        "tax that it cannot reckon",
        {"automatic_tax": {"enabled": True}},
        "The local Stripe does not play `automatic_tax[enabled]` yet",
        "automatic_tax[enabled]",
        "sandbox_not_played",
    ),
    (
        "a billing address that its page does not ask for",
        {"billing_address_collection": "required"},
        "The local Stripe does not play `billing_address_collection` yet",
        "billing_address_collection",
        "sandbox_not_played",
    ),
    (
        "quantities that the buyer changes",
        {"line_items": [a_line() | {"adjustable_quantity": {"enabled": True}}]},
        "does not play `line_items[0][adjustable_quantity][enabled]` yet",
        "line_items[0][adjustable_quantity][enabled]",
        "sandbox_not_played",
    ),
]


@pytest.mark.parametrize(
    ("changes", "message", "param", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_session_is_refused_for(
    api: stripe.StripeClient, local: RunningSandbox, changes: dict[str, Any], message: str, param: str, code: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.checkout.sessions.create(params=a_checkout(**changes))  # type: ignore[arg-type]
    assert message in str(refused.value.user_message)
    assert refused.value.http_status == 400
    assert (refused.value.param or "") == param
    assert refused.value.code == code
    assert local.control.sessions() == []


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (29 * 60, "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."),
        (-60, "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."),
        (24 * 3600 + 60, "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."),
    ],
)
def test_a_session_must_last_half_an_hour_to_a_day(api: stripe.StripeClient, seconds: int, message: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.checkout.sessions.create(params=a_checkout(expires_at=int(time.time()) + seconds))  # type: ignore[arg-type]
    assert message in str(refused.value)
    assert refused.value.param == "expires_at"


def test_the_limits_themselves_are_allowed(api: stripe.StripeClient) -> None:
    session = api.v1.checkout.sessions.create(
        params=a_checkout(  # type: ignore[arg-type]
            line_items=[a_line() for _ in range(100)],
            shipping_options=[a_shipping_option() for _ in range(5)],
            metadata={f"{n:040}": "v" * 500 for n in range(50)},
            client_reference_id="r" * 200,
            expires_at=int(time.time()) + 24 * 3600 - 5,
        )
    )
    assert session.amount_subtotal == 490_000
    smallest = api.v1.checkout.sessions.create(params=a_checkout(line_items=[a_line(50)]))  # type: ignore[arg-type]
    assert smallest.amount_total == 50


def test_every_unknown_parameter_is_named_at_once(api: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Received unknown parameters: colour, metadate") as refused:
        api.v1.checkout.sessions.create(params=a_checkout(colour="red", metadate={"a": "b"}))  # type: ignore[arg-type]
    assert refused.value.http_status == 400


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("sk_live_" + "x" * 24, "refuses live keys"),
        ("rk_live_" + "x" * 24, "refuses live keys"),
        ("whatever-it-is-called", "Invalid API Key provided: whatever"),
        ("pk_test_" + "x" * 24, "Invalid API Key provided: pk_test_"),
    ],
)
def test_only_test_keys_open_the_door(local: RunningSandbox, key: str, message: str) -> None:
    with pytest.raises(stripe.AuthenticationError, match=message) as refused:
        client_of(local.url, key).v1.checkout.sessions.list()
    assert refused.value.http_status == 401
    assert key not in str(refused.value)


def test_restricted_test_keys_and_basic_auth_are_as_good(local: RunningSandbox) -> None:
    assert client_of(local.url, "rk_test_" + "x" * 24).v1.checkout.sessions.list().data == []
    assert requests.get(f"{local.url}/v1/events", auth=(KEY, ""), timeout=5).status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", "Digest abc", "Basic !!!"])
def test_a_call_without_a_key_is_told_how_to_give_one(local: RunningSandbox, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.get(f"{local.url}/v1/events", headers=headers, timeout=5)
    assert answer.status_code == 401
    assert "You did not provide an API key" in answer.json()["error"]["message"]
    assert answer.headers["Request-Id"].startswith("req_")


def test_what_does_not_exist_is_named(api: stripe.StripeClient) -> None:
    for read, message in (
        (lambda: api.v1.checkout.sessions.retrieve("cs_test_x"), "No such checkout.session: 'cs_test_x'"),
        (lambda: api.v1.payment_intents.retrieve("pi_x"), "No such payment_intent: 'pi_x'"),
        (lambda: api.v1.charges.retrieve("ch_x"), "No such charge: 'ch_x'"),
        (lambda: api.v1.refunds.retrieve("re_x"), "No such refund: 're_x'"),
        (lambda: api.v1.events.retrieve("evt_x"), "No such event: 'evt_x'"),
        (lambda: api.v1.checkout.sessions.expire("cs_test_x"), "No such checkout.session: 'cs_test_x'"),
    ):
        with pytest.raises(stripe.InvalidRequestError, match=message) as refused:
            read()
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_an_endpoint_that_there_is_not_is_a_404_in_stripes_shape(api: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=r"Unrecognized request URL \(GET: /v1/invoices\)"):
        api.v1.invoices.list()


@pytest.mark.parametrize(("limit", "bound"), [(0, "greater than or equal to 1"), (101, "less than or equal to 100")])
def test_a_page_has_one_to_a_hundred_entries(api: stripe.StripeClient, limit: int, bound: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=bound):
        api.v1.charges.list(params={"limit": limit})


def test_a_cursor_of_nobody_is_refused(api: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such charge: 'ch_x'"):
        api.v1.charges.list(params={"starting_after": "ch_x"})


def test_arrays_with_empty_brackets_are_read_as_stripes_own_tools_write_them(local: RunningSandbox) -> None:
    form = [
        ("mode", "payment"),
        ("success_url", "https://shop.example/return"),
        ("line_items[][price_data][currency]", "sgd"),
        ("line_items[][price_data][unit_amount]", "4900"),
        ("line_items[][price_data][product_data][name]", "Shirt"),
        ("line_items[][quantity]", "1"),
        ("line_items[][price_data][currency]", "sgd"),
        ("line_items[][price_data][unit_amount]", "1800"),
        ("line_items[][price_data][product_data][name]", "Mug"),
        ("line_items[][quantity]", "2"),
        ("expand[]", "line_items"),
    ]
    answer = requests.post(f"{local.url}/v1/checkout/sessions", form, auth=(KEY, ""), timeout=5)
    assert answer.status_code == 200, answer.text
    assert [line["description"] for line in answer.json()["line_items"]["data"]] == ["Shirt", "Mug"]
    assert answer.json()["amount_total"] == 4900 + 2 * 1800


@pytest.mark.parametrize("key", ["a[", "a]b", "[x]", "line_items[0", "line_items[0]x", ""])
def test_broken_brackets_are_an_unknown_parameter_not_a_crash(local: RunningSandbox, key: str) -> None:
    answer = requests.post(f"{local.url}/v1/checkout/sessions", {key: "1"}, auth=(KEY, ""), timeout=5)
    assert answer.status_code == 400
    assert "Received unknown parameter" in answer.json()["error"]["message"]


@pytest.mark.parametrize("key", ["line_items[²][quantity]", "line_items[" + "9" * 5000 + "][quantity]"])
def test_a_place_in_an_array_that_is_no_number_is_refused(local: RunningSandbox, key: str) -> None:
    answer = requests.post(f"{local.url}/v1/checkout/sessions", {key: "1"}, auth=(KEY, ""), timeout=5)
    assert answer.status_code == 400
    assert "Invalid array" in answer.text


@pytest.mark.parametrize("name", ["metadata", "metadate"])
def test_brackets_without_end_are_an_unknown_parameter_not_a_crash(local: RunningSandbox, name: str) -> None:
    headers = {"Idempotency-Key": "order-1"}
    form = {name + "[a]" * 5000: "1"}
    answer = requests.post(f"{local.url}/v1/checkout/sessions", form, auth=(KEY, ""), headers=headers, timeout=5)
    assert answer.status_code == 400
    assert "Received unknown parameter" in answer.json()["error"]["message"]


def test_a_parameter_in_the_query_of_a_post_counts_as_one_in_its_body(local: RunningSandbox) -> None:
    url = f"{local.url}/v1/checkout/sessions?metadate[a]=b"
    answer = requests.post(url, {"mode": "payment"}, auth=(KEY, ""), timeout=5)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "metadate")


def test_json_is_told_what_the_api_reads(local: RunningSandbox) -> None:
    answer = requests.post(f"{local.url}/v1/checkout/sessions", json={"mode": "payment"}, auth=(KEY, ""), timeout=5)
    assert answer.status_code == 400
    assert "POST content type is application/x-www-form-urlencoded" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [("PUT", "", 404), ("PATCH", "", 404), ("DELETE", "", 404), ("POST", "x" * 1_000_001, 413)],
)
def test_whatever_comes_to_the_api_is_answered_in_stripes_shape(
    local: RunningSandbox, method: str, body: str, status: int
) -> None:
    answer = requests.request(method, f"{local.url}/v1/checkout/sessions", data=body, auth=(KEY, ""), timeout=5)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
