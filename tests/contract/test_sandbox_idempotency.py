"""Idempotency keys: one answer per key, whatever happens to the connection."""

import threading
from typing import Any

import pytest
import requests
import stripe

from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import KEY, a_checkout, a_line, client_of
from tests.support.serving import eventually


def create(url: str, key: str, retries: int = 0, **changes: Any) -> Any:
    client = client_of(url, max_network_retries=retries)
    return client.v1.checkout.sessions.create(params=a_checkout(**changes), options={"idempotency_key": key})  # type: ignore[arg-type]


def test_the_same_key_and_parameters_replay_the_first_answer(local: RunningSandbox) -> None:
    first, second = create(local.url, "order-1"), create(local.url, "order-1")
    assert str(first) == str(second)
    assert len(local.control.sessions()) == 1
    headers = second.last_response.headers
    assert headers["Idempotent-Replayed"] == "true"
    assert headers["Idempotency-Key"] == "order-1"
    assert headers["Request-Id"] != first.last_response.headers["Request-Id"]
    assert headers["Stripe-Version"] == stripe.api_version
    assert headers["Original-Request"] == first.last_response.headers["Request-Id"]
    assert "Idempotent-Replayed" not in first.last_response.headers


def test_a_replay_tells_of_the_first_moment_not_of_now(local: RunningSandbox) -> None:
    session = create(local.url, "order-1")
    local.control.pay(session.id)
    assert create(local.url, "order-1").status == "open"


def test_the_same_key_with_other_parameters_is_refused(local: RunningSandbox) -> None:
    create(local.url, "order-1")
    with pytest.raises(stripe.IdempotencyError) as refused:
        create(local.url, "order-1", line_items=[a_line(5000)])
    assert refused.value.http_status == 400
    assert "Keys for idempotent requests can only be used with the same parameters" in str(refused.value)
    assert len(local.control.sessions()) == 1


def test_a_key_has_255_characters_at_most(local: RunningSandbox) -> None:
    assert create(local.url, "k" * 255).status == "open"
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Idempotency-Key: must be at most 255 characters"):
        create(local.url, "k" * 256)


def test_the_same_key_at_another_endpoint_is_refused(local: RunningSandbox) -> None:
    session = create(local.url, "order-1")
    with pytest.raises(stripe.IdempotencyError):
        client_of(local.url).v1.checkout.sessions.expire(session.id, options={"idempotency_key": "order-1"})


def test_a_request_that_never_began_leaves_its_key_free(local: RunningSandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        create(local.url, "order-1", sucess_url="x")
    assert create(local.url, "order-1").status == "open"


def test_a_refusal_of_work_that_had_begun_belongs_to_its_key(local: RunningSandbox) -> None:
    session = create(local.url, "order-1")
    expire = client_of(local.url).v1.checkout.sessions.expire
    expire(session.id)
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            expire(session.id, options={"idempotency_key": "expire-1"})
    assert refused.value.headers["Idempotent-Replayed"] == "true"  # type: ignore[index]


def test_a_decline_belongs_to_its_key_and_is_one_charge(local: RunningSandbox) -> None:
    given: Any = {"amount": 100, "currency": "sgd", "confirm": True, "payment_method": "pm_card_visa_chargeDeclined"}
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            client_of(local.url).v1.payment_intents.create(params=given, options={"idempotency_key": "order-1"})
    assert (declined.value.code, declined.value.http_status) == ("card_declined", 402)
    assert declined.value.headers["Idempotent-Replayed"] == "true"  # type: ignore[index]
    assert len(local.control.charges()) == 1


def test_a_second_request_while_the_first_is_under_way_is_a_conflict(local: RunningSandbox) -> None:
    local.control.fail_next(1, "slow")
    made: list[Any] = []
    first = threading.Thread(target=lambda: made.append(create(local.url, "order-1")))
    first.start()
    eventually(lambda: local.control.waiting_calls() == 1)
    with pytest.raises(stripe.APIError) as conflict:
        create(local.url, "order-1")
    body: Any = conflict.value.json_body
    assert (conflict.value.http_status, body["error"]["code"]) == (409, "idempotency_key_in_use")
    local.control.release_calls()
    first.join(10)
    assert create(local.url, "order-1").id == made[0].id
    assert len(local.control.sessions()) == 1


def test_twenty_clients_with_one_key_make_one_session(local: RunningSandbox) -> None:
    barrier = threading.Barrier(20)
    outcomes: list[str] = []

    def ask() -> None:
        barrier.wait(10)
        try:
            outcomes.append(create(local.url, "order-1").id)
        except stripe.APIError as conflict:
            assert conflict.http_status == 409  # noqa: PT017
            outcomes.append("conflict")

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    (session,) = local.control.sessions()
    assert len(outcomes) == 20
    assert set(outcomes) <= {session["id"], "conflict"}
    assert session["id"] in outcomes


def test_a_lost_answer_is_found_again_by_the_sdks_own_retry(local: RunningSandbox) -> None:
    local.control.fail_next(1, "drop_after")
    session = create(local.url, "order-1", retries=1)
    assert [made["id"] for made in local.control.sessions()] == [session.id]
    assert session.last_response.headers["Idempotent-Replayed"] == "true"


def test_a_lost_answer_without_a_retry_is_a_connection_error_and_the_work_is_done(local: RunningSandbox) -> None:
    local.control.fail_next(1, "drop_after")
    with pytest.raises(stripe.APIConnectionError):
        create(local.url, "order-1")
    assert len(local.control.sessions()) == 1


@pytest.mark.parametrize(("kind", "error"), [("429", stripe.RateLimitError), ("500", stripe.APIError)])
def test_a_call_that_is_told_to_fail_does_nothing_and_keeps_no_key(
    local: RunningSandbox, kind: str, error: type[Exception]
) -> None:
    local.control.fail_next(2, kind)
    for _ in range(2):
        with pytest.raises(error) as failed:
            create(local.url, "order-1")
        assert str(failed.value.http_status) == kind  # type: ignore[attr-defined]
    assert local.control.sessions() == []
    assert create(local.url, "order-1").status == "open"


def test_a_call_that_hangs_times_out_and_has_done_nothing(local: RunningSandbox) -> None:
    local.control.fail_next(1, "timeout")
    client = client_of(local.url, http_client=stripe.RequestsClient(timeout=(1, 0.2)))
    with pytest.raises(stripe.APIConnectionError):
        client.v1.checkout.sessions.create(params=a_checkout(), options={"idempotency_key": "order-1"})  # type: ignore[arg-type]
    assert local.control.sessions() == []
    assert create(local.url, "order-1").status == "open"


def test_a_key_is_forgotten_after_a_day(local: RunningSandbox) -> None:
    first = create(local.url, "order-1")
    local.control.advance(24 * 3600 + 1)
    assert create(local.url, "order-1").id != first.id


def test_reading_takes_no_key(local: RunningSandbox) -> None:
    for _ in range(2):
        answer = requests.get(
            f"{local.url}/v1/events", auth=(KEY, ""), headers={"Idempotency-Key": "order-1"}, timeout=5
        )
        assert answer.status_code == 200
        assert "Idempotent-Replayed" not in answer.headers
    assert create(local.url, "order-1").status == "open"
