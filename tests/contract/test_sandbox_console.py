"""The control page: what happened, what was delivered, and a button for everything that a buyer cannot do."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
import requests
import stripe
from stripe.checkout import Session

from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import Receiver
from tests.support.serving import eventually

Create = Callable[..., Session]


@pytest.fixture
def press(local: RunningSandbox) -> Callable[..., requests.Response]:
    def press(act: str, **fields: str) -> requests.Response:
        return requests.post(f"{local.url}/_control", {"act": act, **fields}, timeout=10)

    return press


def shown(local: RunningSandbox, query: str = "") -> str:
    answer = requests.get(f"{local.url}/_control{query}", timeout=5)
    assert answer.status_code == 200
    return unescape(answer.text)


def test_it_says_that_nothing_has_happened_yet(local: RunningSandbox) -> None:
    page = shown(local)
    assert "Nobody has checked out yet." in page
    assert "Nothing has happened yet." in page
    assert "nobody" in page


def test_every_event_is_shown_newest_first_with_how_its_delivery_went(
    local: RunningSandbox, checkout: Create, receiver: Receiver
) -> None:
    local.control.set_webhook(receiver.url, receiver.secret)
    local.control.fault_deliveries("drop", type="payment_intent.created")
    receiver.answers = [500]
    local.control.pay(checkout().id)
    receiver.wait_for_count(3)
    local.control.hold_deliveries()
    local.control.expire(checkout().id)
    page = shown(local)
    assert re.findall(r'class="type">([\w.]+)', page) == [event["type"] for event in local.control.events()][::-1]
    stands = dict(
        zip(
            re.findall(r'class="type">([\w.]+)', page),
            re.findall(r'badge is-([\w-]+)">\w[\w ]*</span>\s+<span class="type"', page),
            strict=True,
        )
    )
    assert stands["checkout.session.expired"] == "waiting"
    assert stands["payment_intent.created"] == "dropped"
    assert "delivered" in stands.values()
    assert re.search(r"</time> 500", page)
    assert receiver.url in page
    assert "held" in page


def test_older_events_are_on_further_pages(local: RunningSandbox, checkout: Create) -> None:
    for _ in range(11):
        local.control.pay(checkout().id)
    first = shown(local)
    (older,) = re.findall(r'href="/_control(\?after=evt_\w+)', first)
    second = shown(local, older)
    assert (len(re.findall("<details>", first)), len(re.findall("<details>", second))) == (40, 4)
    assert "Older events" not in second
    assert len(re.findall("<details>", shown(local, "?after=evt_gone"))) == 40


def test_an_open_session_can_be_paid_by_each_way_that_it_offers_and_be_ended(
    local: RunningSandbox, checkout: Create, press: Any
) -> None:
    first, second, third, fourth = [checkout().id for _ in range(4)]
    assert "Paid." in press("pay", session_id=first, means="4242424242424242").text
    assert "Paid." in press("pay", session_id=second, means="paynow").text
    declined = press("pay", session_id=third, means="4000000000009995")
    assert (declined.status_code, "Your card has insufficient funds." in declined.text) == (422, True)
    press("pay", session_id=third, means="delayed_debit")
    assert "The bank has not answered." in shown(local)
    press("expire", session_id=fourth)
    found = {session["id"]: (session["status"], session["payment_status"]) for session in local.control.sessions()}
    assert found == {
        first: ("complete", "paid"),
        second: ("complete", "paid"),
        third: ("complete", "unpaid"),
        fourth: ("expired", "unpaid"),
    }
    press("bank_yes", session_id=third)
    assert local.control.session(third)["payment_status"] == "paid"


def test_the_bank_may_say_no(local: RunningSandbox, checkout: Create, press: Any) -> None:
    session = checkout().id
    local.control.pay(session, method="delayed_debit")
    press("bank_no", session_id=session)
    assert local.control.events("checkout.session.async_payment_failed")


def test_disputes_and_refunds_are_decided_where_they_are_shown(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create, press: Any
) -> None:
    session = checkout().id
    paid = local.control.pay(session, method="grabpay")
    refund = api.v1.refunds.create(params={"payment_intent": str(paid["payment_intent"]), "amount": 900})
    assert "Refund of S$9.00: pending" in shown(local)
    press("arrives", refund_id=refund.id)
    assert "Refund of S$9.00: succeeded" in shown(local)
    press("fails", refund_id=refund.id)
    assert "Refund of S$9.00: failed" in shown(local)
    press("dispute", session_id=session)
    (dispute,) = local.control.disputes()
    assert "Dispute of S$49.00: needs response" in shown(local)
    press("lost", dispute_id=dispute["id"])
    assert "Dispute of S$49.00: lost" in shown(local)
    again = press("won", dispute_id=dispute["id"])
    assert (again.status_code, "has a status of lost already" in again.text) == (422, True)
    other = checkout().id
    local.control.pay(other, "4000000000000259")
    press("won", dispute_id=local.control.disputes()[0]["id"])
    assert local.control.disputes()[0]["status"] == "won"


def test_deliveries_are_held_made_and_repeated(
    local: RunningSandbox, checkout: Create, receiver: Receiver, press: Any
) -> None:
    local.control.set_webhook(receiver.url, receiver.secret)
    press("hold")
    local.control.expire(checkout().id)
    assert receiver.events == []
    press("deliver")
    assert receiver.types() == ["checkout.session.expired"]
    press("release")
    press("resend", event_id=local.control.events()[0]["id"])
    receiver.wait_for_count(2)


def test_faults_are_planned_and_ended(local: RunningSandbox, checkout: Create, receiver: Receiver, press: Any) -> None:
    local.control.set_webhook(receiver.url, receiver.secret)
    press("fault", kind="drop", n="2", which="checkout.*")
    press("fault", kind="429", n="1", which="/v1/refunds")
    page = shown(local)
    assert re.search(r"<strong>drop</strong> for the next 2 of <code>checkout\.\*", page)
    assert re.search(r"<strong>429</strong> for the next 1 of <code>\* /v1/refunds", page)
    press("chaos", seed="7")
    assert re.search(r"<strong>chaos</strong> under seed 7", shown(local))
    press("calm")
    assert local.control.faults() == {"planned": [], "chaos": None}
    session = checkout().id
    press("advance", minutes=str(24 * 60))
    assert local.control.session(session)["status"] == "expired"
    assert "1440 min ahead" in shown(local)
    eventually(lambda: receiver.types() == ["checkout.session.expired"])


@pytest.mark.parametrize(
    ("act", "fields", "status", "said"),
    [
        ("expire", {"session_id": "cs_test_x"}, 422, "No such checkout.session"),
        ("fault", {"kind": "flood", "n": "1", "which": ""}, 422, "kind must be one of"),
        ("fault", {"kind": "drop", "n": "0", "which": ""}, 422, "n must be 1 or more"),
        ("advance", {"minutes": "soon"}, 422, "'soon' is no whole number"),
        ("explode", {}, 400, "There is no such button."),
        ("", {}, 400, "There is no such button."),
        ("resend", {}, 400, ""),
    ],
)
def test_what_cannot_be_done_is_told(press: Any, act: str, fields: dict[str, str], status: int, said: str) -> None:
    answer = press(act, **fields)
    assert answer.status_code == status
    assert said in unescape(answer.text)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_button_of_another_page_presses_nothing(local: RunningSandbox, checkout: Create, origin: str) -> None:
    session = checkout().id
    form = {"act": "pay", "session_id": session, "means": "4242424242424242"}
    answer = requests.post(f"{local.url}/_control", form, headers={"Origin": origin}, timeout=5)
    assert answer.status_code == 403
    assert "This form was not from this page." in answer.text
    assert local.control.session(session)["status"] == "open"
    own = requests.post(f"{local.url}/_control", form, headers={"Origin": local.url}, timeout=5)
    assert own.status_code == 200
    assert local.control.session(session)["status"] == "complete"


def test_it_is_under_the_same_strict_policy_and_what_a_shop_wrote_stays_text(
    local: RunningSandbox, checkout: Create
) -> None:
    checkout(client_reference_id="<script>alert(1)</script>")
    answer = requests.get(f"{local.url}/_control", timeout=5)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "form-action 'self';" in policy
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", answer.text)
    said = requests.get(f"{local.url}/_control?done=<b>", timeout=5)
    assert (said.status_code, "<b>" in said.text) == (200, False)
