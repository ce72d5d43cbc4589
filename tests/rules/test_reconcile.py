"""No event has come, and one comparison with Stripe later both books say the same."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import func, select

from shop.checkout.reconcile import Progress, asked_since, latest_runs, reconcile, usual_since
from shop.checkout.release import release_stock
from shop.checkout.runs import DIED, alone
from shop.db import Database, now
from shop.errors import PaymentUnavailable, RunningAlready
from shop.mail.models import OutboxMessage
from shop.orders.facts import record
from shop.orders.models import Order, OrderEntry
from shop.payments.models import ReconcileRun
from tests.conftest import Shop
from tests.support.serving import eventually
from tests.support.statements import statements
from tests.support.unheard import (
    HOUR,
    both_books_agree,
    compared,
    differing,
    intent_of,
    ordered,
    paid,
    refunded_at_stripe,
    unheard,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def deaf(shop: Shop) -> Shop:
    return unheard(shop)


def fates(shop: Shop) -> list[Callable[[int], object]]:
    """What may become of an order at Stripe."""
    stripe, session_of = shop.stripe, shop.session_of

    def delayed(order_id: int, ok: bool) -> None:
        stripe.pay(session_of(order_id), method="delayed_debit")
        stripe.settle_delayed(session_of(order_id), ok=ok)

    def refunded(order_id: int, *amounts: int, card: str = "4242424242424242") -> str:
        stripe.pay(session_of(order_id), card)
        made = ""
        for amount in amounts:
            made = refunded_at_stripe(shop, intent_of(shop, order_id), **({"amount": amount} if amount else {}))
        return made

    def disputed(order_id: int) -> str:
        stripe.pay(session_of(order_id))
        return str(stripe.dispute(session_of(order_id))["id"])

    return [
        lambda _: None,
        lambda order_id: stripe.expire(session_of(order_id)),
        lambda order_id: stripe.pay(session_of(order_id)),
        lambda order_id: stripe.pay(session_of(order_id), method="delayed_debit"),
        lambda order_id: delayed(order_id, ok=True),
        lambda order_id: delayed(order_id, ok=False),
        lambda order_id: refunded(order_id, 0),
        lambda order_id: refunded(order_id, 100, 250),
        lambda order_id: refunded(order_id, 0, card="4000000000007726"),
        lambda order_id: stripe.settle_refund(refunded(order_id, 70), ok=False),
        disputed,
        lambda order_id: stripe.settle_dispute(disputed(order_id), won=True),
        lambda order_id: stripe.settle_dispute(disputed(order_id), won=False),
    ]


def test_when_every_event_was_lost_one_comparison_makes_both_books_equal(deaf: Shop) -> None:
    dice = random.Random(11)
    drawn = fates(deaf) + dice.choices(fates(deaf), k=5)
    dice.shuffle(drawn)
    for befall in drawn:
        befall(ordered(deaf, dice.randint(1, 3)))
    done = compared(deaf, page=4)
    assert done.mended >= 12
    assert done.found == 0
    assert differing(deaf) == []
    both_books_agree(deaf)
    again = compared(deaf, page=7)
    assert (again.mended, again.found) == (0, 0)
    deaf.stripe.calm()
    both_books_agree(deaf)
    assert compared(deaf).mended == 0


def test_a_page_that_could_still_be_paid_for_an_order_that_is_over_is_closed_at_stripe(deaf: Shop) -> None:
    order_id = ordered(deaf)
    with deaf.database.transaction() as session:
        order = session.scalars(select(Order).where(Order.id == order_id).with_for_update()).one()
        release_stock(session, order)
        record(session, order, "cancelled", "the staff")
    assert compared(deaf).mended == 1
    assert deaf.stripe.session(deaf.session_of(order_id))["status"] == "expired"
    with deaf.database.reading() as session:
        told = session.scalars(select(OrderEntry.what).where(OrderEntry.order_id == order_id)).all()
    assert "payment_page_closed" in told
    both_books_agree(deaf)


def test_what_happens_while_the_comparison_goes_on_is_no_discrepancy(deaf: Shop) -> None:
    """Paid when the sessions have been read, given back and disputed when refunds and disputes have been."""
    late, returned, doubted = ordered(deaf), paid(deaf), paid(deaf)

    def meanwhile(progress: Progress) -> None:
        if progress.stage != happened.get("last"):
            happened["last"] = progress.stage
            if progress.stage == "payment intents":
                deaf.stripe.pay(deaf.session_of(late))
            elif progress.stage == "charges":
                refunded_at_stripe(deaf, intent_of(deaf, returned), amount=300)
                deaf.stripe.dispute(deaf.session_of(doubted))

    happened: dict[str, str] = {}
    assert compared(deaf, tell=meanwhile).found == 0
    both_books_agree(deaf)


def test_events_that_come_while_the_comparison_goes_on_take_effect_once(deaf: Shop) -> None:
    refunded_at_stripe(deaf, intent_of(deaf, paid(deaf)))
    deaf.stripe.dispute(deaf.session_of(paid(deaf)))
    assert compared(deaf, tell=lambda _: deaf.stripe.deliver_now() and None, page=1).found == 0
    both_books_agree(deaf)
    with deaf.database.reading() as session:
        letters = session.execute(select(OutboxMessage.kind, func.count()).group_by(OutboxMessage.kind)).all()
    assert sorted(map(tuple, letters)) == [("receipt", 2), ("refunded", 1)]


def test_a_change_of_something_older_than_the_time_compared_is_found_by_its_event(deaf: Shop) -> None:
    disputed, returned = paid(deaf), paid(deaf, card="4000000000007726")
    dispute = deaf.stripe.dispute(deaf.session_of(disputed))["id"]
    refund = refunded_at_stripe(deaf, intent_of(deaf, returned), amount=500)
    compared(deaf)
    with time_machine.travel(now() + 3 * HOUR):
        deaf.stripe.settle_dispute(dispute, won=False)
        deaf.stripe.settle_refund(refund, ok=True)
        assert compared(deaf).mended == 2
        both_books_agree(deaf)


# How a run goes on and ends.


def test_a_run_says_how_far_it_has_come(deaf: Shop) -> None:
    for _ in range(3):
        refunded_at_stripe(deaf, intent_of(deaf, paid(deaf)), amount=100)
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        with deaf.database.reading() as session:
            (run,) = latest_runs(session)
        assert run.state == "running"
        assert (run.stage, run.looked_at, run.mended) == (progress.stage, progress.looked_at, progress.mended)

    done = compared(deaf, tell=tell, page=2)
    stages = list(dict.fromkeys(progress.stage for progress in told))
    assert stages[:6] == ["sessions", "payment intents", "refunds", "disputes", "events", "charges"]
    assert [progress.looked_at for progress in told if progress.stage == "sessions"] == [0, 2, 3]
    assert (told[-1].looked_at, told[-1].mended, told[-1].found) == (done.looked_at, 6, 0)
    with deaf.database.reading() as session:
        (run,) = latest_runs(session)
    assert run.state == "finished"


@pytest.mark.parametrize("fault", ["500", "timeout", "429"])
def test_a_run_that_stripe_does_not_answer_is_marked_and_the_next_one_completes(deaf: Shop, fault: str) -> None:
    first = paid(deaf)
    deaf.stripe.dispute(deaf.session_of(first))
    deaf.stripe.fail_next(4 if fault == "429" else 1, fault, "GET", "/v1/disputes")
    with pytest.raises(PaymentUnavailable):
        compared(deaf)
    with deaf.database.reading() as session:
        (failed,) = latest_runs(session)
        assert usual_since(session) < now() - timedelta(days=29)
    assert (failed.state, failed.stage, failed.error) == ("failed", "disputes", "Stripe did not answer")
    assert failed.mended == 1
    assert deaf.order(first).status == "paid"
    deaf.stripe.clear_faults()
    assert compared(deaf).mended == 1
    both_books_agree(deaf)


def test_calls_that_come_too_fast_for_stripe_are_made_again(deaf: Shop) -> None:
    paid(deaf)
    deaf.stripe.fail_next(1, "429", "GET", "/v1/checkout/sessions")
    assert compared(deaf).mended == 1


def test_a_second_run_says_that_one_is_under_way(deaf: Shop) -> None:
    def another(progress: Progress) -> None:
        with pytest.raises(RunningAlready):
            compared(deaf)

    compared(deaf, tell=another)
    compared(deaf)
    with deaf.database.reading() as session:
        assert [run.state for run in latest_runs(session)] == ["finished", "finished"]


HOLDING = """
import sys, time
from shop.checkout.runs import alone, begin
from shop.db import Database, now
database = Database.connect(sys.argv[1])
with alone(database):
    begin(database, now(), print)
    print("begun", flush=True)
    time.sleep(600)
