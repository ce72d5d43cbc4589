"""Faults by choice: of calls and of deliveries, one by one or drawn under a seed, and the calm afterwards."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe
from werkzeug.wrappers import Request, Response

from shop.sandbox.delivery import Deliveries
from shop.sandbox.faults import DELIVERY_KINDS, KINDS
from shop.sandbox.server import RunningSandbox, running
from shop.sandbox.settings import SandboxSettings
from shop.sandbox.store import Store
from tests.contract.conftest import SECRET, Receiver, a_checkout, client_of
from tests.support.serving import eventually, serving

QUICKLY: dict[str, Any] = {"retry_delays": (0.02,) * 8, "delay_seconds": 60.0, "hang_seconds": 0.05}


class Door:
    """The shop's door: as `Receiver`, but a signature that the SDK refuses is answered 400 and written down."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.refused: list[str] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        try:
            return self.receiver(environ, start_response)
        except stripe.SignatureVerificationError as refusal:
            self.refused.append(str(refusal))
            return Response(status=400)(environ, start_response)


@pytest.fixture
def door(receiver: Receiver) -> Iterator[Door]:
    door = Door(receiver)
    with serving(door) as served:
        receiver.url = served.url
        yield door


@pytest.fixture
def told(door: Door, receiver: Receiver) -> Iterator[RunningSandbox]:
    with running(webhook_url=receiver.url, webhook_secret=SECRET, **QUICKLY) as sandbox:
        yield sandbox


def new_session(sandbox: RunningSandbox, **options: Any) -> str:
    return client_of(sandbox.url).v1.checkout.sessions.create(params=a_checkout(), options=options).id  # type: ignore[arg-type]


def states(sandbox: RunningSandbox) -> list[tuple[str, str | None, int]]:
    return [(each["state"], each["fault"], len(each["attempts"])) for each in sandbox.control.deliveries()]


def test_a_doubled_delivery_comes_twice_and_is_one_event(told: RunningSandbox, receiver: Receiver) -> None:
    told.control.fault_deliveries("duplicate")
    told.control.expire(new_session(told))
    receiver.wait_for_count(2)
    assert len({event.id for event in receiver.events}) == 1
    told.control.expire(new_session(told))
    receiver.wait_for_count(3)
    eventually(lambda: states(told) == [("delivered", "duplicate", 1)] * 2 + [("delivered", None, 1)])


def test_a_swapped_delivery_comes_after_the_next_one(told: RunningSandbox, receiver: Receiver) -> None:
    told.control.fault_deliveries("reorder", type="payment_intent.created")
    told.control.pay(new_session(told))
    receiver.wait_for_count(4)
    first, *_ = told.control.events()
    assert first["type"] == "payment_intent.created"
    assert receiver.types()[0] != "payment_intent.created"


def test_a_swapped_delivery_that_nothing_follows_comes_nevertheless(told: RunningSandbox, receiver: Receiver) -> None:
    told.control.fault_deliveries("reorder")
    told.control.expire(new_session(told))
    assert receiver.events == []
    told.control.advance(2)
    receiver.wait_for("checkout.session.expired")


def test_a_late_delivery_comes_when_its_time_has_passed(told: RunningSandbox, receiver: Receiver) -> None:
    told.control.fault_deliveries("delay", type="checkout.session.expired")
    told.control.expire(new_session(told))
    told.control.pay(new_session(told))
    receiver.wait_for_count(4)
    assert "checkout.session.expired" not in receiver.types()
    told.control.advance(60)
    receiver.wait_for("checkout.session.expired")


