"""The shop is killed with SIGKILL at each step of its work with money, started again, and everything comes right.

All buyers share one machine, one database and one Stripe, and everybody is helped by the same restart: what one death left
behind is there while the others are repaired.
"""

import re
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from shop import crashing
from shop.catalog.models import Variant
from shop.crashing import POINTS
from shop.mail.models import OutboxMessage
from tests.conftest import TEST_WEBHOOK_SECRET
from tests.kill.machine import Machine
from tests.kill.story import (
    SERVED,
    STOCK,
    Buyer,
    Left,
    a_buyer,
    dies_giving_back,
    dies_sweeping,
    is_given_back,
    mail_is_sent,
)
from tests.support.books import broken_books, money_disagreements
from tests.support.commands import environment, run
from tests.support.invariants import broken, disagreements

ROOT = Path(__file__).parents[2]
UNPAID = Left("pending", 1, True, ("open",))
PAID_AT_STRIPE = Left("pending", 1, True, ("complete",))
LEFT = {
    "place.reserved": Left(),
    "place.stored": Left("pending", 1),
    "place.asked": Left("pending", 1, False, ("open",)),
    "place.opened": UNPAID,
    "webhook.stored": PAID_AT_STRIPE,
    "webhook.applied": PAID_AT_STRIPE,
    "webhook.committed": Left("paid", 0, True, ("complete",), ("applied",)),
    "return.told": PAID_AT_STRIPE,
    "close.expired": Left("pending", 1, True, ("expired",)),
    "refund.stored": Left("paid", 0, True, ("complete",), ("applied",), ("creating",), 0),
    "refund.made": Left("paid", 0, True, ("complete",), ("applied",), ("creating",), 1),
    "refund.settled": Left("refunded", 0, True, ("complete",), ("applied",), ("succeeded",), 1),
}
REFUNDED = ("refund.stored", "refund.made", "refund.settled")


@dataclass
class Aftermath:
    """What became of everybody, and whether the restarted server was the same to the end."""

    machine: Machine
    buyers: dict[str, Buyer]
    lived: bool
    seen_on_return: str
    letters_before_death: int


@pytest.fixture(scope="module")
def aftermath(machine: Machine) -> Aftermath:
    """Each death; then one restart, buyers who try again, Stripe that delivers again, the sweep, and the worker."""
    buyers = {name: dies(machine, point, name) for name, (dies, point) in SERVED.items()}
    with machine.serving() as server:
        staff = set(server.everyone())
        seen_on_return = comes_back(buyers["return.told"])
        for name in ("place.reserved", "place.stored", "place.asked", "place.opened"):
            buyers[name].orders()
            buyers[name].pays()
        buyers["close.expired"] = dies_sweeping(machine, "close.expired", "close.expired")
        for name, buyer in buyers.items():
            if name.endswith("never back"):
                buyer.time_is_over()
        machine.does("sweep")
        machine.stripe.set_webhook(f"{machine.url}/webhooks/stripe", TEST_WEBHOOK_SECRET)
        for event in machine.stripe.events():
            machine.stripe.resend(event["id"])
        machine.stripe.calm()
        buyers["mail.accepted"] = pays_undisturbed(machine, "mail.accepted")
        machine.dies("mail.accepted", "worker")
        letters = len(machine.mail.kept)
        buyers |= {name: pays_undisturbed(machine, name) for name in REFUNDED}
        machine.stripe.set_webhook("", "")
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: dies_giving_back(buyers[name], name), REFUNDED))
        is_given_back(machine, [buyers["refund.stored"], buyers["refund.settled"]], buyers["refund.made"])
        machine.stripe.set_webhook(f"{machine.url}/webhooks/stripe", TEST_WEBHOOK_SECRET)
        for event in machine.stripe.events():
            machine.stripe.resend(event["id"])
        machine.stripe.calm()
        mail_is_sent(machine)
        return Aftermath(machine, buyers, set(server.everyone()) == staff, seen_on_return, letters)


def comes_back(buyer: Buyer) -> str:
    reader = buyer.reader
    return reader.follow(reader.get(f"/orders/{buyer.found().access_token}/return")).words


def pays_undisturbed(machine: Machine, name: str) -> Buyer:
    """The control: the same way, with nobody told to die."""
    buyer = a_buyer(machine, name)
    buyer.fills_cart()
    buyer.orders()
    buyer.pays()
    machine.stripe.calm()
    return buyer


