"""Events on their way to the shop: real POSTs, signed, repeated, held, and lost by nobody's restart."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from shop.sandbox.server import RunningSandbox, running
from tests.contract.conftest import SECRET, Receiver, a_checkout, client_of
from tests.support.serving import eventually, serving


@pytest.fixture
def told(receiver: Receiver) -> Iterator[RunningSandbox]:
    """A local Stripe that tells `receiver`, and tries again quickly."""
    with running(webhook_url=receiver.url, webhook_secret=SECRET, retry_delays=(0.02, 0.02, 0.02)) as sandbox:
        yield sandbox


def new_session(sandbox: RunningSandbox, **changes: Any) -> str:
    return client_of(sandbox.url).v1.checkout.sessions.create(params=a_checkout(**changes)).id  # type: ignore[arg-type]


def states(sandbox: RunningSandbox) -> list[str]:
    return [delivery["state"] for delivery in sandbox.control.deliveries()]


def test_each_event_is_posted_with_stripes_headers_and_a_signature_that_the_sdk_accepts(
    told: RunningSandbox, receiver: Receiver
) -> None:
    session = new_session(told)
    told.control.pay(session)
    receiver.wait_for_count(4)
    assert sorted(receiver.types()) == [
        "charge.succeeded",
        "checkout.session.completed",
        "payment_intent.created",
        "payment_intent.succeeded",
    ]
    for headers in receiver.headers:
        assert headers["User-Agent"] == "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
        assert headers["Content-Type"] == "application/json; charset=utf-8"
    eventually(lambda: states(told) == ["delivered"] * 4)
    assert {event["pending_webhooks"] for event in told.control.events()} == {0}


def test_a_refused_delivery_is_repeated_signed_anew_until_it_is_taken(told: RunningSandbox, receiver: Receiver) -> None:
    receiver.answers = [500, 404, 302]
    told.control.expire(new_session(told))
    receiver.wait_for_count(4)
    (delivery,) = eventually(lambda: told.control.deliveries() if states(told) == ["delivered"] else None)
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 404, 302, 200]
    assert len({event.id for event in receiver.events}) == 1


def test_a_delivery_is_given_up_after_the_last_delay(told: RunningSandbox, receiver: Receiver) -> None:
    receiver.answers = [500] * 9
    told.control.expire(new_session(told))
    (delivery,) = eventually(lambda: told.control.deliveries() if states(told) == ["given_up"] else None)
    assert len(delivery["attempts"]) == 4, "one, and one after each of the three delays"


def test_an_event_is_resent_on_demand_as_it_was(told: RunningSandbox, receiver: Receiver) -> None:
    session = new_session(told)
    told.control.expire(session)
    receiver.wait_for_count(1)
    told.control.resend(receiver.events[0].id)
    receiver.wait_for_count(2)
    assert receiver.events[0].id == receiver.events[1].id
    assert str(receiver.events[0].data) == str(receiver.events[1].data)


def test_a_shop_that_is_down_is_told_when_it_is_back(receiver: Receiver) -> None:
    with running(webhook_url="http://127.0.0.1:9/", webhook_secret=SECRET, retry_delays=(0.02,) * 50) as sandbox:
        sandbox.control.expire(new_session(sandbox))
        eventually(lambda: sandbox.control.deliveries()[0]["attempts"])
        assert sandbox.control.deliveries()[0]["attempts"][0]["error"] == "ConnectionError"
        sandbox.control.set_webhook(receiver.url, SECRET)
        receiver.wait_for("checkout.session.expired")


def test_what_is_owed_survives_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    kept: dict[str, Any] = {"database": tmp_path / "stripe.db", "webhook_url": receiver.url, "webhook_secret": SECRET}
    with running(**kept) as before:
        before.control.hold_deliveries()
        session = new_session(before)
        before.control.pay(session)
        assert states(before) == ["pending"] * 4
    assert receiver.events == []
    with running(**kept) as after:
        receiver.wait_for_count(4)
        assert after.control.session(session)["payment_status"] == "paid"
        assert len(client_of(after.url).v1.events.list().data) == 4


def test_the_clock_and_the_keys_survive_a_restart(tmp_path: Path) -> None:
    options: Any = {"idempotency_key": "order-1"}
    with running(database=tmp_path / "stripe.db") as before:
        first = client_of(before.url).v1.checkout.sessions.create(params=a_checkout(), options=options)  # type: ignore[arg-type]
        before.control.advance(23 * 3600)
    # An address is part of the session, so the second life answers with the address of the first.
    with running(database=tmp_path / "stripe.db") as after:
        again = client_of(after.url).v1.checkout.sessions.create(params=a_checkout(), options=options)  # type: ignore[arg-type]
        assert again.id == first.id
        assert after.control.session(first.id)["status"] == "open"
        after.control.advance(3600 + 1)
        assert after.control.session(first.id)["status"] == "expired"


def test_held_deliveries_wait_and_may_be_made_by_hand(told: RunningSandbox, receiver: Receiver) -> None:
    told.control.hold_deliveries()
    told.control.pay(new_session(told))
    assert receiver.events == []
    assert told.control.deliver_now() == 4
    assert receiver.types() == [event["type"] for event in told.control.events()]
    assert told.control.deliver_now() == 0
    told.control.expire(new_session(told))
    assert len(receiver.events) == 4
    told.control.release_deliveries()
    receiver.wait_for("checkout.session.expired")


def test_several_events_are_under_way_at_once(receiver: Receiver) -> None:
    together = threading.Barrier(4)

    def door(environ: Any, start_response: Any) -> Any:
        # Opens only when four deliveries stand before it.
        together.wait(10)
        return receiver(environ, start_response)

    with serving(door) as served, running(webhook_url=served.url, webhook_secret=SECRET) as sandbox:
        sandbox.control.pay(new_session(sandbox))
        receiver.wait_for_count(4)
        eventually(lambda: states(sandbox) == ["delivered"] * 4)


def test_a_session_expires_by_itself_and_the_shop_is_told(told: RunningSandbox, receiver: Receiver) -> None:
    session = new_session(told)
    told.control.advance(24 * 3600)
    receiver.wait_for("checkout.session.expired")
    assert receiver.events[0].data.object.id == session


def test_time_that_passes_makes_a_late_delivery_due(receiver: Receiver) -> None:
    with running(webhook_url=receiver.url, webhook_secret=SECRET, retry_delays=(3600,)) as sandbox:
        receiver.answers = [500]
        sandbox.control.expire(new_session(sandbox))
        eventually(lambda: sandbox.control.deliveries()[0]["attempts"])
        sandbox.control.advance(3600)
        receiver.wait_for_count(2)


def test_without_an_endpoint_nothing_is_owed(local: RunningSandbox, receiver: Receiver) -> None:
    local.control.expire(new_session(local))
    assert local.control.deliveries() == []
    assert local.control.events()[0]["pending_webhooks"] == 0
    local.control.set_webhook(receiver.url, SECRET)
    local.control.expire(new_session(local))
    receiver.wait_for_count(1)
    assert len(local.control.deliveries()) == 1, "as at Stripe, an endpoint hears of what happens after it was added"


def test_a_wrong_secret_makes_a_signature_that_the_sdk_refuses(receiver: Receiver) -> None:
    refused = threading.Event()

    def door(environ: Any, start_response: Any) -> Any:
        try:
            return receiver(environ, start_response)
        except stripe.SignatureVerificationError:
            refused.set()
            start_response("400 Bad Request", [])
            return [b""]

    with serving(door) as served, running(webhook_url=served.url, webhook_secret="whsec_other") as sandbox:
        sandbox.control.expire(new_session(sandbox))
        assert refused.wait(10)
    assert receiver.events == []


def test_events_are_found_by_whether_they_were_delivered(told: RunningSandbox, receiver: Receiver) -> None:
    def types(delivered: bool) -> list[str]:
        page = client_of(told.url).v1.events.list(params={"delivery_success": delivered})
        return [event.type for event in page.data]

    told.control.expire(new_session(told))
    eventually(lambda: states(told) == ["delivered"])
    told.control.hold_deliveries()
    told.control.pay(new_session(told))
    assert types(True) == ["checkout.session.expired"]
    assert len(types(False)) == 4