def test_a_dropped_delivery_is_lost_for_good_and_can_be_read_about(told: RunningSandbox, receiver: Receiver) -> None:
    told.control.fault_deliveries("drop", type="checkout.session.*")
    session = new_session(told)
    told.control.expire(session)
    told.control.calm()
    told.control.advance(24 * 3600)
    told.control.pay(new_session(told))
    receiver.wait_for_count(4)
    assert "checkout.session.expired" not in receiver.types()
    (lost,) = told.control.dropped()
    assert (lost["type"], lost["state"], lost["attempts"]) == ("checkout.session.expired", "given_up", [])
    assert client_of(told.url).v1.checkout.sessions.retrieve(session).status == "expired"
    told.control.resend(lost["event"])
    receiver.wait_for("checkout.session.expired")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("bad_signature", "No signatures found matching the expected signature"),
        ("stale_timestamp", "Timestamp outside the tolerance zone"),
    ],
)
def test_a_forged_or_stale_signature_is_refused_by_the_sdk_and_the_next_attempt_is_right(
    told: RunningSandbox, receiver: Receiver, door: Door, kind: str, said: str
) -> None:
    told.control.fault_deliveries(kind)
    told.control.expire(new_session(told))
    receiver.wait_for("checkout.session.expired")
    (refusal,) = door.refused
    assert said in refusal
    (delivery,) = eventually(lambda: told.control.deliveries() if states(told)[0][0] == "delivered" else None)
    assert [attempt["status"] for attempt in delivery["attempts"]] == [400, 200]


def test_an_event_may_come_before_the_call_that_caused_it_is_answered(told: RunningSandbox, receiver: Receiver) -> None:
    sdk = client_of(told.url)
    intent = str(told.control.pay(new_session(told))["payment_intent"])
    receiver.wait_for_count(4)
    told.control.fault_deliveries("deliver_before_answer", 2, "*refund*")
    sdk.v1.refunds.create(params={"payment_intent": intent})
    # No waiting: whoever has the answer has had the events.
    assert receiver.types()[4:] == ["refund.created", "charge.refunded"]
    told.control.fault_deliveries("deliver_before_answer")
    session = new_session(told)
    sdk.v1.checkout.sessions.expire(session)
    assert receiver.types()[6:] == ["checkout.session.expired"]


def test_control_without_the_fault_the_answer_does_not_wait_for_the_shop(receiver: Receiver) -> None:
    answered = threading.Event()

    def door(environ: Any, start_response: Any) -> Any:
        assert answered.wait(10)
        return receiver(environ, start_response)

    with serving(door) as served, running(webhook_url=served.url, webhook_secret=SECRET) as sandbox:
        client_of(sandbox.url).v1.checkout.sessions.expire(new_session(sandbox))
        assert receiver.events == []
        answered.set()
        receiver.wait_for("checkout.session.expired")


def test_what_is_held_is_not_delivered_before_the_answer_either(told: RunningSandbox, receiver: Receiver) -> None:
    told.control.hold_deliveries()
    told.control.fault_deliveries("deliver_before_answer")
    client_of(told.url).v1.checkout.sessions.expire(new_session(told))
    assert receiver.events == []
    assert told.control.deliver_now() == 1


@pytest.mark.parametrize(("kind", "status"), [("429", 429), ("500", 500), ("500_stored", 500)])
def test_only_the_calls_that_were_chosen_fail(told: RunningSandbox, kind: str, status: int) -> None:
    sdk = client_of(told.url)
    told.control.fail_next(1, kind, method="POST", path="/v1/refunds")
    told.control.fail_next(1, kind, path="/v1/checkout/sessions/*/expire")
    session = new_session(told)
    assert sdk.v1.refunds.list().data == []
    with pytest.raises(stripe.StripeError) as refused:
        sdk.v1.checkout.sessions.expire(session)
    assert refused.value.http_status == status
    assert sdk.v1.checkout.sessions.expire(session).status == "expired"
    with pytest.raises(stripe.StripeError) as refused:
        sdk.v1.refunds.create(params={"payment_intent": "pi_x"})
    assert refused.value.http_status == status
    assert told.control.faults() == {"planned": [], "chaos": None}


def test_a_failure_that_is_stored_is_what_the_key_is_answered_with_ever_after(told: RunningSandbox) -> None:
    told.control.fail_next(1, "500_stored")
    for _ in range(3):
        with pytest.raises(stripe.APIError):
            new_session(told, idempotency_key="order-1")
    assert told.control.sessions() == []
    told.control.fail_next(1, "500")
    with pytest.raises(stripe.APIError):
        new_session(told, idempotency_key="order-2")
    assert new_session(told, idempotency_key="order-2")


