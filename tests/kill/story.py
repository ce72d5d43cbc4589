"""One buyer for each death of the shop: the way to it, what it leaves behind, and what happens after the restart."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import select, update

from shop.catalog.models import Variant
from shop.db import now
from shop.mail.models import OutboxMessage
from shop.orders.models import Order, OrderLine
from shop.payments.inbox import events_of_order
from shop.payments.models import PaymentAttempt, Refund
from tests.builders import a_product, variants_of
from tests.conftest import TEST_WEBHOOK_SECRET
from tests.kill.machine import Machine
from tests.support.reader import Reader
from tests.support.serving import eventually

STOCK = 3


@dataclass(frozen=True)
class Left:
    """What a dead process left behind of one buyer's order, in the shop's rows and at Stripe."""

    order: str = ""
    held: int = 0
    session_known: bool = False
    at_stripe: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    refunds: tuple[str, ...] = ()
    refunds_at_stripe: int = 0


@dataclass
class Buyer:
    """Somebody who wants the one thing that nobody else wants."""

    machine: Machine
    name: str
    slug: str
    variant_id: int
    reader: Reader
    left: Left | None = None

    @property
    def email(self) -> str:
        return f"{self.slug}@example.com"

    def fills_cart(self) -> None:
        assert self.reader.add(self.slug).status == 303

    def orders(self) -> None:
        """Go to the payment page from a full cart."""
        answer = self.reader.pay()
        assert answer.status == 303, answer.words
        assert "/c/pay/" in answer.location or "checkout" in answer.location, answer.location

    def pays(self) -> None:
        """On Stripe's page."""
        self.machine.stripe.pay(self.session_id(), email=self.email)

    def session_id(self) -> str:
        with self.machine.database.reading() as session:
            return str(session.scalars(select(PaymentAttempt.session_id).where(self._mine())).one())

    def order(self) -> Order | None:
        with self.machine.database.reading() as session:
            return session.scalars(
                select(Order).join(OrderLine).where(OrderLine.variant_id == self.variant_id)
            ).one_or_none()

    def found(self) -> Order:
        order = self.order()
        assert order is not None
        return order

    def _mine(self) -> Any:
        return PaymentAttempt.order_id.in_(select(OrderLine.order_id).where(OrderLine.variant_id == self.variant_id))

    def looks_around(self) -> Left:
        """What is there of this buyer now."""
        order = self.order()
        with self.machine.database.reading() as session:
            held = session.get_one(Variant, self.variant_id).reserved
            if order is None:
                known = {str(order_id) for order_id in session.scalars(select(Order.id))}
                lost = (s["status"] for s in self.machine.stripe.sessions() if s["metadata"]["order_id"] not in known)
                return Left(held=held, at_stripe=tuple(lost))
            refunds = session.scalars(select(Refund.status).where(Refund.order_id == order.id)).all()
            about = events_of_order(session, order.id)
            attempt = session.scalars(select(PaymentAttempt).where(self._mine())).one()
            own = [s for s in self.machine.stripe.sessions() if s["metadata"]["order_id"] == str(order.id)]
        intents = {s["payment_intent"] for s in own}
        given_back = sum(1 for r in self.machine.stripe.refunds() if r["payment_intent"] in intents)
        return Left(
            order.status,
            held,
            attempt.session_id is not None,
            tuple(s["status"] for s in own),
            tuple(event.state for event in about if event.type == "checkout.session.completed"),
            tuple(refunds),
            given_back,
        )

    def time_is_over(self) -> None:
        """As if the payment page had been opened long ago."""
        with self.machine.database.transaction() as session:
            session.execute(
                update(PaymentAttempt)
                .where(self._mine())
                .values(created_at=now() - timedelta(hours=1), expires_at=now() - timedelta(minutes=1))
                .execution_options(synchronize_session=False)
            )


def a_buyer(machine: Machine, name: str) -> Buyer:
    slug = re.sub(r"\W+", "-", name)
    with machine.database.transaction() as session:
        variant_id = variants_of(session, a_product(session, slug, stock=STOCK))[0].id
    return Buyer(machine, name, slug, variant_id, machine.reader())


@contextmanager
def cut_off() -> Iterator[None]:
    """What is asked inside the block is never answered."""
    with pytest.raises(requests.ConnectionError):
        yield


def dies_placing(machine: Machine, point: str, name: str) -> Buyer:
    buyer = a_buyer(machine, name)
    with machine.dying(point):
        buyer.fills_cart()
        with cut_off():
            buyer.orders()
    buyer.left = buyer.looks_around()
    return buyer


