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

from shop.sandbox import endpoints, owed
from shop.sandbox.endpoints import Endpoint
from shop.sandbox.owed import Job
from shop.sandbox.settings import SandboxSettings, check_address, check_secret
from shop.sandbox.store import Store

log = logging.getLogger(__name__)

USER_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
LONG_AGO = 360
"""Seconds of age that a receiver must refuse: the SDK's tolerance is 300."""
_NOBODYS_SECRET = "whsec_of_somebody_else"  # noqa: S105


def signature(payload: bytes, secret: str, at: int, *more: str) -> str:
    """The Stripe-Signature header of `payload` (docs.stripe.com/webhooks: scheme v1); `at` in Unix seconds.

    One entry for each secret: while a secret is rolled, both sign.
    """
    signed = b"%d.%s" % (at, payload)
    entries = [f"v1={hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()}" for key in (secret, *more)]
    return ",".join([f"t={at}", *entries])


class Deliveries:
    """The thread that finds what is due and the few that send it."""

    def __init__(self, store: Store, settings: SandboxSettings, on_tick: Callable[[], None]) -> None:
        self._store = store
        self._delays = settings.retry_delays
        self._timeout = settings.delivery_timeout
        self._delay = settings.delay_seconds
        self._on_tick = on_tick
        self._count = settings.delivery_threads
        self._wake = threading.Condition()
        self._woken = False
        self._stopping = False
        self._held = False
        self._claimed: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        given = [settings.webhook_url, settings.webhook_secret]
        with store.transaction() as tx:
            self._endpoint = endpoints.configure(tx, Endpoint(given[0], (given[1],)), given)

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    @property
    def is_held(self) -> bool:
        return self._held

    def set_endpoint(self, url: str, *secrets: str) -> None:
        """Where events go from now on; those that are still owed follow. Events without an endpoint are never sent.

        Raises ValueError for an address that is none, or one without a secret.
        """
        check_address("webhook_url", url)
        for secret in secrets or ("",):
            check_secret(url, secret)
        with self._store.transaction() as tx:
            self._endpoint = endpoints.configure(tx, Endpoint(url, secrets))

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

    def wake(self, request: str | None = None) -> None:
        """Something may have fallen due. What should come before the answer to the call `request` is delivered here."""
        if not self._held:
            with self._store.transaction() as tx:
                first = owed.claim_first(tx, request)
            self._attempt_all(first)
        self._look_again()

    def hold(self) -> None:
        self._held = True

    def release(self) -> None:
        self._held = False
        self._look_again()

    def deliver_now(self) -> int:
        """Attempts every owed delivery once, oldest first, on this thread, held or not. Returns how many it tried."""
        with self._store.transaction() as tx:
            claimed = owed.claim(tx, self._delay, everything=True)
        return self._attempt_all(claimed)

    def deliver_all(self, rounds: int = 3) -> int:
        """Delivers what is owed until nothing is, or until it has been refused in each of the `rounds`."""
        tried = 0
        for _ in range(rounds):
            tried += self.deliver_now()
            with self._wake:
                self._wake.wait_for(lambda: self._owed("sending") == 0, timeout=self._timeout + 5)
            if self._owed("pending") == 0:
                break
        return tried

    def _owed(self, state: str) -> int:
        with self._store.transaction() as tx:
            return owed.count(tx, state)

    def _look_again(self) -> None:
        with self._wake:
            self._woken = True
            self._wake.notify_all()

    def _find_due(self) -> None:
        while not self._stopping:
            pause = 0.5
            try:
                self._on_tick()
                pause = self._hand_out()
            except Exception:
                # Whatever it was, the next events want to be delivered.
                log.exception("what is due could not be looked for")
            with self._wake:
                # Half a second at most, for clocks may be moved and sessions expire by themselves.
                if not self._woken and not self._stopping:
                    self._wake.wait(min(0.5, pause))
                self._woken = False

    def _hand_out(self) -> float:
        """Gives the sending threads what is due; returns the seconds until a delivery that is not held falls due."""
        if self._held:
            return 0.5
        with self._store.transaction() as tx:
            claimed = owed.claim(tx, self._delay)
            due = owed.next_due(tx, self._delay)
            pause = 0.5 if due is None else max(0.001, due - tx.due_clock)
        for delivery in claimed:
            self._claimed.put(delivery)
        return pause

    def _send_claimed(self) -> None:
        with requests.Session() as http:
            while (delivery := self._claimed.get()) is not None and not self._stopping:
                self._attempt_in_the_end(http, delivery)

    def _attempt_in_the_end(self, http: requests.Session, delivery: int) -> None:
        """A sending thread outlives a store that cannot be written for a moment, and the delivery is not lost."""
        while not self._stopping:
            try:
                return self._attempt(http, delivery)
            except Exception:
                log.exception("delivery %s will be tried again", delivery)
                with self._wake:
                    self._wake.wait_for(lambda: self._stopping, timeout=1)
        return None

    def _attempt_all(self, deliveries: list[int]) -> int:
        if deliveries:
            with requests.Session() as http:
                for delivery in deliveries:
                    self._attempt(http, delivery)
        return len(deliveries)

    def _attempt(self, http: requests.Session, delivery: int) -> None:
        with self._store.transaction() as tx:
            job = owed.job(tx, delivery)
            endpoint = endpoints.registered(tx, job.target) if job.target else self._endpoint
        status, error = self._post(http, endpoint, job) if endpoint.url else (None, "NoEndpoint")
        again_in = self._delays[job.attempts] if job.attempts < len(self._delays) else None
        with self._store.transaction() as tx:
            owed.note(tx, delivery, endpoint.url, status, error, again_in)
        self._look_again()

    def _post(self, http: requests.Session, endpoint: Endpoint, job: Job) -> tuple[int | None, str | None]:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": USER_AGENT,
            "Stripe-Signature": _signed(endpoint, job),
        }
        http.trust_env = False
        try:
            with http.post(
                endpoint.url, data=job.payload, headers=headers, timeout=(3.0, self._timeout), allow_redirects=False
            ) as answer:
                return answer.status_code, None
        except (requests.RequestException, OSError, ValueError) as failure:  # ValueError: a host that is no name
            log.info("webhook to %s not delivered: %s", endpoint.url, type(failure).__name__)
            return None, type(failure).__name__


def _signed(endpoint: Endpoint, job: Job) -> str:
    """Wrongly for the first attempt of a delivery that was chosen for it."""
    fault = job.fault if job.attempts == 0 else None
    secrets = (_NOBODYS_SECRET,) if fault == "bad_signature" else endpoint.secrets
    return signature(
        job.payload, secrets[0], int(time.time()) - (LONG_AGO if fault == "stale_timestamp" else 0), *secrets[1:]
    )
