"""Refunds that take time, fail, wait for the buyer or are taken back, as the SDK sees them."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from stripe.checkout import Session

from shop.sandbox.refunds import BANK_TAKES, BUYER_HAS
from shop.sandbox.refusals import Refusal
from shop.sandbox.server import RunningSandbox

Create = Callable[..., Session]
PENDING_THEN_PAID = "4000000000007726"
PAID_THEN_FAILED = "4000000000005126"


@pytest.fixture
def refund(api: stripe.StripeClient, local: RunningSandbox, checkout: Create) -> Callable[..., stripe.Refund]:
    """Refunds a new payment of S$49.00, made with `card` or by the delayed debit."""

    def make(card: str = "4242424242424242", *, method: str = "card", **params: Any) -> stripe.Refund:
        session = checkout()
        paid = local.control.pay(session.id, card, method=method)
        if method != "card":
            paid = local.control.settle_delayed(session.id)
        wanted: Any = {"payment_intent": paid["payment_intent"], **params}
        return api.v1.refunds.create(params=wanted)

    return make


Refunding = Callable[..., stripe.Refund]


def refunded(api: stripe.StripeClient, refund: stripe.Refund) -> tuple[int, bool]:
    charge = api.v1.charges.retrieve(str(refund.charge))
    return charge.amount_refunded, charge.refunded


def told(local: RunningSandbox, since: int = 0) -> list[str]:
    return [event["type"] for event in local.control.events()][since:]


CHANGED = ["refund.updated", "charge.refund.updated"]


@pytest.mark.parametrize(("card", "method"), [(PENDING_THEN_PAID, "card"), ("", "delayed_debit")])
@pytest.mark.parametrize("by", ["being told", "the clock"])
def test_a_pending_refund_counts_at_once_and_succeeds_later(
    api: stripe.StripeClient, local: RunningSandbox, refund: Refunding, card: str, method: str, by: str
) -> None:
    made = refund(card, method=method)
    assert (made.status, made.pending_reason) == ("pending", "processing")
    assert refunded(api, made) == (4900, True)
    before = len(told(local))
    if by == "the clock":
        local.control.advance(BANK_TAKES - 60)
        assert api.v1.refunds.retrieve(made.id).status == "pending"
        local.control.advance(60)
    else:
        local.control.settle_refund(made.id, ok=True)
    after = api.v1.refunds.retrieve(made.id)
    assert (after.status, after.pending_reason, after.failure_reason) == ("succeeded", None, None)
    assert refunded(api, made) == (4900, True)
    assert told(local, before) == CHANGED
    (event,) = local.control.events("refund.updated")
    assert event["data"]["previous_attributes"] == {"status": "pending", "pending_reason": "processing"}


@pytest.mark.parametrize("by", ["being told", "the clock"])
def test_a_refund_that_fails_after_it_succeeded_gives_the_amount_back(
    api: stripe.StripeClient, local: RunningSandbox, refund: Refunding, by: str
) -> None:
    made = refund(PAID_THEN_FAILED, amount=1500)
    assert made.status == "succeeded"
    assert refunded(api, made) == (1500, False)
    before = len(told(local))
    if by == "the clock":
        local.control.advance(BANK_TAKES)
    else:
        local.control.settle_refund(made.id, ok=False)
    failed = api.v1.refunds.retrieve(made.id, params={"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    line: Any = failed.failure_balance_transaction
    assert (line.type, line.amount, line.fee, line.source) == ("refund_failure", 1500, 0, made.id)
    assert refunded(api, made) == (0, False)
    assert told(local, before) == [*CHANGED, "refund.failed"]
    again = api.v1.refunds.create(params={"charge": str(made.charge)})
    assert again.amount == 4900, "what came back may be refunded once more"


def test_only_the_failed_one_of_two_refunds_is_given_back(
    api: stripe.StripeClient, local: RunningSandbox, refund: Refunding
) -> None:
    first = refund(PENDING_THEN_PAID, amount=1000)
    second = api.v1.refunds.create(params={"charge": str(first.charge)})
    assert refunded(api, first) == (4900, True)
    local.control.settle_refund(second.id, ok=False)
    assert refunded(api, first) == (1000, False)


def test_a_refund_ends_once(local: RunningSandbox, refund: Refunding) -> None:
    made = refund(PENDING_THEN_PAID)
    local.control.settle_refund(made.id, ok=False)
    for ok in (True, False):
        with pytest.raises(Refusal, match="has a status of failed already"):
            local.control.settle_refund(made.id, ok=ok)
    local.control.advance(BANK_TAKES)
    assert [body["status"] for body in local.control.refunds()] == ["failed"]
    with pytest.raises(Refusal, match="has a status of succeeded already"):
        local.control.settle_refund(refund().id)


@pytest.fixture
def waiting(refund: Refunding) -> stripe.Refund:
    """A refund that waits until the buyer has said where the money should go."""
    return refund(method="delayed_debit", instructions_email="reader@example.com")


def test_a_refund_that_waits_for_the_buyer_may_be_taken_back(
    api: stripe.StripeClient, local: RunningSandbox, waiting: stripe.Refund
) -> None:
    assert waiting.status == "requires_action"
    assert waiting.next_action
    assert waiting.next_action.display_details
    assert waiting.next_action.display_details.email_sent.email_sent_to == "reader@example.com"
    assert refunded(api, waiting) == (4900, True)
    before = len(told(local))
    canceled = api.v1.refunds.cancel(waiting.id)
    assert (canceled.status, canceled.failure_reason) == ("canceled", "merchant_request")
    assert "next_action" not in canceled
    assert refunded(api, waiting) == (0, False)
    assert told(local, before) == CHANGED
    with pytest.raises(stripe.InvalidRequestError, match="has a status of canceled"):
        api.v1.refunds.cancel(waiting.id)


@pytest.mark.parametrize("by", ["the clock", "the test helper"])
def test_a_refund_that_the_buyer_does_not_answer_fails(
    api: stripe.StripeClient, local: RunningSandbox, waiting: stripe.Refund, by: str
) -> None:
    if by == "the clock":
        local.control.advance(BUYER_HAS)
    else:
        api.v1.test_helpers.refunds.expire(waiting.id)
    assert api.v1.refunds.retrieve(waiting.id).status == "failed"
    assert refunded(api, waiting) == (0, False)
    assert told(local)[-1] == "refund.failed"


def test_a_refund_that_the_buyer_answers_succeeds(
    api: stripe.StripeClient, local: RunningSandbox, waiting: stripe.Refund
) -> None:
    local.control.settle_refund(waiting.id)
    after = api.v1.refunds.retrieve(waiting.id)
    assert after.status == "succeeded"
    assert "next_action" not in after


@pytest.mark.parametrize("act", ["cancel", "expire"])
@pytest.mark.parametrize("card", ["4242424242424242", PENDING_THEN_PAID])
def test_a_refund_on_its_way_cannot_be_taken_back(
    api: stripe.StripeClient, refund: Refunding, card: str, act: str
) -> None:
    made = refund(card)
    with pytest.raises(stripe.InvalidRequestError, match="only one that requires action"):
        api.v1.refunds.cancel(made.id) if act == "cancel" else api.v1.test_helpers.refunds.expire(made.id)
    assert api.v1.refunds.retrieve(made.id).status == made.status


def test_a_refund_of_a_card_payment_asks_the_buyer_nothing(refund: Refunding) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="instructions_email"):
        refund(instructions_email="reader@example.com")
    with pytest.raises(stripe.InvalidRequestError, match="Invalid email address: nobody"):
        refund(method="delayed_debit", instructions_email="nobody")


def test_refunds_are_listed_by_charge_and_by_time(
    api: stripe.StripeClient, local: RunningSandbox, refund: Refunding
) -> None:
    one, other = refund(amount=100), refund(amount=200)
    listed = api.v1.refunds.list(params={"charge": str(one.charge)}).data
    assert [found.id for found in listed] == [one.id]
    everything = api.v1.refunds.list(params={"created": {"gte": one.created, "lte": other.created}}).data
    assert [found.id for found in everything] == [other.id, one.id]
    assert api.v1.refunds.list(params={"created": {"gt": other.created}}).data == []
    assert api.v1.refunds.list(params={"created": {"lt": one.created}}).data == []
