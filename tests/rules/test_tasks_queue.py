"""The work queue: on SQLite, PostgreSQL and Redis, with a real worker, and nothing depending on it."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import structlog
import time_machine
from huey.serializer import Serializer
from sqlalchemy import select

from shop import tasks as shop_tasks
from shop.checkout.reconcile import latest_runs
from shop.checkout.runs import alone
from shop.checkout.sweep import Swept
from shop.config import Settings
from shop.db import Database, now
from shop.mail.messages import Letter
from shop.mail.models import OutboxMessage
from shop.mail.outbox import post
from shop.tasks import Tasks, close_queue, enqueue_send_mail, queue_for, tasks_on, worker_for
from shop.workshop import Workshop
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop
from tests.support.letters import an_order
from tests.support.serving import eventually


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A server that speaks Redis's protocol on a free port."""
    server = fakeredis.TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def queue_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A queue of each kind, empty, beside a shop on SQLite."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'queue' / 'queue.db'}"
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    return str(request.getfixturevalue("postgres_url")).replace("postgresql+psycopg://", "postgresql://", 1)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = Database.connect(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@contextmanager
def open_tasks(settings: Settings) -> Iterator[Tasks]:
    workshop = Workshop(settings)
    queue = queue_for(settings)
    queue.flush()
    try:
        yield tasks_on(queue, workshop)
    finally:
        workshop.close()
        queue.flush()
        close_queue(queue)


@pytest.fixture
def on_each(make_settings: Callable[..., Settings], queue_url: str) -> Iterator[Tasks]:
    with open_tasks(make_settings(shop_queue_url=queue_url)) as tasks:
        yield tasks


@pytest.fixture
def tasks(settings: Settings) -> Iterator[Tasks]:
    with open_tasks(settings) as tasks:
        yield tasks


@contextmanager
def working(tasks: Tasks) -> Iterator[Any]:
    """A worker in a thread, for as long as the block lasts."""
    worker = worker_for(tasks)
    thread = threading.Thread(target=worker.run, name="worker")
    thread.start()
    try:
        yield worker
    finally:
        worker.stop_flag.set()
        thread.join(30)
        assert not thread.is_alive()


def a_receipt(database: Database) -> str:
    """The number of a new order whose receipt waits to be sent."""
    with database.transaction() as session:
        order = an_order(session)
        post(session, "receipt", order.email, f"receipt:{order.number}", order_id=order.id)
        return order.number


def folder(tasks: Tasks) -> list[Path]:
    return sorted(Path(tasks.workshop.settings.mail_url.removeprefix("folder:")).glob("*.eml"))


def states(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(OutboxMessage.state).order_by(OutboxMessage.id)))


def test_a_worker_sends_what_is_posted_without_being_told(on_each: Tasks, database: Database) -> None:
    first = a_receipt(database)
    with working(on_each):
        eventually(lambda: states(database) == ["sent"])
        second = a_receipt(database)
        eventually(lambda: states(database) == ["sent", "sent"])
    one, two = (path.read_text() for path in folder(on_each))
    assert first in one
    assert second in two


def test_a_task_that_was_enqueued_twice_does_its_work_once(on_each: Tasks, database: Database) -> None:
    a_receipt(database)
    assert enqueue_send_mail(on_each)
    assert enqueue_send_mail(on_each)
    assert on_each.queue.pending_count() == 2
    with working(on_each):
        eventually(lambda: states(database) == ["sent"] and on_each.queue.pending_count() == 0)
    assert len(folder(on_each)) == 1


