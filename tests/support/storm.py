"""A storm: readers, staff, banks and time in random order, while Stripe's calls and events go wrong in every way it knows.

One seed says what everybody does; Stripe's events come from threads of their own, so they meet what the others are doing.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import stripe
import time_machine
from sqlalchemy import select

from shop.catalog import stock
from shop.catalog.models import Variant
from shop.checkout.attention import backorder, deal_with, give_back_unmatched
from shop.checkout.closing import abandon, look_at_payment
from shop.checkout.reconcile import Reconciled, reconcile
from shop.checkout.refunding import refund
from shop.checkout.replay import retry_due
from shop.checkout.ship import ship
from shop.checkout.sweep import sweep
from shop.db import now
from shop.errors import (
    AlreadyPaid,
    InvalidChange,
    OutOfStock,
    PaymentRefused,
    PaymentUnavailable,
)
from shop.orders.models import Order, OrderLine
from shop.payments.models import PaymentAttempt
from shop.sandbox.refusals import Refusal
from tests.builders import a_cart
from tests.conftest import TEST_KEY, Shop

T = TypeVar("T")
CARDS = (
    *["4242424242424242"] * 6,
    "4000002500003155",  # 3-D Secure
    "4000008400001629",  # 3-D Secure, then declined
    "4000000000000002",  # declined
    "4000000000009995",  # insufficient funds
    "4000000000000259",  # disputed as fraud
    "4000000000002685",  # disputed as not received
    "4000000000001976",  # an inquiry
    "4000000000007726",  # a refund waits, then arrives
    "4000000000005126",  # a refund fails
)
METHODS = ("card", "card", "card", "card", "delayed_debit", "delayed_debit", "paynow", "grabpay")
NOT_NOW = (InvalidChange, OutOfStock, PaymentUnavailable, PaymentRefused, AlreadyPaid, Refusal)


class Storm:
    """What everybody does to one shop, by the dice of one seed."""

    def __init__(self, shop: Shop, clock: time_machine.Traveller, send_mail: Callable[[], Any], seed: int) -> None:
        self.shop, self.stripe, self.clock, self.send_mail = shop, shop.stripe, clock, send_mail
        self.dice = random.Random(seed)
        self.dashboard = stripe.StripeClient(TEST_KEY, base_addresses={"api": shop.stripe_url})
        self.started_at = now()
        self.variants: list[int] = []
        self.orders: list[int] = []
        self.done: dict[str, int] = {}

    def rage(self, orders: int) -> None:
        """Until so many orders have been placed."""
        while len(self.orders) < orders:
            step = self.dice.choices(
                [self.buy, self.come_back, self.the_bank_says, self.refund_by_staff, self.refund_at_stripe],
                [10, 3, 3, 3, 1],
            )[0]
            self.carry_out(step)
            others = [
                self.dispute,
                self.dispute_ends,
                self.refund_ends,
                self.ship,
                self.deal_with,
                self.time_passes,
                self.work,
                self.receive,
            ]
            if self.dice.random() < 0.5:
                self.carry_out(self.dice.choice(others))

    def carry_out(self, step: Callable[[], Any]) -> None:
        """A refusal that says why is an answer; anything else is a defect."""
        try:
            step()
        except NOT_NOW as refusal:
            self.count(f"{step.__name__}: {type(refusal).__name__}")
        else:
            self.count(step.__name__)

    def count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    # Readers.

    def buy(self) -> None:
        with self.shop.database.transaction() as session:
            wanted = [
                (session.get_one(Variant, variant), self.dice.randint(1, 3))
                for variant in self.dice.sample(self.variants, self.dice.randint(1, 3))
            ]
            cart_id = a_cart(session, *wanted)[0]
        for _ in range(self.dice.randint(1, 2)):  # some press twice, or try again
            with suppress(PaymentUnavailable):
                placed = self.shop.place(cart_id)
                if placed.order_id not in self.orders:
                    self.orders.append(placed.order_id)
        with self.shop.database.reading() as session:
            found = session.execute(
                select(Order.id, PaymentAttempt.session_id).join(PaymentAttempt).where(Order.cart_id == cart_id)
            ).all()
        if not found or found[-1].session_id is None or self.dice.random() < 0.1:
            return  # the answer was lost, or the reader has left
        method = self.dice.choice(METHODS)
        self.stripe.pay(
            found[-1].session_id,
            self.dice.choice(CARDS),
            shipping=self.dice.randint(0, 1),
            method=method,
            email=f"reader{found[-1].id}@example.com",
        )

    def come_back(self) -> None:
        verb = self.dice.choice([look_at_payment, look_at_payment, abandon])
        verb(self.shop.database, self.shop.gateway, self.pick(self.orders))

    # Banks, and Stripe's dashboard.

    def the_bank_says(self) -> None:
        self.stripe.settle_delayed(self.a_session(), ok=self.dice.random() < 0.6)

    def refund_at_stripe(self) -> None:
        """By hand, in the dashboard: nobody tells the shop but the events."""
        session = self.stripe.session(self.a_session())
        params: Any = {"payment_intent": session["payment_intent"] or ""}
        amount = self.dice.choice([None, 100, 250])
        with suppress(stripe.StripeError):  # nothing to refund, or Stripe is unwell
            self.dashboard.v1.refunds.create(params=params | ({"amount": amount} if amount else {}))

    def dispute(self) -> None:
        self.stripe.dispute(
            self.a_session(),
            reason=self.dice.choice(["fraudulent", "product_not_received"]),
            status=self.dice.choice(["needs_response", "warning_needs_response"]),
        )

    def dispute_ends(self) -> None:
        self.stripe.settle_dispute(self.pick(self.stripe.disputes())["id"], won=self.dice.random() < 0.5)

    def refund_ends(self) -> None:
        self.stripe.settle_refund(self.pick(self.stripe.refunds())["id"], ok=self.dice.random() < 0.7)

    # Staff.

    def refund_by_staff(self) -> None:
        number, lines = self.an_order()
        by_lines = self.dice.random() < 0.6
        chosen = {line: self.dice.randint(1, pieces) for line, pieces in self.dice.sample(lines, 1)} if by_lines else {}
        refund(
            self.shop.database,
            self.shop.gateway,
            number,
            lines=chosen,
            shipping=by_lines and self.dice.random() < 0.5,
            amount_minor=None if by_lines else self.dice.choice([100, 500, 3900]),
            restock=by_lines and self.dice.random() < 0.5,
            reason="requested_by_customer",
            note="",
            actor="staff@example.com",
            press=str(self.dice.random()),
        )

    def ship(self) -> None:
        number, _ = self.an_order()
        ship(self.shop.database, number, carrier="Post", tracking_number="RR1", actor="staff@example.com")

    def deal_with(self) -> None:
        with self.shop.database.reading() as session:
            waiting = session.execute(
                select(Order.number, Order.stock_state, Order.unmatched_minor).where(Order.attention.is_not(None))
            ).all()
        order = self.pick(waiting)
        if order.unmatched_minor:
            give_back_unmatched(
                self.shop.database, self.shop.gateway, order.number, actor="staff@example.com", press="storm"
            )
        elif order.stock_state == "owed":
            backorder(self.shop.database, order.number, actor="staff@example.com")
        else:
            deal_with(self.shop.database, order.number, note="Looked at.", actor="staff@example.com")

    def receive(self) -> None:
        with self.shop.database.transaction() as session:
            stock.adjust(session, self.pick(self.variants), self.dice.randint(1, 5), "a delivery", "staff@example.com")

    # Time, and whoever works behind the counter.

    def time_passes(self) -> None:
        self.clock.shift(timedelta(minutes=self.dice.choice([1, 3, 3, 20, 50])))
        self.stripe.advance(0)

    def work(self) -> None:
        sweep(self.shop.database, self.shop.gateway)
        retry_due(self.shop.database, self.shop.gateway)
        self.send_mail()

    # Afterwards.

    def calm_down(self) -> Reconciled:
        """Stripe is well again, the banks have answered, time has passed; then the shop's own work, and nothing else."""
        self.stripe.calm()
        for session in self.every("sessions"):
            with suppress(Refusal):
                self.stripe.settle_delayed(session["id"], ok=self.dice.random() < 0.5)
        for told in self.every("refunds"):
            if told["status"] in {"pending", "requires_action"}:
                self.stripe.settle_refund(told["id"], ok=True)
        for _ in range(3):
            self.clock.shift(timedelta(hours=26))
            self.stripe.advance(0)
            self.stripe.deliver_now()
            sweep(self.shop.database, self.shop.gateway, limit=10_000)
            retry_due(self.shop.database, self.shop.gateway)
        return reconcile(self.shop.database, self.shop.gateway, self.started_at - timedelta(days=1))

    def every(self, kind: str) -> list[Any]:
        """All that Stripe has of a kind, through its own API, oldest first."""
        lists = {"sessions": self.dashboard.v1.checkout.sessions, "refunds": self.dashboard.v1.refunds}
        lists |= {"disputes": self.dashboard.v1.disputes, "events": self.dashboard.v1.events}
        return [told.to_dict() for told in lists[kind].list(params={"limit": 100}).auto_paging_iter()][::-1]

    def pick(self, of: Sequence[T]) -> T:
        if not of:
            raise InvalidChange("nothing", "There is none yet.")
        return of[self.dice.randrange(len(of))]

    def a_session(self) -> str:
        with self.shop.database.reading() as session:
            known = session.scalars(
                select(PaymentAttempt.session_id)
                .where(PaymentAttempt.order_id.in_(self.orders[-40:]), PaymentAttempt.session_id.is_not(None))
                .order_by(PaymentAttempt.id)
            ).all()
        return str(self.pick(known))

    def an_order(self) -> tuple[str, list[tuple[int, int]]]:
        """A number, and its lines with their pieces."""
        order_id = self.pick(self.orders[-40:])
        with self.shop.database.reading() as session:
            number = session.scalars(select(Order.number).where(Order.id == order_id)).one()
            rows = session.execute(select(OrderLine.id, OrderLine.quantity).where(OrderLine.order_id == order_id))
            return number, [(row.id, row.quantity) for row in rows]
