"""Carts, checkouts, payments, refunds, disputes, events and sweeps in random order, with duplicates, losses and faults: what always holds.

One buyer's world after another: Hypothesis picks the steps, the real SDK asks the local Stripe over HTTP, Stripe's events
are posted to the shop's own door, and after every step the rows are held against docs/invariants.md and against Stripe's
books. docs/invariants.md says how to run it for longer.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import requests
import stripe
import time_machine
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, update

from shop.articles.placement import Placement, remember
from shop.cart import adding, handover, lines
from shop.cart.forgetting import forget_carts
from shop.cart.models import Cart, CartLine
from shop.cart.reading import view_cart
from shop.catalog import stock
from shop.catalog.models import Product, Variant
from shop.checkout.attention import deal_with
from shop.checkout.closing import abandon, look_at_payment
from shop.checkout.events import HANDLED
from shop.checkout.reconcile import reconcile
from shop.checkout.refunding import refund
from shop.checkout.replay import retry_due
from shop.checkout.ship import ship
from shop.checkout.sweep import sweep
from shop.db import now
from shop.errors import (
    AlreadyPaid,
    BadQuantity,
    CartEmpty,
    InvalidChange,
    NotFound,
    OutOfStock,
    PaymentRefused,
    PaymentUnavailable,
    PriceChanged,
)
from shop.fulfilment.models import ShippingRate, ShippingZone
from shop.models import metadata
from shop.orders.models import Order, OrderLine
from shop.payments.gateway import Gateway
from shop.payments.models import PaymentAttempt, StripeEvent
from shop.sandbox.delivery import signature
from shop.sandbox.refusals import Refusal
from shop.sandbox.server import running as running_sandbox
from tests.builders import a_cart, a_variant, shipping_to, variants_of
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET, Shop
from tests.support.books import broken_books, money_disagreements, money_held
from tests.support.invariants import broken, disagreements

T = TypeVar("T")
LIMIT = 5
TO_SHIP = {"paid", "partly_refunded"}
PICK = st.integers(0, 11)
PIECES = st.integers(1, 3)
FAULT = st.sampled_from([None, None, None, "429", "500", "drop_after", "timeout", "slow"])
CARDS = st.sampled_from(
    [
        "4242424242424242",
        "4000002500003155",  # 3-D Secure
        "4000000000000002",  # declined
        "4000000000000259",  # disputed
        "4000000000007726",  # its refunds take time
        "4000000000005126",  # its refunds fail
        "delayed",
        "delayed",
    ]
)
AFTERWARDS = ["refund"] * 4 + ["dashboard", "dispute", "refund ends", "dispute ends", "events", "events"]
STEP = st.tuples(st.sampled_from(AFTERWARDS), PICK, st.booleans(), FAULT)
MINUTES = st.sampled_from([3, 20, 40, 70, 26 * 60])


class World(RuleBasedStateMachine):
    """One shop and one account at Stripe, from empty to settled."""

    def __init__(self, shop: Shop) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock = self.stack.enter_context(time_machine.travel(datetime.now(UTC)))
        sandbox = self.stack.enter_context(running_sandbox())
        self.http = self.stack.enter_context(requests.Session())
        told = shop.settings.model_copy(update={"stripe_api_base": sandbox.url})
        self.shop = replace(shop, stripe=sandbox.control, gateway=Gateway(told, retries=0))
        # Answers that never come are waited for no longer than this; one that is merely late is as good as lost.
        self.hasty = Gateway(told, time_out=(0.5, 0.15), retries=0)
        self.stripe = sandbox.control
        self.carts: list[int] = []
        self.expected: dict[int, dict[str, int]] = {}  # cart -> source key -> pieces, as the reader put them in
        self.taken: set[int] = set()  # orders whose goods have left their cart
        self.orders: list[int] = []
        self.paid: list[int] = []
        self.open: list[str] = []  # sessions at Stripe
        self.payable: list[str] = []  # those that a buyer can have come to
        self.waiting: list[str] = []  # sessions of which the bank has not said anything yet
        self.events: list[dict[str, Any]] = []
        self.untold: list[dict[str, Any]] = []
        self.returning: list[str] = []  # refunds at Stripe
        self.disputed: list[str] = []  # disputes at Stripe
        self.presses = 0
        self.dashboard = stripe.StripeClient(TEST_KEY, base_addresses={"api": sandbox.url})
        self.ending = "swept"
        self.dice = random.Random(0)

    @initialize(
        ending=st.sampled_from(["delivered", "swept"]),
        seed=st.integers(0, 99),
        paid_with=st.lists(CARDS, max_size=2),
    )
    def open_the_shop(self, ending: str, seed: int, paid_with: list[str]) -> None:
        self.ending, self.dice = ending, random.Random(seed)
        with self.shop.database.transaction() as session:
            for table in reversed(metadata.sorted_tables):
                if table.name != "catalogue_clock":
                    session.execute(table.delete())
            shipping_to(session, "SG")
            zone = session.scalars(select(ShippingZone.id)).one()
            session.add(
                ShippingRate(zone_id=zone, name="Fast", amount_minor=1200, currency="sgd", min_days=1, max_days=1)
            )
            variant = a_variant(session, stock=6, price=3900, options={"Size": ["S", "M"]})
            shirt = session.get_one(Product, variant.product_id)
            self.variants = [each.id for each in variants_of(session, shirt)] + [a_variant(session, stock=2).id]
            self.story = remember(session, Placement("https://news.example/kim", "Kim in demand")).article_id
            self.carts = [a_cart(session)[0] for _ in range(3)]
        self.expected = {cart_id: {} for cart_id in self.carts}
        for cart, card in enumerate(paid_with):
            self.buy(cart, cart, card, told=True, once_more=False, bank=True)

    # What readers do with their carts.

    @rule(cart=PICK, variant=PICK, pieces=PIECES, from_story=st.booleans())
    def add(self, cart: int, variant: int, pieces: int, from_story: bool) -> None:
        cart_id, variant_id = self.pick(self.carts, cart), self.pick(self.variants, variant)
        article = self.story if from_story else None
        if self.accepted(
            lambda session: adding.add_to_cart(session, cart_id, variant_id, pieces, limit=LIMIT, article_id=article)
        ):
            held = self.expected[cart_id]
            key = lines.source_key(variant_id, article)
            held[key] = held.get(key, 0) + pieces

    @rule(pick=PICK, pieces=st.integers(0, 4))
    def change_a_line(self, pick: int, pieces: int) -> None:
        """To so many pieces; none takes the line out."""
        found = [(cart, key) for cart in self.carts for key in self.expected[cart]]
        if not found:
            return
        cart_id, key = self.pick(found, pick)
        with self.shop.database.reading() as session:
            line_id = session.scalars(
                select(CartLine.id).where(CartLine.cart_id == cart_id, CartLine.source_key == key)
            ).one()
        if pieces == 0:
            assert self.accepted(lambda session: lines.remove_line(session, cart_id, line_id) or True)
            del self.expected[cart_id][key]
        elif self.accepted(
            lambda session: lines.change_quantity(session, cart_id, line_id, pieces, limit=LIMIT) or True
        ):
            self.expected[cart_id][key] = pieces

    @rule(into=PICK, out_of=PICK)
    def adopt(self, into: int, out_of: int) -> None:
        """By a ticket, which is tried twice and works once."""
        target, source = self.pick(self.carts, into), self.pick(self.carts, out_of)
        with self.shop.database.transaction() as session:
            ticket = handover.offer_handover(session, source)
        with self.shop.database.transaction() as session:
            assert handover.redeem_handover(session, ticket) == source
            assert handover.redeem_handover(session, ticket) is None
            handover.adopt(session, target, source, limit=LIMIT)
        if target != source:
            held = self.expected[target]
            for key, pieces in self.expected[source].items():
                held[key] = min(held[key] + pieces, LIMIT) if key in held else pieces
            self.expected[source] = {}

    @rule(press=st.integers(0, 2), variant=PICK, pieces=PIECES, fault=FAULT, and_pay=st.booleans())
    def buy_now(self, press: int, variant: int, pieces: int, fault: str | None, and_pay: bool) -> None:
        key, handle, variant_id = f"press-{press}", f"handle-{press}", self.pick(self.variants, variant)
        filled: list[int] = []

        def fill(session: Any) -> bool:
            filled.append(adding.buy_now(session, key, handle, variant_id, pieces, limit=LIMIT))
            return True

        if self.accepted(fill):
            cart_id = filled[0]
            if cart_id not in self.carts:
                self.carts.append(cart_id)
            self.expected[cart_id] = {lines.source_key(variant_id, None): pieces}
            with self.shop.database.reading() as session:
                bought = session.scalars(
                    select(Order.id).where(
                        Order.cart_id == cart_id,
                        Order.paid_at.is_not(None)
                        | (Order.processing_at.is_not(None) & Order.payment_failed_at.is_(None)),
                    )
                ).first()
            placed = self.pay_for(cart_id, fault)
            assert bought is None or not placed, "one press has bought twice"
            if placed and and_pay:
                self.look_at_the_books()
                self.pay(self.payable.index(placed.rpartition("/")[2]), "4242424242424242", 0)
                self.come_back(len(self.orders) - 1, None, cancelling=False)
                self.every_promise_holds()
                self.buy_now(press, variant, pieces, None, and_pay=False)

    @rule(cart=PICK, again=st.booleans(), fault=FAULT, faults=st.integers(1, 2))
    def place(self, cart: int, again: bool, fault: str | None, faults: int) -> None:
        cart_id = self.pick(self.carts, cart)
        first = self.pay_for(cart_id, fault, faults)
        second = self.pay_for(cart_id, None) if again else None
        assert not (first and second) or first == second

    def pay_for(self, cart_id: int, fault: str | None, faults: int = 1) -> str | None:
        """To the payment page: its address, or None when the shop said no, which must have been true."""
        held = dict(self.expected[cart_id])
        with self.shop.database.transaction() as session:
            prices = {row.id: row.price_minor for row in session.execute(select(Variant.id, Variant.price_minor))}
            lines_seen = view_cart(session, cart_id, "sgd")
        try:
            with self.faulty(fault, faults) as shop:
                placed = shop.place(cart_id)
        except AlreadyPaid as told_so:
            with self.shop.database.reading() as session:
                order = session.scalars(select(Order).where(Order.access_token == told_so.access_token)).one()
                assert order.paid_at or order.processing_at, "told that it is paid when it is not"
        except OutOfStock as gone:
            with self.shop.database.reading() as session:
                left = session.get_one(Variant, gone.variant_id).available
            if left != gone.left or left >= gone.wanted:
                raise AssertionError(f"there are {left}") from gone
        except PriceChanged:
            assert lines_seen.price_changed
            with self.shop.database.transaction() as session:
                lines.accept_prices(session, cart_id)
        except CartEmpty:
            assert not held
        except NotFound:
            assert not all(line.on_sale for line in lines_seen.lines)
        except PaymentUnavailable:
            assert fault
        else:
            told = self.stripe.session(self.shop.session_of(placed.order_id))
            if told["status"] == "expired":  # by Stripe alone, which has not been heard of
                self.look_at_the_books()
                assert told["id"] in {event["data"]["object"]["id"] for event in self.untold}
            if told["status"] == "open":
                assert told["url"] == placed.payment_url
                due = sum(prices[int(key.partition(":")[0])] * pieces for key, pieces in held.items())
                assert told["amount_subtotal"] == due, "the page asks for something else than the cart holds"
            return placed.payment_url
        return None

    @rule(cart=PICK, variant=PICK, card=CARDS, told=st.booleans(), once_more=st.booleans(), bank=st.booleans())
    def buy(self, cart: int, variant: int, card: str, told: bool, once_more: bool, bank: bool) -> None:
        """All the way from the cart; the return page may know it before the event does. Some put the same in again, before
        their bank has said whether it pays for the first.
        """
        self.add(cart, variant, 1, from_story=False)
        if self.pay_for(self.pick(self.carts, cart), None):
            self.look_at_the_books()
            if self.payable:
                self.pay(len(self.payable) - 1, card, 0)
            if told:
                self.come_back(len(self.orders) - 1, None, cancelling=False)
                self.every_promise_holds()
            if once_more:
                self.add(cart, variant, 1, from_story=False)
            self.look_at_the_books()
            if card == "delayed" and self.waiting:
                self.the_bank_answers(len(self.waiting) - 1, bank)

    # What buyers do at Stripe, and what happens to them there.

    @precondition(lambda self: self.payable)
    @rule(pick=PICK, card=CARDS, shipping=st.integers(0, 1))
    def pay(self, pick: int, card: str, shipping: int) -> None:
        how = {"method": "delayed_debit"} if card == "delayed" else {"card": card}
        with suppress(Refusal):  # declined, which is the card's right
            self.stripe.pay(self.pick(self.payable, pick), shipping=shipping, **how)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK, ok=st.booleans())
    def the_bank_answers(self, pick: int, ok: bool) -> None:
        self.stripe.settle_delayed(self.pick(self.waiting, pick), ok=ok)

    @precondition(lambda self: self.open)
    @rule(pick=PICK)
    def expire_at_stripe(self, pick: int) -> None:
        self.stripe.expire(self.pick(self.open, pick))

    @precondition(lambda self: self.orders)
    @rule(pick=PICK, fault=FAULT, cancelling=st.booleans())
    def come_back(self, pick: int, fault: str | None, cancelling: bool) -> None:
        """To the return page, or through the payment page's way back."""
        verb = abandon if cancelling else look_at_payment
        try:
            with self.faulty(fault) as shop:
                verb(shop.database, shop.gateway, self.pick(self.orders, pick))
        except PaymentUnavailable:
            assert fault

    # What Stripe tells.

    @precondition(lambda self: self.untold)
    @rule(pick=PICK, times=st.integers(1, 2))
    def deliver_something_new(self, pick: int, times: int) -> None:
        for _ in range(times):
            self.deliver(self.pick(self.untold, pick))

    @precondition(lambda self: self.events)
    @rule(pick=st.integers(0, 99))
    def deliver_anything(self, pick: int) -> None:
        """What was delivered before, too, and kinds that the shop does not act on."""
        self.deliver(self.pick(self.events, pick))

    @precondition(lambda self: self.untold)
    @rule()
    def deliver_all_that_is_new(self) -> None:
        for event in self.dice.sample(self.untold, len(self.untold)):
            self.deliver(event)

    # What time and staff do.

    @rule(minutes=MINUTES)
    def time_passes(self, minutes: int) -> None:
        self.clock.shift(timedelta(minutes=minutes))
        self.stripe.advance(0)

    @rule(fault=FAULT, faults=st.integers(1, 3))
    def sweep(self, fault: str | None, faults: int) -> None:
        with self.faulty(fault, faults) as shop:
            swept = sweep(shop.database, shop.gateway)
        assert fault or not swept.postponed

    @rule(days=st.integers(0, 1))
    def forget_carts(self, days: int) -> None:
        spare = select(Order.open_cart_id).where(Order.open_cart_id.is_not(None))
        with self.shop.database.transaction() as session:
            forget_carts(session, now() - timedelta(days=days), spare)
            left = set(session.scalars(select(Cart.id)))
            while sum(cart in left for cart in self.carts) < 3:
                made = a_cart(session)[0]
                left.add(made)
                self.carts.append(made)
                self.expected[made] = {}
        self.carts = [cart for cart in self.carts if cart in left]
        self.expected = {cart: held for cart, held in self.expected.items() if cart in left}

    @rule(variant=PICK, pieces=st.integers(-3, 3))
    def count_stock(self, variant: int, pieces: int) -> None:
        variant_id = self.pick(self.variants, variant)
        self.accepted(lambda session: stock.adjust(session, variant_id, pieces, "counted", "tests") or True)

    @rule(variant=PICK, price=st.sampled_from([3900, 4500]), on_sale=st.sampled_from([True, True, True, False]))
    def edit_a_variant(self, variant: int, price: int, on_sale: bool) -> None:
        with self.shop.database.transaction() as session:
            session.execute(
                update(Variant)
                .where(Variant.id == self.pick(self.variants, variant))
                .values(price_minor=price, active=on_sale)
            )

    @precondition(lambda self: self.orders)
    @rule(pick=PICK)
    def ship(self, pick: int) -> None:
        order = self.shop.order(self.pick(self.orders, pick))
        try:
            ship(self.shop.database, order.number, carrier="Post", tracking_number="RR1", actor="tests")
        except InvalidChange:
            going_back = order.refunded + order.refund_pending == order.paid
            # A refund that came to nothing may have put goods back that others have bought since.
            put_back = any(entry.what in {"refund_failed", "refund_canceled"} for entry in order.entries)
            owed = order.stock_state == "owed" or put_back
            assert order.status not in TO_SHIP or going_back or owed or order.shipped_at
        else:
            assert order.status in TO_SHIP

    # What goes back, and what is taken back.

    @precondition(lambda self: self.paid)
    @rule(
        pick=PICK,
        pieces=st.integers(0, 2),
        shipping=st.booleans(),
        amount=st.sampled_from([None, None, 100, 4400, 50_000]),
        restock=st.booleans(),
        fault=FAULT,
        again=st.booleans(),
    )
    def refund(
        self, pick: int, pieces: int, shipping: bool, amount: int | None, restock: bool, fault: str | None, again: bool
    ) -> None:
        order = self.shop.order(self.pick(self.paid, pick))
        self.presses += 1

        def give_back(shop: Shop) -> int:
            return refund(
                shop.database,
                shop.gateway,
                order.number,
                lines={order.lines[0].id: pieces},
                shipping=shipping,
                amount_minor=amount,
                restock=restock,
                reason="",
                note="",
                actor="tests",
                press=str(self.presses),
            )

        made = set()
        for each in (fault, None) if again else (fault,):
            with suppress(InvalidChange, PaymentUnavailable, PaymentRefused), self.faulty(each) as shop:
                made.add(give_back(shop))
        assert len(made) < 2, "one press has given back twice"

    @precondition(lambda self: self.paid)
    @rule(pick=PICK, amount=st.sampled_from([None, 100, 500]))
    def refund_in_the_dashboard(self, pick: int, amount: int | None) -> None:
        intent = self.shop.order(self.pick(self.paid, pick)).payment_intent
        if intent:
            params: Any = {"payment_intent": intent} | ({"amount": amount} if amount else {})
            with suppress(stripe.StripeError):  # there is not so much left
                self.dashboard.v1.refunds.create(params=params)

    @precondition(lambda self: self.returning)
    @rule(pick=PICK, ok=st.booleans())
    def the_bank_answers_for_a_refund(self, pick: int, ok: bool) -> None:
        with suppress(Refusal):  # it has ended
            self.stripe.settle_refund(self.pick(self.returning, pick), ok=ok)

    @precondition(lambda self: self.paid)
    @rule(pick=PICK, amount=st.sampled_from([None, 500]), inquiry=st.booleans())
    def dispute(self, pick: int, amount: int | None, inquiry: bool) -> None:
        order_id = self.pick(self.paid, pick)
        with self.shop.database.reading() as session:
            known = session.scalar(select(PaymentAttempt.session_id).where(PaymentAttempt.order_id == order_id))
        with suppress(Refusal):  # not paid, or disputed already
            status = "warning_needs_response" if inquiry else "needs_response"
            self.stripe.dispute(known or "", amount=amount, status=status)

    @precondition(lambda self: self.disputed)
    @rule(pick=PICK, won=st.booleans())
    def the_bank_decides_a_dispute(self, pick: int, won: bool) -> None:
        with suppress(Refusal):  # it has ended
            self.stripe.settle_dispute(self.pick(self.disputed, pick), won=won)

    @precondition(lambda self: self.paid)
    @rule(pick=PICK)
    def deal_with(self, pick: int) -> None:
        order = self.shop.order(self.pick(self.paid, pick))
        with suppress(InvalidChange):
            deal_with(self.shop.database, order.number, note="Looked at.", actor="tests")
            assert self.shop.order(order.id).status != "attention"

    @precondition(lambda self: self.paid)
    @rule(steps=st.lists(STEP, min_size=2, max_size=5))
    def much_comes_after(self, steps: list[tuple[str, int, bool, str | None]]) -> None:
        """Of one order after another, so that refunds meet refunds, and disputes both."""
        for step, pick, yes, fault in steps:
            if step == "refund":
                self.refund(pick, 1, yes, None if pick % 2 else 500, not yes, fault, yes)
            elif step == "dashboard":
                self.refund_in_the_dashboard(pick, 500 if yes else None)
            elif step == "dispute":
                self.dispute(pick, 500 if pick % 3 else None, yes)
            elif step == "events":
                for event in self.dice.sample(self.untold, min(pick, len(self.untold))):
                    self.deliver(event)
            elif step == "refund ends" and self.returning:
                self.the_bank_answers_for_a_refund(pick, yes)
            elif step == "dispute ends" and self.disputed:
                self.the_bank_decides_a_dispute(pick, yes)
            self.look_at_the_books()
            self.every_promise_holds()

    @rule(fault=FAULT)
    def retry_events(self, fault: str | None) -> None:
        with self.faulty(fault) as shop:
            retry_due(shop.database, shop.gateway)

    # What must hold.

    @precondition(lambda self: self.carts)
    @invariant()
    def every_promise_holds(self) -> None:
        told = self.look_at_the_books()
        with self.shop.database.reading() as session:
            wrong = broken(session) + disagreements(session, told, self.events) + broken_books(session)
            wrong += money_disagreements(session, self.stripe.refunds(), self.stripe.disputes())
            assert wrong == [], "\n".join(wrong)
            self.take_what_was_bought(session)
            held: dict[int, dict[str, int]] = {cart: {} for cart in self.carts}
            for row in session.execute(select(CartLine.cart_id, CartLine.source_key, CartLine.quantity)):
                held[row.cart_id][row.source_key] = row.quantity
        assert held == {cart: self.expected[cart] for cart in self.carts}

    def look_at_the_books(self) -> list[dict[str, Any]]:
        """All sessions at Stripe, oldest first; remembers what the next step may choose from."""
        told, self.events = self.stripe.sessions()[::-1], self.stripe.events()
        answered = {event["data"]["object"]["id"] for event in self.events if ".async_payment_" in event["type"]}
        self.open = [each["id"] for each in told if each["status"] == "open"]
        unpaid = [each["id"] for each in told if (each["status"], each["payment_status"]) == ("complete", "unpaid")]
        self.waiting = [key for key in unpaid if key not in answered]
        with self.shop.database.reading() as session:
            self.orders = list(session.scalars(select(Order.id).order_by(Order.id)))
            self.paid = list(session.scalars(select(Order.id).where(Order.paid_at.is_not(None)).order_by(Order.id)))
            known = set(session.scalars(select(StripeEvent.stripe_id)))
            led_to = set(session.scalars(select(PaymentAttempt.session_id)))
        # Nobody can pay on a page whose address was lost with Stripe's answer.
        self.payable = [key for key in self.open if key in led_to]
        self.returning = [each["id"] for each in self.stripe.refunds()]
        self.disputed = [each["id"] for each in self.stripe.disputes()]
        self.untold = [event for event in self.events if event["type"] in HANDLED and event["id"] not in known]
        return told

    def take_what_was_bought(self, session: Any) -> None:
        bought = session.execute(
            select(Order.id, Order.cart_id, OrderLine.variant_id, OrderLine.article_id, OrderLine.quantity)
            .join(OrderLine)
            .where(
                Order.id.not_in(self.taken),
                Order.paid_at.is_not(None)
                # A payment that is known to have failed before it is heard to be on its way takes nothing.
                | (Order.processing_at <= func.coalesce(Order.payment_failed_at, Order.processing_at)),
            )
        ).all()
        for row in bought:
            held = self.expected.get(row.cart_id, {})
            key = lines.source_key(row.variant_id, row.article_id)
            if key in held and held[key] > row.quantity:
                held[key] -= row.quantity
            else:
                held.pop(key, None)
        self.taken |= {row.id for row in bought}

    def teardown(self) -> None:
        """Every event delivered, or none at all; then time passes, the sweep runs, and both books say the same."""
        try:
            if self.carts:
                self.end()
        finally:
            self.stripe.clear_faults()
            self.stack.close()

    def end(self) -> None:
        for _ in range(2):
            if self.ending == "delivered":
                self.deliver_all_that_is_new()
            self.look_at_the_books()
            self.time_passes(26 * 60)
            self.sweep(None, 1)
            retry_due(self.shop.database, self.shop.gateway)
            self.every_promise_holds()
        if self.ending == "swept":
            # Nobody has told of what was refunded or disputed at Stripe.
            reconcile(self.shop.database, self.shop.gateway, now() - timedelta(days=400))
        with self.shop.database.reading() as session:
            wrong = disagreements(session, self.look_at_the_books(), self.events, everything_told=True)
            wrong += money_disagreements(session, self.stripe.refunds(), self.stripe.disputes(), everything_told=True)
            balance = {currency: sums["amount"] for currency, sums in self.stripe.balance().items() if sums["amount"]}
            if money_held(session) != balance:
                wrong.append(f"the shop thinks that it has {money_held(session)}, and has {balance}")
        assert wrong == [], "\n".join(wrong)

    # How it is done.

    def pick(self, of: list[T], number: int) -> T:
        return of[number % len(of)]

    def accepted(self, change: Callable[[Any], Any]) -> bool:
        """Whether the shop made a change to a cart or a shelf; a refusal must leave everything as it was."""
        try:
            with self.shop.database.transaction() as session:
                return bool(change(session))
        except (OutOfStock, BadQuantity, NotFound, InvalidChange):
            return False

    @contextmanager
    def faulty(self, fault: str | None, calls: int = 1) -> Iterator[Shop]:
        """The shop, while the next `calls` of its calls to Stripe go wrong."""
        if fault:
            self.stripe.fail_next(calls, fault)
        try:
            yield replace(self.shop, gateway=self.hasty if fault in {"timeout", "slow"} else self.shop.gateway)
        finally:
            self.stripe.clear_faults()

    def deliver(self, event: dict[str, Any]) -> None:
        body = json.dumps(event).encode()
        signed = signature(body, TEST_WEBHOOK_SECRET, int(time.time()))
        answer = self.http.post(
            f"{self.shop.url}/webhooks/stripe", data=body, headers={"Stripe-Signature": signed}, timeout=10
        )
        assert answer.status_code == 200, answer.text