def dies_on_event(machine: Machine, point: str, name: str) -> Buyer:
    buyer = a_buyer(machine, name)
    with machine.dying(point):
        buyer.fills_cart()
        buyer.orders()
        buyer.pays()
        told = machine.stripe.events("checkout.session.completed")[-1]
        machine.stripe.set_webhook(f"{machine.url}/webhooks/stripe", TEST_WEBHOOK_SECRET)
        machine.stripe.resend(told["id"])
        attempts: list[Any] = eventually(lambda: machine.stripe.deliveries(told["id"])[0]["attempts"])
        assert [attempt["status"] for attempt in attempts] == [None]
    machine.stripe.set_webhook("", "")
    buyer.left = buyer.looks_around()
    return buyer


def dies_on_return(machine: Machine, point: str, name: str) -> Buyer:
    buyer = a_buyer(machine, name)
    with machine.dying(point):
        buyer.fills_cart()
        buyer.orders()
        buyer.pays()
        with cut_off():
            buyer.reader.get(f"/orders/{buyer.found().access_token}/return")
    buyer.left = buyer.looks_around()
    return buyer


def dies_sweeping(machine: Machine, point: str, name: str) -> Buyer:
    buyer = a_buyer(machine, name)
    buyer.fills_cart()
    buyer.orders()
    buyer.time_is_over()
    machine.dies(point, "sweep")
    buyer.left = buyer.looks_around()
    return buyer


# Staff give everything back, as the form of the back office does. Each word is an order's number; the number is the press.
GIVE_BACK = """
import sys
import shop.models
from shop.checkout.refunding import finish_refunds, refund
from shop.config import Settings
from shop.db import Database
from shop.orders.reading import find_by_number
from shop.payments.gateway import Gateway
settings = Settings.load()
database, gateway = Database.connect(settings.database_url), Gateway(settings)
finish_refunds(database, gateway)
for number in sys.argv[1:]:
    with database.reading() as session:
        lines = {line.id: line.quantity for line in find_by_number(session, number).lines}
    refund(database, gateway, number, lines=lines, shipping=True, amount_minor=None, restock=True,
           reason="requested_by_customer", note="", actor="staff@example.com", press=number)
"""


def dies_giving_back(buyer: Buyer, point: str) -> None:
    buyer.machine.dies(point, buyer.found().number, program=(sys.executable, "-P", "-c", GIVE_BACK))
    buyer.left = buyer.looks_around()


def is_given_back(machine: Machine, pressed_again: Sequence[Buyer], found_by_the_sweep: Buyer) -> None:
    """Staff press the same buttons again; what nobody presses again is found when it has waited long enough."""
    with machine.database.transaction() as session:
        session.execute(
            update(Refund)
            .where(Refund.order_id == found_by_the_sweep.found().id)
            .values(created_at=now() - timedelta(hours=1))
        )
    numbers = [buyer.found().number for buyer in pressed_again]
    machine.does(*numbers, program=(sys.executable, "-P", "-c", GIVE_BACK))


def mail_is_sent(machine: Machine) -> None:
    """A worker works until no message waits. Leases of dead workers have run out."""
    with machine.database.transaction() as session:
        session.execute(update(OutboxMessage).where(OutboxMessage.state == "waiting").values(due_at=now()))

    def waiting() -> bool:
        with machine.database.reading() as session:
            return session.scalar(select(OutboxMessage.id).where(OutboxMessage.state == "waiting").limit(1)) is not None

    with machine.started("worker"):
        eventually(lambda: not waiting(), 60)


# Deaths while the server answers, in the order in which they happen; those in the middle of placing happen twice: to a
# buyer who tries again, and to one who never comes back.
SERVED: dict[str, tuple[Callable[[Machine, str, str], Buyer], str]] = {
    "place.reserved": (dies_placing, "place.reserved"),
    "place.stored": (dies_placing, "place.stored"),
    "place.stored, never back": (dies_placing, "place.stored"),
    "place.asked": (dies_placing, "place.asked"),
    "place.asked, never back": (dies_placing, "place.asked"),
    "place.opened": (dies_placing, "place.opened"),
    "webhook.stored": (dies_on_event, "webhook.stored"),
    "webhook.applied": (dies_on_event, "webhook.applied"),
    "webhook.committed": (dies_on_event, "webhook.committed"),
    "return.told": (dies_on_return, "return.told"),
}