def befallen(seed: int, other_work: bool = False) -> list[str | None]:
    """The faults of forty expiries under a seed."""
    rates = {"duplicate": 0.2, "drop": 0.2, "429": 0.1, "reorder": 0.1}
    with running(webhook_url="http://127.0.0.1:9/", webhook_secret=SECRET) as sandbox:
        sandbox.control.hold_deliveries()
        sessions = [new_session(sandbox) for _ in range(40)]
        others = [new_session(sandbox) for _ in range(3)]
        sandbox.control.chaos(seed, rates)
        refused: list[str | None] = []
        for number, session in enumerate(sessions):
            if other_work and number % 16 == 0:
                sandbox.control.pay(others.pop())
            try:
                client_of(sandbox.url).v1.checkout.sessions.expire(session)
                refused.append(None)
            except stripe.RateLimitError:
                refused.append("429")
        ended = [each for each in sandbox.control.deliveries() if each["type"] == "checkout.session.expired"]
    assert len(ended) > 20
    return refused + [each["fault"] for each in ended]


def test_chaos_is_the_same_under_the_same_seed_whatever_happens_in_between() -> None:
    first = befallen(7)
    assert befallen(7) == first
    assert befallen(7, other_work=True) == first
    assert befallen(8) != first
    found = Counter(first)
    assert set(found) == {None, "429", "duplicate", "drop", "reorder"}
    assert found["drop"] > 2


def test_after_the_calm_everything_that_was_not_dropped_has_come(told: RunningSandbox, receiver: Receiver) -> None:
    told.control.chaos(3, dict.fromkeys(DELIVERY_KINDS, 0.12))
    for _ in range(12):
        told.control.pay(new_session(told))
    told.control.calm()
    lost = {delivery["event"] for delivery in told.control.dropped()}
    happened = {event["id"] for event in told.control.events()}
    assert len(happened) == 48
    assert 0 < len(lost) < 24
    assert {event.id for event in receiver.events} == happened - lost
    assert {delivery["state"] for delivery in told.control.deliveries()} == {"delivered", "given_up"}
    before = len(told.control.deliveries())
    told.control.pay(new_session(told))
    assert [each["fault"] for each in told.control.deliveries()[before:]] == [None] * 4


def test_a_restart_forgets_neither_plans_nor_chaos(tmp_path: Path) -> None:
    kept: dict[str, Any] = {"database": tmp_path / "stripe.db", "webhook_url": "http://127.0.0.1:9/"}
    kept |= {"webhook_secret": SECRET, "hang_seconds": 0.05}
    with running(**kept) as before:
        before.control.fail_next(1, "429", path="/v1/events")
        before.control.fault_deliveries("drop", 2)
        before.control.expire(new_session(before))
        before.control.chaos(5, {"500": 1.0})
    with running(**kept) as after:
        assert after.control.faults() == {
            "planned": [
                {"scope": "call", "kind": "429", "pattern": "* /v1/events", "remaining": 1},
                {"scope": "delivery", "kind": "drop", "pattern": "*", "remaining": 1},
            ],
            "chaos": {"seed": 5, "rates": {"500": 1.0}},
        }
        with pytest.raises(stripe.RateLimitError):
            client_of(after.url).v1.events.list()
        with pytest.raises(stripe.APIError):
            client_of(after.url).v1.events.list()
        after.control.clear_faults()
        assert client_of(after.url).v1.events.list().data


@pytest.mark.parametrize("faulty", [{"drop": 1.2}, {"drop": 0.6, "delay": 0.6}, {"drop": -0.1}, {"flood": 0.1}])
def test_shares_that_cannot_be_are_refused(told: RunningSandbox, faulty: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"shares of|kind must be one of"):
        told.control.chaos(1, faulty)
    assert told.control.faults()["chaos"] is None


