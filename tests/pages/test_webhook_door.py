"""POST /webhooks/stripe from outside: what is not Stripe's is refused as a JSON problem, and leaves nothing behind.

What signed events do to orders is held in tests/rules/test_webhook.py.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from shop.app import create_app
from shop.config import Settings
from shop.db import Database
from shop.payments.models import StripeEvent
from tests.conftest import TEST_WEBHOOK_SECRET

DOOR = "/webhooks/stripe"
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "customer.created",
    "created": 1800000000,
    "livemode": False,
    "api_version": "2026-10-28.endive",
    "data": {"object": {"id": "cus_1", "object": "customer"}},
}
BODY = json.dumps(EVENT).encode()


def signature(body: bytes, *, secret: str = TEST_WEBHOOK_SECRET, age: int = 0) -> str:
    stamp = int(time.time()) - age
    mac = stripe.WebhookSignature._compute_signature(f"{stamp}.{body.decode('latin-1')}", secret)
    return f"t={stamp},v1={mac}"


def post(client: FlaskClient, body: bytes, header: str | None, **more: Any) -> TestResponse:
    headers = {} if header is None else {"Stripe-Signature": header}
    return client.post(DOOR, data=body, headers=headers, content_type="application/json", **more)


def stored(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(StripeEvent)) or 0


REFUSED = {
    "unsigned": (BODY, None),
    "an empty signature": (BODY, ""),
    "a signature that is no signature": (BODY, "t=,v1=;\x80"),
    "forged": (BODY, signature(BODY, secret="whsec_somebody_elses")),
    "stale": (BODY, signature(BODY, age=3600)),
    "signed for another body": (BODY + b" ", signature(BODY)),
    "empty": (b"", signature(b"")),
    "not UTF-8": (b"\xff\xfe{}", signature(b"\xff\xfe{}")),
    "a NUL": (b"\x00", signature(b"\x00")),
    "an array": (b"[1, 2]", signature(b"[1, 2]")),
    "a number": (b"7", signature(b"7")),
    "no JSON": (b"{", signature(b"{")),
    "an object that is no event": (b"{}", signature(b"{}")),
    "deeper than a parser goes": (b"[" * 200_000, signature(b"[" * 200_000)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_stripes_is_a_problem_with_a_stable_code_and_leaves_nothing(
    client: FlaskClient, database: Database, case: str
) -> None:
    answer = post(client, *REFUSED[case])
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert (answer.json["status"], answer.json["code"]) == (400, "bad_signature")
    assert "Set-Cookie" not in answer.headers
    assert stored(database) == 0


def test_a_body_larger_than_any_event_is_refused_before_it_is_read(client: FlaskClient, database: Database) -> None:
    body = b'"' + b"x" * 600_000 + b'"'
    answer = post(client, body, signature(body))
    assert answer.status_code == 413
    assert answer.json is not None
    assert answer.json["code"] == "too_large"
    assert stored(database) == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_taken(client: FlaskClient, method: str) -> None:
    answer = client.open(DOOR, method=method)
    assert answer.status_code == 405
    assert answer.json is not None
    assert answer.json["code"] == "method_not_allowed"
    assert "POST" in answer.headers["Allow"]


def test_stripe_needs_no_token_no_cookie_and_no_browser_and_gets_none(client: FlaskClient, database: Database) -> None:
    for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = client.post(
            DOOR, data=BODY, headers={"Stripe-Signature": signature(BODY), **headers}, content_type="application/json"
        )
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
    assert stored(database) == 1


def test_the_kind_of_content_does_not_matter_for_the_bytes_are_what_is_signed(client: FlaskClient) -> None:
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        answer = client.post(DOOR, data=BODY, headers={"Stripe-Signature": signature(BODY)}, content_type=kind)
        assert answer.status_code == 200, kind


def test_both_secrets_are_taken_while_one_is_rolled(make_settings: Callable[..., Settings], database: Database) -> None:
    app = create_app(make_settings(stripe_webhook_secret="whsec_new,whsec_old"))
    try:
        client = app.test_client()
        assert post(client, BODY, signature(BODY, secret="whsec_old")).status_code == 200
        assert post(client, BODY, signature(BODY, secret="whsec_new")).status_code == 200
        assert post(client, BODY, signature(BODY)).status_code == 400
    finally:
        app.extensions["understory"].database.close()


@pytest.mark.parametrize(
    "odd",
    [
        {"created": 10**18},
        {"created": -(10**18)},
        {"id": "evt_" + "x" * 5000},
        {"id": "evt_\x00nul"},
        {"type": "customer.created\x00"},
        {"type": "x" * 5000},
        {"data": {"object": {"id": "cs_\x00", "object": "checkout.session"}}},
        {"data": {"object": {"id": "cs_\ud800"}}},
        {"api_version": None},
    ],
    ids=str,
)
def test_a_signed_event_with_odd_values_is_answered_and_never_applied(
    client: FlaskClient, database: Database, odd: dict[str, Any]
) -> None:
    body = json.dumps(EVENT | odd).encode()
    answer = post(client, body, signature(body))
    assert answer.status_code in {200, 400}, answer.text
    with database.reading() as session:
        assert "applied" not in session.scalars(select(StripeEvent.state)).all()
