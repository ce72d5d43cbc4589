"""Webhooks: real POSTs, signed anew on each attempt, repeated until somebody answers 2xx.

Several at once and in no promised order, as at Stripe. The same thread expires sessions whose time has come.
"""

import hashlib
import hmac
import logging
import queue
import threading
import time
from collections.abc import Callable

import requests

from shop.sandbox.settings import SandboxSettings, check_address, check_secret
from shop.sandbox.store import Store

log = logging.getLogger(__name__)

USER_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"


def signature(payload: bytes, secret: str, at: int) -> str:
    """The Stripe-Signature header of `payload` (docs.stripe.com/webhooks: scheme v1); `at` in Unix seconds."""
    digest = hmac.new(secret.encode(), b"%d.%s" % (at, payload), hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Deliveries:
    """The thread that finds what is due and the few that send it."""

    def __init__(self, store: Store, settings: SandboxSettings, on_tick: Callable[[], None]) -> None:
        self._store = store
        self._delays = settings.retry_delays
        self._timeout = settings.delivery_timeout
        self._on_tick = on_tick
        self._count = settings.delivery_threads
        self._wake = threading.Condition()
        self._woken = False
        self._stopping = False
        self._held = False
        self._claimed: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.set_endpoint(settings.webhook_url, settings.webhook_secret)

    def set_endpoint(self, url: str, secret: str) -> None:
        """Where events go from now on; those that are still owed follow. Events without an endpoint are never sent.

        Raises ValueError for an address that is none, or one without a secret.
        """
        check_address("webhook_url", url)
        check_secret(url, secret)
        self.url, self._secret = url, secret
        with self._store.transaction() as tx:
            tx.set_meta("endpoint", "yes" if url else "no")

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._find_due, name="sandbox-due", daemon=True)]
        for number in range(self._count):
            self._threads.append(
                threading.Thread(target=self._send_claimed, name=f"sandbox-delivery-{number}", daemon=True)
            )
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Returns when every thread has ended; what was not delivered is owed at the next start."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        for _ in range(self._count):
            self._claimed.put(None)
        for thread in self._threads:
            thread.join()

    def wake(self) -> None:
        """Something may have fallen due."""
        with self._wake:
            self._woken = True
            self._wake.notify_all()

    def hold(self) -> None:
        self._held = True

    def release(self) -> None:
        self._held = False
        self.wake()

    def deliver_now(self) -> int:
        """Attempts every owed delivery once, oldest first, on this thread, held or not. Returns how many it tried."""
        claimed = self._claim(everything=True)
        with requests.Session() as http:
            for delivery in claimed:
                self._attempt(http, delivery)
        return len(claimed)

    def _find_due(self) -> None:
        while True:
            self._on_tick()
            if self.url and not self._held:
                for delivery in self._claim():
                    self._claimed.put(delivery)
            with self._wake:
                # Half a second at most, for clocks may be moved and sessions expire by themselves.
                if not self._woken and not self._stopping:
                    self._wake.wait(min(0.5, self._until_next()))
                self._woken = False
                if self._stopping:
                    return

    def _until_next(self) -> float:
        """Seconds until a delivery that is not held falls due."""
        if self._held or not self.url:
            return 0.5
        with self._store.transaction() as tx:
            ((due,),) = tx.rows("SELECT min(due) FROM deliveries WHERE state = 'pending'")
            return 0.5 if due is None else max(0.001, due - tx.due_clock)

    def _claim(self, *, everything: bool = False) -> list[int]:
        with self._store.transaction() as tx:
            claimed = tx.rows(
                "UPDATE deliveries SET state = 'sending' WHERE state = 'pending' AND (? OR due <= ?) RETURNING id",
                (everything, tx.due_clock),
            )
        return sorted(delivery for (delivery,) in claimed)

    def _send_claimed(self) -> None:
        with requests.Session() as http:
            while (delivery := self._claimed.get()) is not None:
                if self._stopping:
                    return
                self._attempt(http, delivery)
                self.wake()

    def _attempt(self, http: requests.Session, delivery: int) -> None:
        url, secret = self.url, self._secret
        with self._store.transaction() as tx:
            ((payload, attempts),) = tx.rows("SELECT payload, attempts FROM deliveries WHERE id = ?", (delivery,))
        status, error = self._post(http, url, secret, payload)
        delivered = status is not None and 200 <= status < 300
        with self._store.transaction() as tx:
            tx.sql.execute(
                "INSERT INTO attempts (delivery, at, url, status, error) VALUES (?, ?, ?, ?, ?)",
                (delivery, time.time(), url, status, error),
            )
            more = attempts < len(self._delays)
            state = "delivered" if delivered else "pending" if more else "given_up"
            due = tx.due_clock + (self._delays[attempts] if more else 0)
            tx.sql.execute(
                "UPDATE deliveries SET state = ?, attempts = attempts + 1, due = ? WHERE id = ?",
                (state, due, delivery),
            )

    def _post(self, http: requests.Session, url: str, secret: str, payload: bytes) -> tuple[int | None, str | None]:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": USER_AGENT,
            "Stripe-Signature": signature(payload, secret, int(time.time())),
        }
        http.trust_env = False
        try:
            with http.post(
                url, data=payload, headers=headers, timeout=(3.0, self._timeout), allow_redirects=False
            ) as answer:
                return answer.status_code, None
        except requests.RequestException as failure:
            log.info("webhook to %s not delivered: %s", url, type(failure).__name__)
            return None, type(failure).__name__
