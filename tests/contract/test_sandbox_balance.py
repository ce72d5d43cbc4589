"""The local Stripe's own ledger: every movement of money, to the cent, and what it sums up to."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from stripe.checkout import Session

from shop.sandbox.balance import SETTLING
from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import a_line

Create = Callable[..., Session]
FEE = 216
"""Of S$49.00: 3.4 % and fifty cents."""


def line_of(api: stripe.StripeClient, **params: Any) -> stripe.BalanceTransaction:
    wanted: Any = params
    (line,) = api.v1.balance_transactions.list(params=wanted).data
    return line


def paid(local: RunningSandbox, checkout: Create, card: str = "4242424242424242") -> str:
    return str(local.control.pay(checkout().id, card)["payment_intent"])


def test_a_payment_brings_its_amount_less_the_fee(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    intent = paid(local, checkout)
    (charge,) = api.v1.charges.list(params={"payment_intent": intent, "expand": ["data.balance_transaction"]}).data
    line: Any = charge.balance_transaction
    assert (line.type, line.amount, line.fee, line.net, line.source) == ("charge", 4900, FEE, 4900 - FEE, charge.id)
    assert [(part.type, part.amount) for part in line.fee_details] == [("stripe_fee", FEE)]
    assert line_of(api, source=charge.id).id == line.id
    assert local.control.balance() == {"sgd": {"amount": 4900, "fee": FEE, "net": 4900 - FEE}}


@pytest.mark.parametrize(("currency", "amount", "fee"), [("usd", 1000, 84), ("jpy", 1000, 34), ("krw", 21000, 714)])
def test_the_fee_is_reckoned_in_the_currencys_own_units(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create, currency: str, amount: int, fee: int
) -> None:
    local.control.pay(checkout(line_items=[a_line(amount, currency)]).id)
    assert (line_of(api).fee, line_of(api).currency) == (fee, currency)


def test_money_is_pending_until_it_may_be_paid_out(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    paid(local, checkout)
    assert line_of(api).status == "pending"
    before = api.v1.balance.retrieve()
    assert ([part.amount for part in before.pending], before.available) == ([4900 - FEE], [])
    local.control.advance(SETTLING + 1)
    assert line_of(api).status == "available"
    after = api.v1.balance.retrieve()
    assert ([part.amount for part in after.available], after.pending) == ([4900 - FEE], [])


def test_a_delayed_payment_moves_money_once_the_bank_has_paid(local: RunningSandbox, checkout: Create) -> None:
    good, bad = checkout(), checkout()
    for session in (good, bad):
        local.control.pay(session.id, method="delayed_debit")
    assert local.control.balance() == {}
    local.control.settle_delayed(good.id, ok=True)
    local.control.settle_delayed(bad.id, ok=False)
    assert local.control.balance()["sgd"]["amount"] == 4900


def test_a_declined_card_moves_nothing(local: RunningSandbox, checkout: Create) -> None:
    local.control.decline(checkout().id)
    assert local.control.balance() == {}


def test_a_refund_takes_its_amount_and_returns_no_fee(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    refund = api.v1.refunds.create(params={"payment_intent": paid(local, checkout), "amount": 900})
    line = line_of(api, source=refund.id)
    assert (line.type, line.amount, line.fee, line.id) == ("refund", -900, 0, refund.balance_transaction)
    assert local.control.balance()["sgd"] == {"amount": 4000, "fee": FEE, "net": 4000 - FEE}


def test_lines_are_found_by_type_and_time(api: stripe.StripeClient, local: RunningSandbox, checkout: Create) -> None:
    intent = paid(local, checkout)
    api.v1.refunds.create(params={"payment_intent": intent, "amount": 900})
    charge = line_of(api, type="charge")
    assert line_of(api, type="refund", created={"gte": charge.created}).amount == -900
    assert api.v1.balance_transactions.list(params={"created": {"lt": charge.created}}).data == []
    assert api.v1.balance_transactions.retrieve(charge.id).amount == 4900
    assert api.v1.balance_transactions.list(params={"currency": "usd"}).data == []


def test_the_balance_is_what_the_charges_refunds_and_disputes_say(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    """Whatever happens to the money, objects and ledger tell the same."""
    fails = api.v1.refunds.create(params={"payment_intent": paid(local, checkout, "4000000000005126"), "amount": 700})
    waits = api.v1.refunds.create(params={"payment_intent": paid(local, checkout, "4000000000007726"), "amount": 900})
    local.control.settle_refund(fails.id, ok=False)
    for card, won in (("4000000000000259", True), ("4000000000002685", False)):
        paid(local, checkout, card)
        local.control.settle_dispute(local.control.disputes()[0]["id"], won=won)
    paid(local, checkout, "4000000000001976")
    charges, refunds = local.control.charges(), local.control.refunds()
    taken = sum(charge["amount"] for charge in charges)
    given = sum(refund["amount"] for refund in refunds if refund["status"] in ("pending", "succeeded"))
    lost = sum(dispute["amount"] for dispute in local.control.disputes() if dispute["status"] == "lost")
    assert (given, given) == (waits.amount, sum(charge["amount_refunded"] for charge in charges))
    assert local.control.balance()["sgd"] == {
        "amount": taken - given - lost,
        "fee": FEE * len(charges) + 1500,
        "net": taken - given - lost - FEE * len(charges) - 1500,
    }
