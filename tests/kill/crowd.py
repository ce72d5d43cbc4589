"""Readers who buy for as long as they are let, try again when the shop is away, and remember what they were promised."""

import itertools
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests
from sqlalchemy import select

from shop.db import Database
from shop.orders.models import Order
from shop.payments.models import PaymentAttempt, StripeEvent
from shop.sandbox.control import Control
from tests.support.reader import OverHttp, Page, Reader


class Away(Exception):
    """The shop could not answer."""


class Watched(OverHttp):
    """A browser behind a proxy, with an address of its own, whose every answer is kept with the seconds that it took."""

    def __init__(self, url: str, address: str, kept: list[tuple[requests.Response, float]]) -> None:
        super().__init__(url)
        self.session.headers["X-Forwarded-For"] = address
        self.kept = kept

    def get(self, path: str, query_string: Any = None) -> requests.Response:
        return self._keep(lambda: super(Watched, self).get(path, query_string))

    def post(self, path: str, data: Mapping[str, str]) -> requests.Response:
        return self._keep(lambda: super(Watched, self).post(path, data))

    def _keep(self, ask: Callable[[], requests.Response]) -> requests.Response:
        began = time.monotonic()
        answer = ask()
        self.kept.append((answer, time.monotonic() - began))
        if answer.status_code >= 500:
            raise Away
        return answer


@dataclass
class Crowd:
    """`promised` are the sessions to which a reader was sent, and the worth of what was in the reader's cart."""

    url: str
    stripe: Control
    slug: str
    price: int
    promised: dict[str, int] = field(default_factory=dict)
    answers: list[tuple[requests.Response, float]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    _serial: Any = field(default_factory=lambda: itertools.count(1))

    def turned_away(self) -> int:
        """How many answers said that the shop is away."""
        return sum(1 for answer, _ in self.answers if answer.status_code >= 500)

    def comes(self, pool: ThreadPoolExecutor, size: int) -> list["Future[None]"]:
        return [pool.submit(self._buys_on) for _ in range(size)]

    def _buys_on(self) -> None:
        while not self.over.is_set():
            serial = next(self._serial)
            reader = Reader(Watched(self.url, f"10.0.{serial // 200}.{serial % 200 + 1}", self.answers))  # type: ignore[arg-type]
            quantity = serial % 3 + 1
            self._until_served(lambda reader=reader, quantity=quantity: reader.add(self.slug, quantity=str(quantity)))  # type: ignore[misc]
            sent_to = self._until_served(reader.pay).location
            found = re.search(r"cs_test_\w+", sent_to)
            assert found, sent_to
            self.promised[found[0]] = self.price * quantity
            self.stripe.pay(found[0], email=f"reader{serial}@example.com")

    def _until_served(self, step: Callable[[], Page]) -> Page:
        while True:
            try:
                page = step()
            except Away:
                threading.Event().wait(0.05)
            else:
                assert page.status == 303, page.words
                return page


def broken_promises(database: Database, promised: Mapping[str, int], stripe: Control) -> list[str]:
    """What somebody was told is done and cannot be found: an order whose payment page was shown, an event answered 200."""
    with database.reading() as session:
        orders = dict(
            session.execute(select(PaymentAttempt.session_id, Order.subtotal_minor).join(Order)).all()  # type: ignore[arg-type]
        )
        events = set(
            session.scalars(select(StripeEvent.stripe_id).where(StripeEvent.state.in_(("applied", "ignored"))))
        )
    wrong = [
        f"the order of {session_id} is {orders.get(session_id)} instead of {worth}"
        for session_id, worth in promised.items()
        if orders.get(session_id) != worth
    ]
    taken = {d["event"] for d in stripe.deliveries() if any(a["status"] == 200 for a in d["attempts"])}
    return wrong + [f"{event} was answered 200, and is not there" for event in taken - events]