def test_each_point_of_the_source_has_a_death() -> None:
    named = [
        name
        for path in (ROOT / "shop").rglob("*.py")
        for name in re.findall(r'die_at\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    ]
    assert sorted(named) == sorted(POINTS)


def test_each_process_was_killed_at_its_point(aftermath: Aftermath) -> None:
    assert aftermath.machine.ended_by == dict.fromkeys(POINTS, signal.SIGKILL)


@pytest.mark.parametrize("name", [*SERVED, "close.expired", *REFUNDED])
def test_a_death_leaves_behind_what_was_done_before_its_point_and_no_more(aftermath: Aftermath, name: str) -> None:
    assert aftermath.buyers[name].left == LEFT[name.partition(",")[0]]


@pytest.mark.parametrize("name", [*SERVED, "close.expired", "mail.accepted"])
def test_after_the_restart_an_order_is_paid_once_or_its_goods_are_free(aftermath: Aftermath, name: str) -> None:
    buyer = aftermath.buyers[name]
    with aftermath.machine.database.reading() as session:
        variant = session.get_one(Variant, buyer.variant_id)
        receipts = session.scalars(
            select(OutboxMessage.state).where(OutboxMessage.recipient == buyer.email, OutboxMessage.kind == "receipt")
        ).all()
    now = buyer.looks_around()
    if name.endswith("never back") or name == "close.expired":
        assert (now.order, now.at_stripe) == ("expired", ("expired",))
        assert (variant.on_hand, variant.reserved, receipts) == (STOCK, 0, [])
    else:
        assert (now.order, now.at_stripe) == ("paid", ("complete",))
        assert (variant.on_hand, variant.reserved, receipts) == (STOCK - 1, 0, ["sent"])


@pytest.mark.parametrize("name", REFUNDED)
def test_after_the_restart_a_refund_is_made_once_and_its_goods_are_back(aftermath: Aftermath, name: str) -> None:
    buyer = aftermath.buyers[name]
    assert buyer.looks_around() == LEFT["refund.settled"]
    with aftermath.machine.database.reading() as session:
        told = session.scalars(select(OutboxMessage.kind).where(OutboxMessage.recipient == buyer.email)).all()
        assert session.get_one(Variant, buyer.variant_id).on_hand == STOCK
    assert sorted(told) == ["receipt", "refunded"]


def test_a_buyer_who_comes_back_after_the_restart_is_shown_a_paid_order(aftermath: Aftermath) -> None:
    assert "We pack it now" in aftermath.seen_on_return


def test_nobody_died_whom_nobody_told_to(aftermath: Aftermath) -> None:
    assert aftermath.lived
    assert aftermath.buyers["mail.accepted"].looks_around() == Left("paid", 0, True, ("complete",), ("applied",))


def test_a_message_whose_sender_died_goes_out_again_as_the_same_message_and_no_other_does(aftermath: Aftermath) -> None:
    assert aftermath.letters_before_death == 1
    sent = Counter(str(letter["Message-ID"]) for letter in aftermath.machine.mail.kept)
    twice = [name for name, times in sent.items() if times > 1]
    assert twice == [str(aftermath.machine.mail.kept[0]["Message-ID"])]
    assert sent[twice[0]] == 2


def test_in_the_end_every_promise_holds_and_stripe_says_the_same(aftermath: Aftermath) -> None:
    machine = aftermath.machine
    with machine.database.reading() as session:
        assert broken(session) == []
        assert broken_books(session) == []
        refunds, disputes = machine.stripe.refunds(), machine.stripe.disputes()
        assert money_disagreements(session, refunds, disputes, everything_told=True) == []
        assert disagreements(session, machine.stripe.sessions(), machine.stripe.events(), everything_told=True) == []


def test_a_shop_in_production_is_not_started_to_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run("migrate", env=environment(SHOP_DATA=tmp_path, SHOP_ENV="production", SHOP_DIE_AT="place.stored"))
    assert refused.status == 2
    assert "  SHOP_DIE_AT: kills the shop in the middle of its work, for tests; remove it\n" in refused.err
    monkeypatch.setattr(crashing, "_CHOSEN", "nowhere")
    assert "write one of place.reserved" in crashing.refusal(production=False)
