"""`shop reconcile` as a person runs it: what it says, at a terminal and elsewhere, and how it ends."""

import os
import pty
import subprocess
from collections.abc import Callable

import pytest

from shop.checkout.runs import alone
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET, Shop
from tests.support.commands import SHOP, Ran, environment, run
from tests.support.unheard import compared, paid, unheard, written_by_hand


@pytest.fixture
def deaf(shop: Shop) -> Shop:
    return unheard(shop)


def settings(shop: Shop) -> dict[str, str]:
    return environment(
        SHOP_DATA=shop.settings.shop_data,
        SHOP_DATABASE_URL=shop.settings.database_url,
        SHOP_URL=shop.settings.shop_url,
        STRIPE_SECRET_KEY=TEST_KEY,
        STRIPE_WEBHOOK_SECRET=TEST_WEBHOOK_SECRET,
        STRIPE_API_BASE=shop.stripe_url,
    )


def reconcile(shop: Shop, *words: str) -> Ran:
    return run("reconcile", *words, env=settings(shop))


def test_what_was_missed_is_settled_and_what_differs_is_listed_with_status_1(deaf: Shop) -> None:
    first = paid(deaf)
    ran = reconcile(deaf)
    assert (ran.status, ran.out) == (0, "4 looked at, 1 mended, 0 found\n")
    assert deaf.order(first).status == "paid"
    written_by_hand(deaf, first, subtotal_minor=4000, total_minor=4500, paid_minor=4500)
    ran = reconcile(deaf, "--since", "2h")
    assert ran.status == 1
    counts, listed = ran.out.splitlines()
    assert counts.endswith("0 mended, 1 found")
    assert listed.startswith(f"{deaf.order(first).number}: The order was paid with SGD 45.00 by the shop's books")
    assert listed.endswith("[charge_differs]")


def test_at_a_terminal_each_stage_counts_on_a_line_of_its_own(deaf: Shop) -> None:
    paid(deaf)
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [*SHOP, "reconcile"], env=settings(deaf), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs
        ) as process:
            assert process.stdout is not None
            assert process.stdout.read() == b"4 looked at, 1 mended, 0 found\n"
            assert process.wait(60) == 0
        os.close(theirs)
        seen = read_all(ours)
    finally:
        os.close(ours)
    lines = [line for line in seen.splitlines() if "looked at" in line]
    assert lines[0].split("  ")[0] == "sessions"
    assert "1 looked at, 1 mended, 0 found" in seen
    stages = [line.split("  ")[0] for line in lines]
    assert [stage for stage in dict.fromkeys(stages)][:3] == ["sessions", "payment intents", "refunds"]  # noqa: C416
    assert seen.endswith("\n")


def read_all(terminal: int) -> str:
    """Until the other end is closed, which Linux calls an error."""
    seen = b""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            return seen.decode()
        if not more:
            return seen.decode()
        seen += more


def stripe_is_down(shop: Shop) -> None:
    shop.stripe.fail_next(9, "500", "GET", "/v1/refunds")


@pytest.mark.parametrize(
    ("trouble", "words", "said"),
    [
        (stripe_is_down, (), "it did not answer"),
        (None, ("--since", "yesterday"), "write 2026-11-01 or 3d"),
        (None, ("--since", "2999-01-01"), "write 2026-11-01 or 3d"),
    ],
)
def test_a_comparison_that_cannot_be_made_says_why_in_a_line(
    deaf: Shop, trouble: Callable[[Shop], None] | None, words: tuple[str, ...], said: str
) -> None:
    paid(deaf)
    if trouble is not None:
        trouble(deaf)
    ran = reconcile(deaf, *words)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err.splitlines()[-1]
    deaf.stripe.clear_faults()
    compared(deaf)


def test_a_second_comparison_in_another_process_says_that_one_is_under_way(deaf: Shop) -> None:
    with alone(deaf.database):
        assert "under way already" in reconcile(deaf).refusal
    assert reconcile(deaf).status == 0
