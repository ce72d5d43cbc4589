"""PostgreSQL is stopped and started under a crowd: what was answered is there, what was not is done in the end."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import stripe
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from shop.config import Settings
from shop.db import Database, is_away, now
from shop.mail.models import OutboxMessage
from shop.sandbox.control import Control
from shop.sandbox.server import running as running_sandbox
from shop.schema import migrate
from shop.web import webhooks
from tests.builders import a_cart, a_product, a_variant, shipping_to
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET, running_shop
from tests.kill.crowd import Crowd, broken_promises
from tests.support import postgres
from tests.support.commands import KEYS, environment, free_ports, running
from tests.support.invariants import broken, disagreements
from tests.support.postgres import OwnServer
from tests.support.serving import eventually

receive: Any = webhooks.receive
PRICE = 3900
# Nobody waits longer for an answer while the database is away: the time to connect twice, and as much for a busy machine.
BOUND = 20.0
SOON = (0.2,) * 100


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with postgres.own_server() as server:
        yield server


@dataclass
class Outage:
    """What a crowd saw while the database was stopped twice, and what there was when all were served."""

    database: Database
    stripe: Control
    stripe_url: str
    crowd: Crowd
    said_when_away: list[requests.Response]
    seconds_until_back: list[float]
    unsent: int
    lived: bool
    log: str


@pytest.fixture(scope="module")
def outage(server: OwnServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    folder = tmp_path_factory.mktemp("outage")
    database = Database.connect(postgres.fresh_database(server.url, "outage"))
    migrate(database)
    with database.transaction() as session:
        shipping_to(session, "SG")
        a_product(session, "mug", stock=100_000, price=PRICE)
    with ExitStack() as open_now, running_sandbox(retry_delays=SOON) as stripe_here, ThreadPoolExecutor(4) as pool:
        url = f"http://127.0.0.1:{(port := free_ports(1)[0])}"
        settings = KEYS | {
            "SHOP_DATA": folder / "var",
            "SHOP_DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
            "SHOP_PORT": port,
            "SHOP_URL": url,
            "SHOP_PROXIES": 1,
            "SHOP_QUEUE_URL": postgres.libpq_url(server.url, "outage"),
            "STRIPE_API_BASE": stripe_here.url,
        }
        worker = open_now.enter_context(running("worker", env=environment(**settings), log=folder / "worker.log"))
        shop = open_now.enter_context(running("serve", env=environment(**settings), log=folder / "log"))
        shop.answers(f"{url}/readyz")
        worker.says("worker started")
        processes = {*shop.everyone(), *worker.everyone()}
        stripe_here.control.set_webhook(f"{url}/webhooks/stripe", TEST_WEBHOOK_SECRET)
        crowd = Crowd(url, stripe_here.control, "mug", PRICE)
        open_now.callback(crowd.over.set)
        readers = crowd.comes(pool, 4)
        outage = Outage(database, stripe_here.control, stripe_here.url, crowd, [], [], 0, True, "")
        for mode in ("fast", "immediate"):
            wait_for_orders(crowd, 10)
            server.stop(mode)
            away = crowd.turned_away()
            eventually(lambda away=away: crowd.turned_away() > away + 20, 60)
            outage.said_when_away += [
                requests.get(url + path, timeout=60) for path in ("/", "/products/mug", "/readyz", "/healthz")
            ]
            server.start()
            began = time.monotonic()
            wait_for_orders(crowd, 1)
            outage.seconds_until_back.append(time.monotonic() - began)
        wait_for_orders(crowd, 10)
        crowd.over.set()
        for reader in readers:
            reader.result(60)
        stripe_here.control.calm()
        # What was being sent when the database went may be taken again once its lease has run out.
        with database.transaction() as session:
            session.execute(update(OutboxMessage).where(OutboxMessage.state == "waiting").values(due_at=now()))
        outage.unsent = eventually_sent(database)
        outage.lived = {*shop.everyone(), *worker.everyone()} == processes
        outage.log = shop.said()
        yield outage
    database.close()


def eventually_sent(database: Database) -> int:
    """How many messages still wait when none has been sent for a while."""

    def waiting() -> int:
        with database.reading() as session:
            return session.scalar(select(func.count()).where(OutboxMessage.state != "sent")) or 0

    with suppress(AssertionError):
        eventually(lambda: not waiting(), 20)
    return waiting()


def wait_for_orders(crowd: Crowd, more: int) -> None:
    before = len(crowd.promised)
    eventually(lambda: len(crowd.promised) >= before + more, 60)


def test_what_the_shop_has_answered_is_there_after_the_database_was_gone(outage: Outage) -> None:
    assert broken_promises(outage.database, outage.crowd.promised, outage.stripe) == []


def test_deliveries_that_the_shop_could_not_keep_were_refused_and_came_again(outage: Outage) -> None:
    refused = {d["event"] for d in outage.stripe.deliveries() if any(a["status"] != 200 for a in d["attempts"])}
    assert refused
    assert all(d["attempts"][-1]["status"] == 200 for d in outage.stripe.deliveries())


def test_every_payment_is_settled_in_the_end_and_stripe_says_the_same(outage: Outage) -> None:
    client = stripe.StripeClient(TEST_KEY, base_addresses={"api": outage.stripe_url})
    sessions = [s.to_dict() for s in client.v1.checkout.sessions.list(params={"limit": 100}).auto_paging_iter()]
    assert len(sessions) == len(outage.crowd.promised)
    with outage.database.reading() as session:
        assert broken(session) == []
        assert disagreements(session, sessions, outage.stripe.events(), everything_told=True) == []


def test_a_worker_that_lost_database_and_queue_sends_every_receipt_when_they_are_back(outage: Outage) -> None:
    assert outage.unsent == 0


def test_the_shop_answers_again_by_itself_when_the_database_is_back(outage: Outage) -> None:
    assert outage.lived
    assert max(outage.seconds_until_back) < BOUND


def test_while_the_database_is_away_everybody_is_told_at_once_and_in_words(outage: Outage) -> None:
    slowest = max(seconds for _, seconds in outage.crowd.answers)
    assert slowest < BOUND
    answers = [answer for answer, _ in outage.crowd.answers if answer.status_code >= 500]
    assert {answer.status_code for answer in answers} == {503}
    for answer in answers:
        assert "Back in a moment" in answer.text
        assert "Retry-After" in answer.headers
        assert "Traceback" not in answer.text
        assert "psycopg" not in answer.text
    assert [answer.status_code for answer in outage.said_when_away] == [503, 503, 503, 200] * 2


def test_the_log_tells_of_an_outage_in_lines_and_not_in_tracebacks(outage: Outage) -> None:
    assert "database_unreachable" in outage.log
    assert "Traceback" not in outage.log


def answers_first(*event: Any) -> Any:
    """An inbox that says 200 and stores the event when it finds the time."""

    def store() -> None:
        with suppress(SQLAlchemyError):
            receive(*event)

    Thread(target=store).start()
    return SimpleNamespace(state="applied")


@pytest.mark.parametrize("inbox", [receive, answers_first])
def test_control_a_shop_that_answers_before_it_has_committed_is_caught(
    server: OwnServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inbox: Any
) -> None:
    monkeypatch.setattr(webhooks, "receive", inbox)
    database = Database.connect(postgres.fresh_database(server.url, "control"))
    migrate(database)
    with database.transaction() as session:
        shipping_to(session, "SG")
        cart_id, _ = a_cart(session, (a_variant(session), 1))
    url = database.engine.url.render_as_string(hide_password=False)

    def make_settings(**known: object) -> Settings:
        keys: dict[str, object] = {name.lower(): value for name, value in KEYS.items()}
        return Settings.load(**keys | {"shop_data": tmp_path, "shop_database_url": url} | known)

    with running_shop(make_settings, database) as shop:
        session_id = shop.session_of(shop.place(cart_id).order_id)
        server.stop("fast")
        shop.stripe.pay(session_id)
        eventually(lambda: all(delivery["attempts"] for delivery in shop.stripe.deliveries()))
        server.start()
        eventually(lambda: broken_promises(database, {}, shop.stripe) or shop.stripe.calm() == 0)
        lost = broken_promises(database, {}, shop.stripe)
    database.close()
    assert bool(lost) == (inbox is answers_first), lost


def test_a_question_that_was_wrong_is_not_taken_for_an_outage(database: Database) -> None:
    with pytest.raises(SQLAlchemyError) as wrong, database.reading() as session:
        session.execute(text("SELECT * FROM no_such_table"))
    assert not is_away(wrong.value)