"""


def test_a_run_whose_process_was_killed_is_seen_as_that_and_keeps_no_other_waiting(
    deaf: Shop, database_url: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, database_url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begun\n"
            with pytest.raises(RunningAlready):
                compared(deaf)
        finally:
            process.send_signal(signal.SIGKILL)
    eventually(lambda: is_free(deaf.database))
    compared(deaf)
    with deaf.database.reading() as session:
        assert [(run.state, run.error) for run in latest_runs(session)] == [("finished", ""), ("failed", DIED)]


def is_free(database: Database) -> bool:
    try:
        with alone(database):
            return True
    except RunningAlready:
        return False


def test_a_run_that_is_stopped_by_hand_says_so(deaf: Shop) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compared(deaf, tell=stop)
    with deaf.database.reading() as session:
        assert [run.error for run in latest_runs(session)] == ["stopped by hand"]


def test_a_page_costs_as_many_statements_whatever_is_on_it(deaf: Shop) -> None:
    def cost(page: int) -> int:
        with statements(deaf.database.engine) as sent:
            assert compared(deaf, page=page).found == 0
        return len(sent)

    def two_more() -> None:
        refunded_at_stripe(deaf, intent_of(deaf, paid(deaf)), amount=100)
        deaf.stripe.dispute(deaf.session_of(paid(deaf)))
        compared(deaf)

    two_more()
    few = cost(100)
    two_more()
    two_more()
    assert cost(100) == few
    pages = sum(len(listed) for listed in (range(6), range(6), range(3), range(3), range(6)))
    events = len(deaf.stripe.events())
    assert cost(1) <= few + 5 * (pages + events)


@pytest.mark.parametrize(
    ("ended", "days"), [(None, 30), (timedelta(days=3), 4), (timedelta(days=45), 30)], ids=["never", "3 days", "long"]
)
def test_a_run_goes_on_where_the_last_one_that_finished_began(
    database: Database, ended: timedelta | None, days: int
) -> None:
    with database.transaction() as session:
        session.add(ReconcileRun(since=now(), started_at=now() - HOUR, error=DIED))
        if ended is not None:
            session.add(ReconcileRun(since=now(), started_at=now() - ended, finished_at=now() - ended))
        session.flush()
        assert abs(usual_since(session) - (now() - timedelta(days=days))) < timedelta(minutes=1)


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3d", NOON - timedelta(days=3)),
        ("90m", NOON - timedelta(minutes=90)),
        (" 12H ", NOON - timedelta(hours=12)),
        ("2w", NOON - timedelta(weeks=2)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01T08:00+08:00", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_since_is_a_date_or_an_age(text: str, meant: datetime) -> None:
    assert asked_since(text, NOON) == meant


@pytest.mark.parametrize("text", ["", "yesterday", "3", "d", "-3d", "2026-13-01", "2026-11-21"])
def test_since_is_nothing_else_and_never_lies_ahead(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        asked_since(text, NOON)


def test_without_a_moment_a_run_takes_the_usual_one(deaf: Shop) -> None:
    paid(deaf)
    assert reconcile(deaf.database, deaf.gateway).mended == 1
    with deaf.database.reading() as session:
        (run,) = latest_runs(session)
    assert now() - run.since > timedelta(days=29)
