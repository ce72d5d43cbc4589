"""Hundreds of orders while everything goes wrong that can; then both books must be equal to the cent, and each mail sent once.

`make storm` runs it for longer: STORM_ORDERS says how many orders, STORM_SEED which storm.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import func, select

from shop.catalog.models import Product
from shop.fulfilment.models import ShippingRate, ShippingZone
from shop.mail.models import OutboxMessage
from shop.mail.sending import send_due
from shop.mail.transports import transport_for
from shop.orders.models import Order
from shop.payments.gateway import Gateway
from shop.payments.models import StripeEvent
from shop.sandbox.faults import DELIVERY_KINDS
from shop.staff.accounts import create_admin
from shop.workshop import Workshop
from tests.builders import a_variant, shipping_to, variants_of
from tests.conftest import Shop
from tests.support.books import broken_books, money_disagreements, money_held
from tests.support.invariants import broken, disagreements
from tests.support.letters import HANG_UP, MailServer, a_mail_server
from tests.support.storm import Storm

ORDERS = int(os.environ.get("STORM_ORDERS", "120"))
CALLS = {"429": 0.03, "500": 0.03, "500_stored": 0.01, "timeout": 0.005, "slow": 0.005, "drop_after": 0.03}
SEED = int(os.environ.get("STORM_SEED", "20260612"))


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with a_mail_server() as server:
        yield server


def opened(shop: Shop) -> list[int]:
    """The shop has a few goods, two ways to ship and somebody on the staff; the variants' ids."""
    create_admin(shop.database, "owner@example.com", "correct horse battery")
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        zone = session.scalars(select(ShippingZone.id)).one()
        session.add(ShippingRate(zone_id=zone, name="Fast", amount_minor=1200, currency="sgd", min_days=1, max_days=1))
        shirt = a_variant(session, stock=ORDERS // 2, price=3900, options={"Size": ["S", "M", "L"]})
        sizes = [each.id for each in variants_of(session, session.get_one(Product, shirt.product_id))]
        return [*sizes, a_variant(session, stock=ORDERS // 2, price=1400).id, a_variant(session, stock=5, price=990).id]


def test_after_the_storm_orders_stock_and_money_agree_with_stripe_and_each_mail_was_sent_once(
    shop: Shop, mail_server: MailServer, tmp_path: Path
) -> None:
    hasty = Gateway(shop.settings, time_out=(0.5, 0.4), retries=1)
    stormy = replace(shop, gateway=hasty)
    workshop = Workshop(shop.settings)
    post = transport_for(mail_server.url)
    variants = opened(shop)
    with time_machine.travel(datetime.now(UTC)) as clock:

        def send_mail() -> None:
            # Some of what is sent is refused for now, or cut off, before the server has taken it.
            mail_server.to_message[:] = storm.dice.choices(["250 OK", "450 come back later", HANG_UP], [8, 1, 1], k=3)
            send_due(shop.database, post, workshop.compose)

        storm = Storm(stormy, clock, send_mail, SEED)
        storm.variants = variants
        shop.stripe.chaos(SEED, dict.fromkeys(DELIVERY_KINDS, 0.05) | CALLS)
        storm.rage(ORDERS)
        mended = storm.calm_down()
        again = storm.calm_down()
        mail_server.to_message.clear()
        for _ in range(12):  # a message that was put off is due after half a day at most
            clock.shift(13 * 3600)
            send_due(shop.database, post, workshop.compose, limit=10_000)
    workshop.close()
    print(f"\nstorm {SEED}: {dict(sorted(storm.done.items()))}\n{mended}\n{again}")

    sessions, refunds, disputes = (storm.every(kind) for kind in ("sessions", "refunds", "disputes"))
    with shop.database.reading() as session:
        wrong = broken(session) + broken_books(session)
        wrong += disagreements(session, sessions, storm.every("events"), everything_told=True)
        wrong += money_disagreements(session, refunds, disputes, everything_told=True)
        assert wrong == [], "\n".join(wrong)
        assert money_held(session) == {
            currency: sums["amount"] for currency, sums in shop.stripe.balance().items() if sums["amount"]
        }
        statuses = Counter(session.scalars(select(Order.status)))
        unfinished = session.scalars(select(StripeEvent.reason).where(StripeEvent.state.in_(("failed", "waiting"))))
        assert list(unfinished) == []
        letters = session.execute(select(OutboxMessage.state, func.count()).group_by(OutboxMessage.state)).all()
    print(f"{dict(statuses)}\n{dict(letters)}")
    assert again.mended == 0, "one comparison had not mended all that could be mended"
    # It was a storm: whatever can become of an order became of some.
    assert {"paid", "expired", "payment_failed", "refunded", "partly_refunded", "disputed"} <= statuses.keys()
    befell = {delivery["fault"] for delivery in shop.stripe.deliveries()}
    assert set(DELIVERY_KINDS) <= befell
    assert len(letters) == 1
    ((state, count),) = letters
    assert (state, count) == ("sent", len(mail_server.kept))
    assert len({message["Message-ID"] for message in mail_server.kept}) == count
