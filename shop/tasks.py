"""The work queue's tasks: thin, each calls a verb, each may run twice or on several machines at once.

Nothing depends on the queue for truth. What has to be done stands in the database (messages in the outbox, orders past
their time), the tasks look for it there, and a lost queue loses nothing but a minute.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

import structlog
from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey, crontab
from huey.consumer import Consumer, Scheduler
from huey.serializer import SignedSerializer
from huey.storage import RedisStorage
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from shop.articles.feeds import poll_due
from shop.articles.pages import look_at
from shop.cart.forgetting import forget_carts, forget_tickets
from shop.catalog import purge_sending
from shop.checkout.reconcile import reconcile
from shop.checkout.replay import has_due, retry_due
from shop.checkout.sweep import sweep
from shop.config import Settings
from shop.db import now
from shop.errors import PaymentRefused, PaymentUnavailable, RunningAlready
from shop.mail.sending import is_due, send_due
from shop.mail.waiting import tell_waiting
from shop.orders.models import Order
from shop.workshop import Workshop

log = structlog.get_logger(__name__)

QUEUE = "understory"
CARTS_AT_ONCE = 500
# Seconds between two looks at an empty SQLite queue, at most; PostgreSQL and Redis wake the worker themselves.
LONGEST_PAUSE = 0.25
# Seconds that a task under way gets when the worker is asked to stop.
TIME_TO_FINISH = 8


class Task(Protocol):
    """What Huey makes of a function: called, it is put into the queue; `call_local` runs it here and now."""

    def __call__(self) -> Any: ...
    def call_local(self) -> None: ...


class TaskOf(Protocol):
    """As `Task`, for a function that is told what it is about."""

    def __call__(self, about: str) -> Any: ...
    def call_local(self, about: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Tasks:
    """The shop's tasks on one queue."""

    queue: Huey
    workshop: Workshop
    send_mail: Task
    sweep: Task
    retry_events: Task
    purge_caches: Task
    tell_waiting: Task
    poll_feeds: Task
    look_at_story: TaskOf
    forget_old_carts: Task
    compare_with_stripe: Task


def queue_for(settings: Settings) -> Huey:
    """The queue that SHOP_QUEUE_URL names: SQLite, PostgreSQL (tables `huey_*`, made if missing) or Redis.

    Messages are signed with the shop's secret key: Huey unpickles them, and whoever can write to a Redis must not thereby
    run code in the shop. No results are kept; what a task did stands in the database. Raises what the driver raises when
    PostgreSQL cannot be reached.
    """
    url = settings.queue_url
    common: dict[str, Any] = {
        "name": QUEUE,
        "results": False,
        "serializer": SignedSerializer(secret=settings.secret_keys[0], salt=QUEUE),
    }
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return SqliteHuey(filename=str(path), **common)
    if url.startswith("postgresql://"):
        return PostgresHuey(dsn=url, **common)
    return RedisHuey(url=url, **common)


def close_queue(queue: Huey) -> None:
    """Give the queue's connections back, once no thread uses them any more."""
    if isinstance(queue.storage, RedisStorage):
        queue.storage.pool.disconnect()
    else:
        queue.storage.close()


def tasks_on(queue: Huey, workshop: Workshop) -> Tasks:
    """Register the shop's tasks on `queue`. Moments of periodic tasks are in UTC."""
    every_minute = crontab()

    def send_mail() -> None:
        """Send what is due. One at a time in a process, so that a slow mail server never holds up every thread."""
        with _alone(workshop.sending) as free:
            if not free:
                return
            done = send_due(workshop.database, workshop.transport, workshop.compose)
        if done.failed or done.later:
            log.warning("mail", sent=done.sent, failed=done.failed, later=done.later)

    def sweep_orders() -> None:
        """Close unpaid orders whose time is over; see `shop.checkout.sweep`."""
        swept = sweep(workshop.database, workshop.gateway)
        if swept.closed or swept.looked_at or swept.postponed:
            log.info("swept", closed=swept.closed, looked_at=swept.looked_at, postponed=swept.postponed)

    def retry_events() -> None:
        """Try again what Stripe's webhook has told in vain; see `shop.checkout.replay`."""
        retried = retry_due(workshop.database, workshop.gateway)
        if any(asdict(retried).values()):
            log.info("events_retried", **asdict(retried))

    def purge_caches() -> None:
        """Tell the caches in front what has changed; see `shop.catalog.purge_sending`."""
        purge_sending.purge_due(workshop.database, workshop.settings)

    def tell_those_who_wait() -> None:
        """Write to readers that something is back; see `shop.mail.waiting`."""
        told = tell_waiting(workshop.database)
        if told:
            log.info("waitlist_told", readers=told)

    def poll_feeds() -> None:
        """Ask the publisher's feeds for new stories; see `shop.articles.feeds`."""
        _poll_feeds(workshop)

    def look_at_story(url: str) -> None:
        """Read what a story's page says of it; see `shop.articles.pages`."""
        _look_at(workshop, url)

    def forget_old_carts() -> None:
        """Delete carts that nobody has touched for SHOP_CART_DAYS, a few at a time."""
        before = now() - timedelta(days=workshop.settings.shop_cart_days)
        payable = select(Order.open_cart_id).where(Order.open_cart_id.is_not(None))
        with workshop.database.transaction() as session:
            forget_tickets(session, now())
        forgotten = CARTS_AT_ONCE
        while forgotten == CARTS_AT_ONCE:
            with workshop.database.transaction() as session:
                forgotten = forget_carts(session, before, payable, limit=CARTS_AT_ONCE)

    def compare_with_stripe() -> None:
        """Hold Stripe's books against the shop's; see `shop.checkout.reconcile`. What a run says of its end is in its row."""
        with suppress(RunningAlready, PaymentUnavailable, PaymentRefused):
            reconcile(workshop.database, workshop.gateway)

    def task(function: Callable[[], None], moment: Callable[..., bool]) -> Task:
        return cast(Task, queue.periodic_task(moment)(function))

    return Tasks(
        queue=queue,
        workshop=workshop,
        send_mail=task(send_mail, every_minute),
        sweep=task(sweep_orders, every_minute),
        retry_events=task(retry_events, every_minute),
        purge_caches=task(purge_caches, every_minute),
        tell_waiting=task(tell_those_who_wait, every_minute),
        poll_feeds=task(poll_feeds, every_minute),
        look_at_story=cast(TaskOf, queue.task()(look_at_story)),
        forget_old_carts=task(forget_old_carts, crontab(hour="3", minute="17")),
        compare_with_stripe=task(compare_with_stripe, crontab(hour="2", minute="41")),
    )


