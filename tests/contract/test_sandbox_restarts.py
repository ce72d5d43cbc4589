"""A restart in the middle of anything loses nothing: what was awaited is awaited still, and what was owed comes."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import requests

from shop.sandbox.server import RunningSandbox, running
from tests.contract.conftest import SECRET, SHIPPED, Receiver, a_checkout, client_of
from tests.support.payment_page import Buyer
from tests.support.reader import BUYER
from tests.support.serving import eventually

ROOT = Path(__file__).parents[2]
DAY = 24 * 3600

Start = Callable[..., AbstractContextManager[RunningSandbox]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts a local Stripe, each time on what the one before has left."""
    return lambda **settings: running(database=tmp_path / "stripe.db", **settings)


def new_session(sandbox: RunningSandbox, **changes: Any) -> str:
    return client_of(sandbox.url).v1.checkout.sessions.create(params=a_checkout(**changes)).id  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "step"), [({"number": "4000002500003155"}, "3ds"), ({"method": "paynow"}, "paynow")]
)
def test_an_answer_that_is_awaited_can_be_given_after_it(start: Start, fields: dict[str, str], step: str) -> None:
    with start() as before:
        session = new_session(before, **SHIPPED)
        Buyer(f"{before.url}/c/pay/{session}").send(**(BUYER | fields))
    with start() as after:
        page = Buyer(f"{after.url}/c/pay/{session}/{step}")
        assert page.send(result="complete").status_code == 303
        assert after.control.session(session)["payment_status"] == "paid"


def test_a_form_that_was_open_can_be_sent_after_it(start: Start) -> None:
    with start() as before:
        session = new_session(before, **SHIPPED, allow_promotion_codes=True)
        buyer = Buyer(f"{before.url}/c/pay/{session}")
        buyer.send(promotion_code="SUMMER10", apply="1")
    with start() as after:
        assert buyer.send(f"{after.url}/c/pay/{session}", **BUYER).status_code == 303
        assert after.control.session(session)["amount_total"] == 4910


@pytest.mark.parametrize(("ok", "status"), [(True, "paid"), (False, "unpaid")])
def test_the_bank_answers_after_it(start: Start, ok: bool, status: str) -> None:
    with start() as before:
        session = new_session(before)
        before.control.pay(session, method="delayed_debit")
    with start() as after:
        assert after.control.settle_delayed(session, ok=ok)["payment_status"] == status


def test_disputes_and_refunds_that_are_under_way_end_in_their_time(start: Start) -> None:
    with start() as before:
        disputed, refunded = new_session(before), new_session(before)
        before.control.pay(disputed, "4000000000000259")
        intent = str(before.control.pay(refunded, method="grabpay")["payment_intent"])
        client_of(before.url).v1.refunds.create(params={"payment_intent": intent, "amount": 1000})
        before.control.advance(DAY)
        sums = before.control.balance()
    with start() as after:
        assert after.control.balance() == sums
        assert [dispute["status"] for dispute in after.control.disputes()] == ["needs_response"]
        assert [refund["status"] for refund in after.control.refunds()] == ["pending"]
        after.control.advance(2 * DAY)
        assert [refund["status"] for refund in after.control.refunds()] == ["succeeded"]
        after.control.advance(12 * DAY)
        assert [dispute["status"] for dispute in after.control.disputes()] == ["lost"]


def test_what_was_late_swapped_or_refused_comes_after_it_and_what_was_dropped_does_not(
    start: Start, receiver: Receiver
) -> None:
    endpoint: dict[str, Any] = {"webhook_url": receiver.url, "webhook_secret": SECRET, "retry_delays": (3600,)}
    with start(**endpoint) as before:
        for kind in ("delay", "drop", "reorder"):
            before.control.fault_deliveries(kind)
            before.control.expire(new_session(before))
        receiver.answers = [500]
        before.control.pay(new_session(before), email="kim@example.com")
        receiver.wait_for_count(4)
    came = [event.id for event in receiver.events]
    with start(**endpoint) as after:
        after.control.advance(3600)
        eventually(lambda: {each["state"] for each in after.control.deliveries()} == {"delivered", "given_up"})
        (dropped,) = after.control.dropped()
        happened = {event["id"] for event in after.control.events()}
    assert {event.id for event in receiver.events} == happened - {dropped["event"]}
    assert len(came) < len(receiver.events)


def test_chaos_goes_on_where_it_was(start: Start, tmp_path: Path) -> None:
    def drawn(sandbox: RunningSandbox, times: int) -> list[str | None]:
        before = len(sandbox.control.deliveries())
        for _ in range(times):
            sandbox.control.expire(new_session(sandbox))
        return [delivery["fault"] for delivery in sandbox.control.deliveries()[before:]]

    rates = {"drop": 0.4, "delay": 0.3}
    endpoint: dict[str, Any] = {"webhook_url": "http://127.0.0.1:9/", "webhook_secret": SECRET}
    with start(**endpoint) as before:
        before.control.chaos(11, rates)
        first = drawn(before, 6)
    with start(**endpoint) as after:
        second = drawn(after, 6)
    with running(database=tmp_path / "other.db", **endpoint) as unbroken:
        unbroken.control.chaos(11, rates)
        assert drawn(unbroken, 12) == first + second
    assert len(set(first + second)) == 3


def test_a_process_that_is_killed_forgets_nothing_that_it_has_answered(tmp_path: Path, receiver: Receiver) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, database = f"http://127.0.0.1:{port}", tmp_path / "stripe.db"
    code = (
        "from pathlib import Path; from shop.sandbox import SandboxSettings; from shop.sandbox.server import serve;"
        f"serve(SandboxSettings(Path({str(database)!r}), {url!r}, {receiver.url!r}, {SECRET!r}), port={port})"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment) as process:
        try:
            eventually(lambda: answers(url))
            requests.post(f"{url}/_control/hold_deliveries", json={}, timeout=5)
            made = client_of(url).v1.checkout.sessions.create(
                params=a_checkout(), options={"idempotency_key": "order-1"}
            )  # type: ignore[arg-type]
            requests.post(f"{url}/_control/pay", json={"session_id": made.id}, timeout=5)
        finally:
            process.send_signal(signal.SIGKILL)
    assert receiver.events == []
    with running(database=database, webhook_url=receiver.url, webhook_secret=SECRET, public_url=url) as after:
        receiver.wait_for_count(4)
        again = client_of(after.url).v1.checkout.sessions.create(
            params=a_checkout(), options={"idempotency_key": "order-1"}
        )  # type: ignore[arg-type]
        assert again.id == made.id
        assert after.control.session(made.id)["payment_status"] == "paid"


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=1).ok
    except requests.ConnectionError:
        return False
