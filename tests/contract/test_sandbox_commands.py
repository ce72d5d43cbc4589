"""`shop sandbox ...`: what a person at a prompt tells a local Stripe that is running."""

import re
from collections.abc import Callable, Iterator

import pytest
import stripe
from click.testing import CliRunner, Result
from stripe.checkout import Session

from shop.cli import sandbox
from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import Receiver
from tests.support.serving import eventually

Create = Callable[..., Session]
Tell = Callable[..., str]


def run(port: str, *words: str) -> Result:
    return CliRunner().invoke(sandbox, words, env={"SANDBOX_PORT": port})


@pytest.fixture
def tell(local: RunningSandbox) -> Iterator[Tell]:
    """Runs a command against the local Stripe, and returns what it said."""

    def tell(*words: str, status: int = 0) -> str:
        result = run(local.url.rsplit(":", 1)[1], *words)
        assert result.exit_code == status, result.output
        return result.output.strip()

    return tell


def test_events_are_listed_with_how_their_delivery_stands(
    local: RunningSandbox, checkout: Create, receiver: Receiver, tell: Tell
) -> None:
    assert tell("events") == ""
    local.control.expire(checkout().id)
    local.control.set_webhook(receiver.url, receiver.secret)
    local.control.fault_deliveries("drop", type="payment_intent.created")
    local.control.pay(checkout().id)
    receiver.wait_for_count(3)
    eventually(lambda: tell("events").count("delivered (1)") == 3)
    lines = tell("events").splitlines()
    assert [line.split()[2] for line in lines] == [event["type"] for event in local.control.events()]
    assert lines[0].endswith("no endpoint")
    assert re.search(r"payment_intent\.created +dropped \(0\)", lines[1])
    assert len(tell("events", "--limit", "2").splitlines()) == 2
    assert tell("events", "--type", "charge.succeeded").count("\n") == 0


def test_a_session_is_paid_refused_ended_and_answered_for(local: RunningSandbox, checkout: Create, tell: Tell) -> None:
    first = checkout().id
    assert tell("pay", first) == f"{first}  complete  paid  4900 sgd"
    second = checkout().id
    assert "Your card was declined." in tell("pay", "last", "--card", "4000000000000002", status=1)
    assert "GrabPay did not authorise" in tell("pay", "last", "--method", "grabpay", "--refuse", status=1)
    assert tell("pay", "last", "--method", "delayed_debit") == f"{second}  complete  unpaid  4900 sgd"
    assert tell("bank", "last", "yes") == f"{second}  complete  paid  4900 sgd"
    third = checkout().id
    assert tell("expire", "last") == f"{third}  expired  unpaid  4900 sgd"
    assert [line.split()[0] for line in tell("sessions").splitlines()] == [first, second, third]
    assert tell("sessions", "--limit", "1").startswith(third)


def test_disputes_refunds_and_the_balance(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create, tell: Tell
) -> None:
    local.control.pay(checkout().id)
    assert re.fullmatch(r"du_\w+  warning_needs_response  4900 sgd", tell("dispute", "last", "--inquiry"))
    assert tell("decide", "last", "won").split()[1] == "warning_closed"
    assert tell("dispute", "last", "--reason", "product_not_received").split()[1] == "needs_response"
    assert tell("decide", "last", "lost").split()[1] == "lost"
    paid = local.control.pay(checkout().id, method="paynow")
    api.v1.refunds.create(params={"payment_intent": str(paid["payment_intent"]), "amount": 900})
    assert tell("refund", "last", "arrives").split()[1:] == ["succeeded", "900", "sgd"]
    assert tell("refund", "last", "fails").split()[1] == "failed"
    sums = local.control.balance()["sgd"]
    assert tell("balance") == f"sgd  amount {sums['amount']}  fee {sums['fee']}  net {sums['net']}"


def test_faults_chaos_calm_and_the_clock(
    local: RunningSandbox, checkout: Create, receiver: Receiver, tell: Tell
) -> None:
    assert tell("fault", "429", "--times", "2", "--method", "POST", "--path", "/v1/refunds") == (
        "429 for the next 2 of POST /v1/refunds"
    )
    assert tell("fault", "drop", "--type", "charge.*") == "drop for the next 1 of charge.*"
    refused = tell("fault", "flood", status=1)
    assert "429" in refused
    assert "deliver_before_answer" in refused
    local.control.set_webhook(receiver.url, receiver.secret)
    tell("chaos", "7")
    assert local.control.faults()["chaos"]["seed"] == 7
    tell("hold")
    session = checkout().id
    assert tell("advance", "1440") == "1440 minutes have passed."
    assert local.control.session(session)["status"] == "expired"
    assert receiver.events == []
    tell("calm")
    assert local.control.faults() == {"planned": [], "chaos": None}
    tell("hold")
    tell("resend", "last")
    before = len(receiver.events)
    assert tell("deliver") == "1 tried."
    assert len(receiver.events) == before + 1
    tell("release")


@pytest.mark.parametrize("command", ["pay", "resend"])
def test_the_last_of_nothing_is_told(tell: Tell, command: str) -> None:
    assert "yet" in tell(command, "last", status=1)


def test_what_cannot_be_done_is_told_in_a_line(tell: Tell) -> None:
    assert tell("pay", "cs_test_x", status=1) == "Error: No such checkout.session: 'cs_test_x'"


def test_whoever_starts_none_is_told_how() -> None:
    result = run("9", "events")
    assert result.exit_code == 1
    assert "No local Stripe answers at http://127.0.0.1:9" in result.output