def enqueue_send_mail(tasks: Tasks) -> bool:
    """Ask a worker to send mail now rather than within the minute. False, and a line in the log, if the queue is away.

    Never raises: the outbox holds the message, and every worker looks there by itself.
    """
    return _enqueue(tasks.send_mail)


def asking_worker(settings: Settings) -> Callable[[str], bool]:
    """What has a worker look at a story. The queue is opened when the first one is to be looked at, and nothing is ever raised."""

    @cache
    def tasks() -> Tasks:
        return tasks_on(queue_for(settings), Workshop(settings))

    return lambda url: _enqueue(lambda: tasks().look_at_story(url))


def _poll_feeds(workshop: Workshop) -> None:
    with _alone(workshop.asking) as free:
        polled = poll_due(workshop.database, workshop.settings) if free else None
    if polled and (polled.failed or polled.new or polled.changed):
        log.info("feeds_polled", **asdict(polled))


def _look_at(workshop: Workshop, url: str) -> None:
    with _alone(workshop.asking) as free:
        if free:  # else feeds are being asked, which are likely to tell of it; and another reader comes
            look_at(workshop.database, workshop.settings, url)


@contextmanager
def _alone(lock: threading.Lock) -> Iterator[bool]:
    """Whether the lock was free: it is held then, and nobody waits for it."""
    free = lock.acquire(blocking=False)
    try:
        yield free
    finally:
        if free:
            lock.release()


def _enqueue(task: Callable[[], Any]) -> bool:
    try:
        task()
    except Exception:
        # Whatever the driver of SQLite, PostgreSQL or Redis calls it.
        log.exception("queue unavailable")
        return False
    return True


class _Post(Scheduler):  # type: ignore[misc]
    """Huey's scheduler, which also looks once a second whether mail or an event is due, so that a receipt follows a payment at
    once, and an event that must be read anew is, and whether a cache must be told to forget something.
    """

    tasks: Tasks

    def loop(self, now: Any = None) -> None:
        workshop = self.tasks.workshop
        try:
            if not workshop.sending.locked() and is_due(workshop.database):
                enqueue_send_mail(self.tasks)
            if has_due(workshop.database):
                _enqueue(self.tasks.retry_events)
            if purge_sending.has_due(workshop.database):
                _enqueue(self.tasks.purge_caches)
        except SQLAlchemyError as error:
            log.warning("outbox cannot be read", error=type(error).__name__)
        super().loop(now)


class _Worker(Consumer):  # type: ignore[misc]
    """Huey's consumer, which stops in good order whichever way it is asked to."""

    def __init__(self, tasks: Tasks, threads: int, ready: Callable[[], None]) -> None:
        self.ready = ready
        self.scheduler_class = type("Post", (_Post,), {"tasks": tasks})
        super().__init__(
            tasks.queue,
            workers=threads,
            initial_delay=0.1,
            max_delay=LONGEST_PAUSE,
            scheduler_interval=1,
            shutdown_timeout=TIME_TO_FINISH,
        )

    def start(self) -> None:
        self._set_signal_handlers()  # before the first thread takes a task; Huey does it after
        super().start()
        self.ready()

    def _set_signal_handlers(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # signals reach the main thread alone; whoever runs us elsewhere calls stop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)

    def _asked_to_stop(self, number: int, frame: Any) -> None:
        self._signum, self._graceful, self._restart = number, True, False


def worker_for(tasks: Tasks, *, threads: int = 3, ready: Callable[[], None] = lambda: None) -> Consumer:
    """A worker of `tasks`: `run()` blocks until a signal or `stop(graceful=True)` from another thread.

    Three threads, so that a slow mail server and a publisher's slow server together leave one to the orders.
    """
    one_at_a_time = threading.Lock()

    def close_connections() -> None:
        # On PostgreSQL each thread has one that listens for messages. Huey's close is not made for two threads at once.
        with one_at_a_time:
            tasks.queue.storage.close()

    tasks.queue.on_shutdown(name="connections")(close_connections)
    return _Worker(tasks, threads, ready)


def run_worker(settings: Settings, *, ready: Callable[[], None] = lambda: None) -> None:
    """Work off the queue until SIGINT, SIGTERM or SIGHUP; `ready` is called once the threads run.

    What is being done then is finished, for at most TIME_TO_FINISH seconds; a message cut off later is sent again when its
    lease has run out. Several workers may run, on several machines: each looks for what is due, and what one has taken no
    other takes. Owns the database's connections for as long as it runs.
    """
    workshop = Workshop(settings)
    queue = queue_for(settings)

    def started() -> None:
        log.info("worker started", queue=settings.queue_url.partition(":")[0])
        ready()

    worker = worker_for(tasks_on(queue, workshop), ready=started)
    try:
        worker.run()
    finally:
        workshop.close()
        close_queue(queue)
    log.info("worker stopped")