@pytest.mark.parametrize(("act", "kinds"), [("fail_next", DELIVERY_KINDS), ("fault_deliveries", KINDS)])
def test_a_fault_is_for_a_call_or_for_a_delivery(told: RunningSandbox, act: str, kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        with pytest.raises(ValueError, match="kind must be one of"):
            getattr(told.control, act)(kind=kind, n=1)


def test_while_a_secret_is_rolled_both_sign_and_the_sdk_accepts_either(receiver: Receiver) -> None:
    signatures: list[tuple[bytes, str]] = []

    def door(environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        signatures.append((request.get_data(), request.headers["Stripe-Signature"]))
        return Response(status=200)(environ, start_response)

    def accepted(sandbox: RunningSandbox) -> list[bool]:
        before = len(signatures)
        sandbox.control.expire(new_session(sandbox))
        body, header = eventually(lambda: signatures[before] if len(signatures) > before else None)
        said = []
        for secret in (SECRET, "whsec_new"):
            try:
                stripe.Webhook.construct_event(body, header, secret)  # type: ignore[no-untyped-call]
                said.append(True)
            except stripe.SignatureVerificationError:
                said.append(False)
        return said

    with serving(door) as served, running(webhook_url=served.url, webhook_secret=SECRET) as sandbox:
        assert accepted(sandbox) == [True, False]
        sandbox.control.roll_secret("whsec_new")
        assert accepted(sandbox) == [True, True]
        sandbox.control.roll_secret("whsec_new", keep_old=False)
        assert accepted(sandbox) == [False, True]


def test_a_restart_forgets_neither_a_rolled_secret_nor_another_endpoint(tmp_path: Path, receiver: Receiver) -> None:
    kept: dict[str, Any] = {"database": tmp_path / "stripe.db", "webhook_url": "http://127.0.0.1:9/"}
    with running(**kept, webhook_secret="whsec_first") as before:
        before.control.set_webhook(receiver.url, "whsec_old")
        before.control.roll_secret(SECRET)
    with running(**kept, webhook_secret="whsec_first") as after:
        after.control.expire(new_session(after))
        receiver.wait_for_count(1)
    with running(**kept, webhook_secret="whsec_second") as told_anew:
        told_anew.control.expire(new_session(told_anew))
        attempts = eventually(lambda: told_anew.control.deliveries()[-1]["attempts"])
        assert attempts[0]["url"] == "http://127.0.0.1:9/", "settings that say something new count"


def test_no_unexpected_failure_ends_the_deliveries(tmp_path: Path, receiver: Receiver) -> None:
    settings = SandboxSettings(tmp_path / "stripe.db", "http://127.0.0.1:1", receiver.url, SECRET, retry_delays=(0.02,))
    failures = [RuntimeError("the disk is full"), LookupError("once more")]
    store = Store(settings.database)

    def time_passes() -> None:
        if failures:
            raise failures.pop()

    deliveries = Deliveries(store, settings, time_passes)
    deliveries.start()
    try:
        eventually(lambda: not failures)
        with running(database=settings.database, webhook_url="http://127.0.0.1:9/", webhook_secret=SECRET) as writing:
            writing.control.hold_deliveries()
            writing.control.expire(new_session(writing))
        receiver.wait_for("checkout.session.expired")
    finally:
        deliveries.stop()
        store.close()


@pytest.mark.parametrize(
    "address", ["http://shop..example/hook", "http://.example/", "http://" + "a" * 70 + ".example/"]
)
def test_an_address_that_is_no_name_fails_as_a_delivery_and_stops_nothing(receiver: Receiver, address: str) -> None:
    with running(webhook_url=address, webhook_secret=SECRET, retry_delays=(0.02,) * 50) as sandbox:
        sandbox.control.expire(new_session(sandbox))
        attempts = eventually(lambda: sandbox.control.deliveries()[0]["attempts"])
        assert (attempts[0]["status"], bool(attempts[0]["error"])) == (None, True)
        sandbox.control.set_webhook(receiver.url, SECRET)
        receiver.wait_for("checkout.session.expired")
