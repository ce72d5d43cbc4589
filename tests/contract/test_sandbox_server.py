"""The local Stripe as a process: where it listens, how it stops, and its controls from outside."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from shop.sandbox import SandboxSettings
from shop.sandbox.control import Control
from shop.sandbox.server import RunningSandbox, running, serve
from tests.contract.conftest import KEY, Receiver, a_checkout, client_of
from tests.support.serving import eventually

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.10", "shop.example", ""])
def test_it_listens_on_loopback_only(tmp_path: Path, host: str) -> None:
    settings = SandboxSettings(database=tmp_path / "stripe.db", public_url="http://127.0.0.1:4243")
    with pytest.raises(ValueError, match="loopback only"):
        serve(settings, host=host, port=0)
    assert not (tmp_path / "stripe.db").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"public_url": "localhost:4243"}, "public_url must be an http or https address"),
        ({"webhook_url": "shop.example"}, "webhook_url must be an http or https address"),
        ({"webhook_url": "http://127.0.0.1:9/"}, "webhook_url without webhook_secret"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SandboxSettings(**({"database": tmp_path / "x.db", "public_url": "http://127.0.0.1:4243"} | wrong))


def test_the_secret_is_not_in_the_settings_repr(tmp_path: Path) -> None:
    settings = SandboxSettings(tmp_path / "x.db", "http://127.0.0.1:1", "http://127.0.0.1:9/", "whsec_hidden")
    assert "whsec_hidden" not in repr(settings)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_when_told_to_and_keeps_what_it_had(tmp_path: Path, number: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = (
        "from pathlib import Path; from shop.sandbox import SandboxSettings; from shop.sandbox.server import serve;"
        f"serve(SandboxSettings(Path({str(tmp_path / 'stripe.db')!r}), 'http://127.0.0.1:{port}'), port={port})"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, stderr=subprocess.PIPE
    ) as process:
        try:
            eventually(lambda: process.poll() is not None or answers(url))
            session = client_of(url).v1.checkout.sessions.create(params=a_checkout())  # type: ignore[arg-type]
        finally:
            process.send_signal(number)
        _, said = process.communicate(timeout=15)
    assert (process.returncode, said) == (0, b"")
    with running(database=tmp_path / "stripe.db") as again:
        assert again.control.session(session.id)["status"] == "open"


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).status_code == 200
    except requests.ConnectionError:
        return False


def test_a_name_that_is_not_its_own_is_refused(local: RunningSandbox) -> None:
    answer = requests.get(f"{local.url}/v1/events", auth=(KEY, ""), headers={"Host": "evil.example"}, timeout=5)
    assert answer.status_code == 400


def ask(local: RunningSandbox, name: str, **arguments: Any) -> requests.Response:
    # By hand: what is no number has no place in JSON as `requests` writes it, and comes nevertheless.
    headers = {"Content-Type": "application/json"}
    return requests.post(f"{local.url}/_control/{name}", json.dumps(arguments), headers=headers, timeout=5)


def test_every_control_works_from_another_process(local: RunningSandbox, receiver: Receiver) -> None:
    client = client_of(local.url)
    first, second, third = [client.v1.checkout.sessions.create(params=a_checkout()).id for _ in range(3)]  # type: ignore[arg-type]
    assert ask(local, "set_webhook", url=receiver.url, secret=receiver.secret).status_code == 200
    assert ask(local, "hold_deliveries").status_code == 200
    assert ask(local, "pay", session_id=first, email="kim@example.com").json()["payment_status"] == "paid"
    assert ask(local, "decline", session_id=second).json() == "generic_decline"
    assert ask(local, "pay", session_id=second, method="delayed_debit").json()["payment_status"] == "unpaid"
    assert ask(local, "settle_delayed", session_id=second, ok=True).json()["payment_status"] == "paid"
    assert ask(local, "expire", session_id=third).json()["status"] == "expired"
    assert ask(local, "deliver_now").json() == len(receiver.events) > 0
    event = ask(local, "events", type="checkout.session.expired").json()[0]
    assert ask(local, "resend", event_id=event["id"]).status_code == 200
    assert ask(local, "release_deliveries").status_code == 200
    eventually(lambda: receiver.types().count("checkout.session.expired") == 2)
    assert ask(local, "fail_next", n=1, kind="500").status_code == 200
    assert requests.get(f"{local.url}/v1/events", auth=(KEY, ""), timeout=5).status_code == 500
    assert ask(local, "advance", seconds=60).status_code == 200
    assert len(ask(local, "deliveries").json()) == len(receiver.events)


@pytest.mark.parametrize(
    ("name", "arguments", "status", "message"),
    [
        ("pay", {"session_id": "cs_test_x"}, 404, "No such checkout.session"),
        ("pay", {}, 400, "session_id"),
        ("fail_next", {"kind": "flood"}, 400, "kind must be one of"),
        ("advance", {"seconds": float("inf")}, 400, "seconds must be a number"),
        ("set_webhook", {"url": "shop.example", "secret": "whsec_x"}, 400, "must be an http or https address"),
        ("set_webhook", {"url": "http://127.0.0.1:9/", "secret": ""}, 400, "set a secret such as"),
        ("_account", {}, 404, "There is no control"),
        ("nothing", {}, 404, "There is no control"),
    ],
)
def test_a_control_that_cannot_be_carried_out_says_why(
    local: RunningSandbox, name: str, arguments: dict[str, Any], status: int, message: str
) -> None:
    answer = ask(local, name, **arguments)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_a_page_of_another_origin_cannot_reach_the_controls(local: RunningSandbox) -> None:
    session = client_of(local.url).v1.checkout.sessions.create(params=a_checkout()).id  # type: ignore[arg-type]
    body = json.dumps({"session_id": session})
    answer = requests.post(f"{local.url}/_control/pay", body, headers={"Content-Type": "text/plain"}, timeout=5)
    assert answer.status_code == 415
    asked_first = requests.options(f"{local.url}/_control/pay", headers={"Origin": "http://evil.example"}, timeout=5)
    assert "Access-Control-Allow-Origin" not in asked_first.headers
    assert local.control.session(session)["status"] == "open"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_what_a_browser_sends_for_another_page_is_refused_whatever_its_type(
    local: RunningSandbox, headers: dict[str, str]
) -> None:
    session = client_of(local.url).v1.checkout.sessions.create(params=a_checkout()).id  # type: ignore[arg-type]
    arguments = {"session_id": session}
    paid = requests.post(f"{local.url}/_control/pay", json=arguments, headers=headers, timeout=5)
    ended = requests.post(
        f"{local.url}/v1/checkout/sessions/{session}/expire", auth=(KEY, ""), headers=headers, timeout=5
    )
    assert (paid.status_code, ended.status_code) == (403, 403)
    assert "pages of other origins" in paid.json()["error"]["message"]
    assert "pages of other origins" in ended.json()["error"]["message"]
    assert local.control.session(session)["status"] == "open"
    own = {"Origin": local.url, "Sec-Fetch-Site": "same-origin"}
    assert requests.post(f"{local.url}/_control/pay", json=arguments, headers=own, timeout=5).status_code == 200


def test_the_controls_are_the_same_in_this_process(local: RunningSandbox) -> None:
    assert isinstance(local.control, Control)
    assert local.app.extensions["sandbox"] is not None


def test_it_says_that_it_answers(local: RunningSandbox) -> None:
    answer = requests.get(f"{local.url}/healthz", timeout=5)
    assert (answer.status_code, answer.text) == (200, "ok\n")
