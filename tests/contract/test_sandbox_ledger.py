"""Whatever is done to a few payments, in whatever order: the ledger, the charges and the objects tell the same story."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from shop.sandbox import balance, disputes, refunds, rulings, sessions
from shop.sandbox.cards import Means, recognised
from shop.sandbox.due import pass_by
from shop.sandbox.payments import Address, Buyer, Outcome, answer, pay
from shop.sandbox.refusals import Refusal
from shop.sandbox.store import Store, Transaction
from tests.contract.conftest import a_checkout

CARDS = ["4242424242424242", "4000000000000259", "4000000000001976", "4000000000007726", "4000000000005126"]
DAY = 24 * 60 * 60
Step = tuple[str, int, int]

VERBS = (
    "pay",
    "wallet",
    "refund",
    "refund",
    "mailed",
    "cancel",
    "settle_refund",
    "dispute",
    "dispute",
    "answer",
    "close",
    "settle_dispute",
    "settle_dispute",
    "wait",
)
"""What happens often stands twice."""

steps = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 2), st.integers(0, 2)), min_size=12, max_size=40)


def paid(tx: Transaction, means: Means) -> None:
    session = sessions.create(tx, a_checkout(), public_url="http://127.0.0.1", business_name="Shop")
    if pay(tx, session["id"], Buyer("ada@example.com", "Ada", Address()), means) is Outcome.ELSEWHERE:
        answer(tx, session["id"], passed=True)


def everything(tx: Transaction, kind: str) -> list[Any]:
    return [tx.get(kind, key) for (key,) in tx.rows("SELECT id FROM objects WHERE object = ? ORDER BY seq", (kind,))]


def act(tx: Transaction, verb: str, which: int, how: int) -> None:
    """Does one thing to the `which`-th object that it can be done to, in one of three ways."""
    if verb == "pay":
        return paid(tx, Means(recognised(CARDS[which % len(CARDS)])))
    if verb == "wallet":
        return paid(tx, Means(app="grabpay"))
    kind = {"refund": "charge", "mailed": "charge", "dispute": "charge", "cancel": "refund"}.get(verb)
    found = everything(tx, kind or ("refund" if verb == "settle_refund" else "dispute"))
    if not found:
        return None
    key = found[which % len(found)]["id"]
    evidence = ["winning_evidence", "losing_evidence", "It was sent."][how]
    verbs: dict[str, Any] = {
        "refund": lambda: refunds.create(tx, {"charge": key, **({"amount": 1700 * how} if how else {})}),
        "mailed": lambda: refunds.create(tx, {"charge": key, "amount": 900, "instructions_email": "a@b.test"}),
        "cancel": lambda: refunds.cancel(tx, key),
        "settle_refund": lambda: refunds.settle(tx, key, ok=how > 0),
        "dispute": lambda: disputes.begin(tx, tx.get("charge", key), "general", 1500 * how or None),
        "answer": lambda: rulings.update(tx, key, {"evidence": {"uncategorized_text": evidence}}),
        "close": lambda: rulings.close(tx, key),
        "settle_dispute": lambda: rulings.settle(tx, key, won=how == 0, may_appeal=how == 2),
    }
    verbs[verb]()
    return None


def check(tx: Transaction) -> None:
    net: Counter[str] = Counter()
    for charge in everything(tx, "charge"):
        given_back = [refund for refund in tx.of_charge("refund", charge["id"]) if refund["status"] not in ENDED_BADLY]
        taken = [dispute for dispute in tx.of_charge("dispute", charge["id"]) if dispute["status"] in TAKES]
        assert charge["amount_refunded"] == sum(refund["amount"] for refund in given_back)
        assert charge["refunded"] == (charge["amount_refunded"] == charge["amount"])
        back = charge["amount_refunded"] + sum(dispute["amount"] for dispute in taken)
        assert 0 <= back <= charge["amount"], "never more goes back than came"
        net["sgd"] += charge["amount"] - back
    told = balance.sums(tx)
    assert {currency: sums["amount"] for currency, sums in told.items()} == dict(net)
    for refund in everything(tx, "refund"):
        assert (refund["failure_balance_transaction"] is not None) == (refund["status"] in ENDED_BADLY)
        assert (refund["failure_reason"] is not None) == (refund["status"] in ENDED_BADLY)
    events = [event["data"]["object"] for event in everything(tx, "event")]
    for kind in ("refund", "dispute", "charge"):
        last = {about["id"]: about for about in events if about["object"] == kind}
        for body in everything(tx, kind):
            if kind != "charge":
                assert last[body["id"]] == body, "the last event tells how it is"


ENDED_BADLY = ("failed", "canceled")
TAKES = ("needs_response", "under_review", "lost", "appeal_needs_response", "appeal_under_review")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledger")


# Without shrinking, which would go on for minutes: each step is a transaction on a file.
@settings(max_examples=40, phases=[Phase.generate])
@given(done=steps)
def test_the_ledger_the_charges_and_the_objects_agree(folder: Path, done: list[Step]) -> None:
    path = folder / "stripe.db"
    path.unlink(missing_ok=True)
    store = Store(path, seed=1)
    try:
        with store.transaction() as tx:
            # Few payments, so that much happens to each: by card, with an inquiry, and by a wallet.
            for begun in (Means(recognised(CARDS[0])), Means(recognised(CARDS[2])), Means(app="grabpay")):
                paid(tx, begun)
        for verb, which, how in done:
            if verb == "wait":
                store.advance((1, 15, 130)[how] * DAY)
                with store.transaction() as tx:
                    pass_by(tx)
            else:
                try:
                    with store.transaction() as tx:
                        act(tx, verb, which, how)
                except Refusal:
                    pass  # whatever is refused has changed nothing, which the check sees
            with store.transaction() as tx:
                check(tx)
    finally:
        store.close()