def test_whatever_happens_in_whatever_order_every_promise_holds(shop: Shop) -> None:
    # An example of this one is forty steps long.
    modest = settings(max_examples=max(settings().max_examples // 3, 1), stateful_step_count=40)
    run_state_machine_as_test(lambda: World(shop), settings=modest)


class Aftermath(World):
    """Orders that are paid, and what comes after: the steps before a payment are left out, but for buying once more."""

    change_a_line = adopt = buy_now = place = forget_carts = edit_a_variant = count_stock = expire_at_stripe = None  # type: ignore[assignment]

    @initialize(ending=st.sampled_from(["delivered", "swept"]), seed=st.integers(0, 99), card=CARDS)
    def open_the_shop(self, ending: str, seed: int, card: str) -> None:
        super().open_the_shop(ending, seed, ["4242424242424242", card])

    @precondition(lambda self: self.paid)
    @rule(steps=st.lists(STEP, min_size=6, max_size=12))
    def very_much_comes_after(self, steps: list[tuple[str, int, bool, str | None]]) -> None:
        self.much_comes_after(steps)


def test_refunds_and_disputes_in_whatever_order_keep_every_promise(shop: Shop) -> None:
    modest = settings(max_examples=max(settings().max_examples // 3, 1), stateful_step_count=20)
    run_state_machine_as_test(lambda: Aftermath(shop), settings=modest)