class Bomb:
    """Unpickled, it makes a folder: it could run anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_what_somebody_else_put_into_the_queue_is_not_unpickled(
    on_each: Tasks, database: Database, tmp_path: Path
) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "crater"))
    on_each.queue.storage.enqueue(bomb, 0)
    a_receipt(database)
    with working(on_each):
        eventually(lambda: states(database) == ["sent"] and on_each.queue.pending_count() == 0)
    assert not (tmp_path / "crater").exists()
    # The control: Huey's own serializer sets it off.
    Serializer().deserialize(bomb)
    assert (tmp_path / "crater").exists()


def test_no_results_pile_up(on_each: Tasks, database: Database) -> None:
    a_receipt(database)
    with working(on_each):
        eventually(lambda: states(database) == ["sent"] and on_each.queue.pending_count() == 0)
    assert on_each.queue.result_count() == 0


def test_each_task_may_run_twice_here_and_now(shop: Shop, tmp_path: Path) -> None:
    a_receipt(shop.database)
    with open_tasks(shop.settings) as tasks:
        for _ in range(2):
            tasks.send_mail.call_local()
            tasks.sweep.call_local()
            tasks.forget_old_carts.call_local()
            tasks.compare_with_stripe.call_local()
        assert states(shop.database) == ["sent"]
        assert len(folder(tasks)) == 1


def test_the_sweep_runs_from_the_queue(shop: Shop) -> None:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id, _ = a_cart(session, (a_variant(session), 1))
    placed = shop.place(cart_id)
    with open_tasks(shop.settings) as tasks, time_machine.travel(now() + timedelta(hours=3)), working(tasks):
        eventually(lambda: shop.order(placed.order_id).status == "expired")


def test_the_comparison_with_stripe_runs_from_the_queue_and_a_night_without_stripe_is_no_error(shop: Shop) -> None:
    shop.stripe.hold_deliveries()
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id, _ = a_cart(session, (a_variant(session), 1))
    placed = shop.place(cart_id)
    shop.stripe.pay(shop.session_of(placed.order_id))
    with open_tasks(shop.settings) as tasks:
        tasks.workshop.gateway = shop.gateway
        shop.stripe.fail_next(2, "500")
        tasks.compare_with_stripe.call_local()
        assert shop.order(placed.order_id).status == "pending"
        with alone(shop.database):
            tasks.compare_with_stripe.call_local()
        assert shop.order(placed.order_id).status == "pending"
        tasks.compare_with_stripe()
        with working(tasks):
            eventually(lambda: run_states(shop.database) == ["finished", "failed"])
    assert shop.order(placed.order_id).status == "paid"


def run_states(database: Database) -> list[str]:
    with database.reading() as session:
        return [run.state for run in latest_runs(session)]


def test_what_is_periodic_is_due_when_it_should_be(tasks: Tasks) -> None:
    names_at = {
        clock: {task.name for task in tasks.queue.read_periodic(now().replace(hour=hour, minute=minute, tzinfo=None))}
        for clock, hour, minute in (("noon", 12, 0), ("2:41", 2, 41), ("3:17", 3, 17))
    }
    assert names_at == {
        "noon": {"send_mail", "sweep_orders", "retry_events", "purge_caches", "tell_those_who_wait", "poll_feeds"},
        "2:41": {
            "send_mail",
            "sweep_orders",
            "retry_events",
            "purge_caches",
            "tell_those_who_wait",
            "poll_feeds",
            "compare_with_stripe",
        },
        "3:17": {
            "send_mail",
            "sweep_orders",
            "retry_events",
            "purge_caches",
            "tell_those_who_wait",
            "poll_feeds",
            "forget_old_carts",
        },
    }


def test_one_thread_of_a_process_sends_at_a_time(tasks: Tasks, database: Database) -> None:
    a_receipt(database)
    with tasks.workshop.sending:
        tasks.send_mail.call_local()
        assert states(database) == ["waiting"]
    tasks.send_mail.call_local()
    assert states(database) == ["sent"]


class SlowPostbox:
    """A mail server that takes its time."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.delivered = 0

    def deliver(self, letter: Letter, message: EmailMessage) -> None:
        self.reached.set()
        assert self.go_on.wait(30)
        self.delivered += 1


def test_a_slow_mail_server_fills_no_queue_and_holds_up_no_other_task(
    tasks: Tasks, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = threading.Semaphore(0)
    monkeypatch.setattr(shop_tasks, "sweep", lambda *_: swept.release() or Swept())
    postbox = SlowPostbox()
    tasks.workshop.transport = postbox
    a_receipt(database)
    a_receipt(database)
    with working(tasks):
        try:
            assert postbox.reached.wait(30)
            for _ in range(3):
                tasks.sweep()
                assert swept.acquire(timeout=30)
            eventually(lambda: tasks.queue.pending_count() == 0)
        finally:
            postbox.go_on.set()
        eventually(lambda: states(database) == ["sent", "sent"])


def test_a_worker_that_is_asked_to_stop_finishes_what_it_is_sending(tasks: Tasks, database: Database) -> None:
    postbox = SlowPostbox()
    tasks.workshop.transport = postbox
    a_receipt(database)
    with working(tasks) as worker:
        assert postbox.reached.wait(30)
        stopping = threading.Thread(target=worker.stop, kwargs={"graceful": True})
        stopping.start()
        assert worker.stop_flag.wait(30)
        assert states(database) == ["waiting"]
        postbox.go_on.set()
        stopping.join(30)
    assert postbox.delivered == 1
    assert states(database) == ["sent"]


def test_a_queue_that_is_away_is_said_in_the_log_and_raised_to_nobody(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    nobody = make_settings(shop_queue_url="redis://127.0.0.1:9/0")
    broken = make_settings(shop_queue_url=f"sqlite:///{tmp_path / 'broken.db'}")
    tasks = [tasks_on(queue_for(settings), Workshop(settings)) for settings in (nobody, broken)]
    (tmp_path / "broken.db").unlink()
    (tmp_path / "broken.db").mkdir()
    with structlog.testing.capture_logs() as logged:
        assert [enqueue_send_mail(each) for each in tasks] == [False, False]
    assert [line["event"] for line in logged] == ["queue unavailable", "queue unavailable"]


def test_a_worker_goes_on_after_its_database_was_away(tasks: Tasks, database: Database) -> None:
    a_receipt(database)
    path = Path(str(database.engine.url.database))
    away = path.with_suffix(".away")
    database.close()
    path.rename(away)
    with structlog.testing.capture_logs() as logged, working(tasks):
        eventually(lambda: "outbox cannot be read" in [line["event"] for line in logged])
        away.replace(path)
        tasks.workshop.database.close()
        eventually(lambda: folder(tasks))


WORKER = """
from shop.checkout.sweep import Swept
from shop import logs
from shop.config import Settings
from shop.tasks import run_worker
logs.set_up()
run_worker(Settings.load(), ready=lambda: print("ready", flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_worker_stops_in_good_order_when_it_is_asked_to(settings: Settings, number: signal.Signals) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "SHOP_DATA": str(settings.shop_data),
        "SHOP_DATABASE_URL": settings.database_url,
        "STRIPE_SECRET_KEY": settings.stripe_secret_key.get_secret_value(),
        "STRIPE_WEBHOOK_SECRET": settings.webhook_secrets[0],
        "STRIPE_API_BASE": settings.stripe_api_base,
    }
    command = [sys.executable, "-c", WORKER]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
            worker.send_signal(number)
            said, complained = worker.communicate(timeout=30)
        finally:
            worker.kill()
    assert (worker.returncode, said) == (0, ""), complained
    assert "error" not in complained
