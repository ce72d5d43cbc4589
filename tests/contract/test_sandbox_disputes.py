"""Disputes and inquiries: how they begin, how a shop answers, how they end, as the SDK sees them."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from stripe.checkout import Session

from shop.sandbox.disputes import INQUIRY_LASTS, SHOP_HAS
from shop.sandbox.refusals import Refusal
from shop.sandbox.server import RunningSandbox

Create = Callable[..., Session]
FRAUD, NOT_RECEIVED, INQUIRY = "4000000000000259", "4000000000002685", "4000000000001976"
DISPUTE_FEE = 1500


@pytest.fixture
def disputed(api: stripe.StripeClient, local: RunningSandbox, checkout: Create) -> Callable[..., stripe.Dispute]:
    """The dispute that comes of a payment of S$49.00 with one of the cards."""

    def make(card: str = FRAUD) -> stripe.Dispute:
        paid = local.control.pay(checkout().id, card)
        (dispute,) = api.v1.disputes.list(params={"payment_intent": paid["payment_intent"]}).data
        return dispute

    return make


Disputing = Callable[..., stripe.Dispute]


def told(local: RunningSandbox) -> list[str]:
    return [event["type"] for event in local.control.events() if "dispute" in event["type"]]


def balance(local: RunningSandbox) -> int:
    net: int = local.control.balance()["sgd"]["net"]
    return net


@pytest.mark.parametrize(
    ("card", "reason", "code"), [(FRAUD, "fraudulent", "10.4"), (NOT_RECEIVED, "product_not_received", "13.1")]
)
def test_a_card_that_is_disputed_pays_first_and_then_the_money_is_withdrawn(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create, card: str, reason: str, code: str
) -> None:
    paid = local.control.pay(checkout().id, card)
    assert paid["payment_status"] == "paid"
    (dispute,) = api.v1.disputes.list(params={"expand": ["data.charge", "data.payment_intent"]}).data
    assert (dispute.status, dispute.reason, dispute.network_reason_code) == ("needs_response", reason, code)
    assert (dispute.amount, dispute.currency, dispute.is_charge_refundable) == (4900, "sgd", False)
    charge: Any = dispute.charge
    assert (charge.disputed, charge.paid, charge.amount_refunded) == (True, True, 0)
    assert dispute.evidence_details.due_by == pytest.approx(dispute.created + SHOP_HAS, abs=2)
    (line,) = dispute.balance_transactions
    assert (line.amount, line.fee, line.net) == (-4900, DISPUTE_FEE, -4900 - DISPUTE_FEE)
    assert (line.type, line.reporting_category, line.source) == ("adjustment", "dispute", dispute.id)
    events = local.control.events()
    assert [event["type"] for event in events][-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    (succeeded,) = local.control.events("charge.succeeded")
    assert succeeded["data"]["object"]["disputed"] is False, "the event tells of its own moment"


def test_an_inquiry_takes_no_money_and_the_payment_may_be_refunded(
    api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing
) -> None:
    inquiry = disputed(INQUIRY)
    assert (inquiry.status, inquiry.balance_transactions, inquiry.is_charge_refundable) == (
        "warning_needs_response",
        [],
        True,
    )
    assert inquiry.payment_method_details
    assert inquiry.payment_method_details.card
    assert inquiry.payment_method_details.card.case_type == "inquiry"
    assert told(local) == ["charge.dispute.created"]
    assert api.v1.refunds.create(params={"charge": str(inquiry.charge)}).status == "succeeded"


def test_a_payment_that_was_charged_back_cannot_be_refunded(api: stripe.StripeClient, disputed: Disputing) -> None:
    charge = str(disputed().charge)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.refunds.create(params={"charge": charge})
    assert refused.value.user_message == f"Charge {charge} has been charged back; cannot issue a refund."
    assert refused.value.code == "charge_disputed"


def test_winning_evidence_brings_the_money_and_the_fee_back(
    api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing
) -> None:
    dispute = disputed()
    taken = balance(local)
    won = api.v1.disputes.update(dispute.id, params={"evidence": {"uncategorized_text": "winning_evidence"}})
    assert (won.status, won.evidence_details.has_evidence, won.evidence_details.submission_count) == ("won", True, 1)
    assert [line.net for line in won.balance_transactions] == [-6400, 6400]
    assert balance(local) == taken + 4900 + DISPUTE_FEE
    assert told(local)[2:] == [
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]
    (updated,) = local.control.events("charge.dispute.updated")
    assert updated["data"]["object"]["status"] == "under_review"
    assert updated["data"]["previous_attributes"]["status"] == "needs_response"
    assert api.v1.refunds.create(params={"charge": str(dispute.charge)}).status == "succeeded"


def test_losing_evidence_leaves_the_money_with_the_buyer(
    api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing
) -> None:
    dispute = disputed()
    taken = balance(local)
    lost = api.v1.disputes.update(dispute.id, params={"evidence": {"uncategorized_text": "losing_evidence"}})
    assert (lost.status, balance(local)) == ("lost", taken)
    assert told(local)[-1] == "charge.dispute.closed"
    with pytest.raises(stripe.InvalidRequestError, match="has been charged back"):
        api.v1.refunds.create(params={"charge": str(dispute.charge)})


def test_evidence_is_staged_until_it_is_submitted_and_submitted_once(
    api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing
) -> None:
    dispute = disputed()
    staged = api.v1.disputes.update(
        dispute.id,
        params={"evidence": {"customer_name": "Ada Reader"}, "submit": False, "metadata": {"order": "U-1"}},
    )
    assert (staged.status, staged.evidence.customer_name) == ("needs_response", "Ada Reader")
    assert staged.evidence_details.has_evidence
    assert staged.evidence_details.submission_count == 0
    sent = api.v1.disputes.update(dispute.id, params={"submit": True})
    assert (sent.status, sent.evidence.customer_name, sent.metadata["order"]) == ("under_review", "Ada Reader", "U-1")
    assert (sent.evidence_details.submission_count, sent.evidence_details.submission_method) == (1, "manual")
    with pytest.raises(stripe.InvalidRequestError, match="evidence can no longer be submitted"):
        api.v1.disputes.update(dispute.id, params={"evidence": {"customer_name": "Bo"}})
    local.control.advance(SHOP_HAS)
    assert api.v1.disputes.retrieve(dispute.id).status == "under_review", "it was answered in time"
    assert local.control.settle_dispute(dispute.id, won=True)["status"] == "won"


def test_metadata_may_change_after_the_end_and_says_nothing_when_it_does_not(
    api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing
) -> None:
    dispute = disputed()
    api.v1.disputes.close(dispute.id)
    for _ in range(2):
        api.v1.disputes.update(dispute.id, params={"metadata": {"note": "lost"}})
    (event,) = local.control.events("charge.dispute.updated")
    assert event["data"]["previous_attributes"] == {"metadata": {}}


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        ({"receipt": "file_123"}, "No such file upload: 'file_123'"),
        ({"product_description": "x" * 150_001}, "combined length of the evidence"),
        ({"enhanced_evidence": {"visa_compliance": {"fee_acknowledged": True}}}, "does not play"),
    ],
)
def test_evidence_that_cannot_be_is_refused(
    api: stripe.StripeClient, disputed: Disputing, evidence: Any, message: str
) -> None:
    dispute = disputed()
    with pytest.raises(stripe.InvalidRequestError, match=message):
        api.v1.disputes.update(dispute.id, params={"evidence": evidence})
    assert api.v1.disputes.retrieve(dispute.id).status == "needs_response"


def test_a_shop_may_give_in_once(api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing) -> None:
    dispute = disputed()
    closed = api.v1.disputes.close(dispute.id)
    assert (closed.status, closed.is_charge_refundable) == ("lost", False)
    assert told(local)[-1] == "charge.dispute.closed"
    with pytest.raises(stripe.InvalidRequestError, match="it cannot be closed any more"):
        api.v1.disputes.close(dispute.id)


def test_giving_in_to_an_inquiry_closes_it_and_takes_nothing(
    api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing
) -> None:
    closed = api.v1.disputes.close(disputed(INQUIRY).id)
    assert (closed.status, closed.balance_transactions) == ("warning_closed", [])
    assert told(local)[-1] == "charge.dispute.closed"


def test_an_unanswered_dispute_is_lost_when_its_time_has_passed(
    api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing
) -> None:
    dispute = disputed()
    local.control.advance(SHOP_HAS)
    lost = api.v1.disputes.retrieve(dispute.id)
    assert (lost.status, lost.evidence_details.past_due) == ("lost", True)


def test_an_inquiry_ends_by_itself_or_with_an_answer(
    api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing
) -> None:
    unanswered, answered = disputed(INQUIRY), disputed(INQUIRY)
    sent = api.v1.disputes.update(answered.id, params={"evidence": {"uncategorized_text": "It was sent."}})
    assert sent.status == "warning_under_review"
    local.control.advance(INQUIRY_LASTS)
    for inquiry in (unanswered, answered):
        assert api.v1.disputes.retrieve(inquiry.id).status == "warning_closed"
    assert balance(local) == sum(charge["amount"] - 216 for charge in local.control.charges())


@pytest.mark.parametrize("said", ["winning_evidence", "losing_evidence"])
def test_evidence_may_end_an_inquiry_at_once(api: stripe.StripeClient, disputed: Disputing, said: str) -> None:
    inquiry = disputed(INQUIRY)
    assert (
        api.v1.disputes.update(inquiry.id, params={"evidence": {"uncategorized_text": said}}).status == "warning_closed"
    )


def test_an_inquiry_may_become_a_dispute(api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing) -> None:
    inquiry = disputed(INQUIRY)
    dispute = api.v1.disputes.update(
        inquiry.id, params={"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}}
    )
    assert (dispute.status, dispute.is_charge_refundable) == ("needs_response", False)
    assert [line.amount for line in dispute.balance_transactions] == [-4900]
    assert told(local)[-1] == "charge.dispute.funds_withdrawn"
    local.control.advance(SHOP_HAS)
    assert api.v1.disputes.retrieve(inquiry.id).status == "lost"


def test_an_inquiry_takes_no_more_than_was_not_refunded(
    api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing
) -> None:
    part, whole = disputed(INQUIRY), disputed(INQUIRY)
    api.v1.refunds.create(params={"charge": str(part.charge), "amount": 900})
    api.v1.refunds.create(params={"charge": str(whole.charge)})
    taken = local.control.settle_dispute(part.id, won=False)
    assert (taken["status"], taken["amount"]) == ("needs_response", 4000)
    assert local.control.settle_dispute(whole.id, won=False)["status"] == "warning_closed"


def test_a_lost_dispute_may_be_appealed(api: stripe.StripeClient, local: RunningSandbox, disputed: Disputing) -> None:
    dispute = disputed()
    api.v1.disputes.update(dispute.id, params={"evidence": {"uncategorized_text": "It was sent."}})
    assert local.control.settle_dispute(dispute.id, won=False, may_appeal=True)["status"] == "appeal_needs_response"
    appealed = api.v1.disputes.update(
        dispute.id, params={"evidence": {"appeal": {"card": {"reason_for_filing": "new proof"}}}}
    )
    assert appealed.status == "appeal_under_review"
    assert local.control.settle_dispute(dispute.id, won=True)["status"] == "won"
    with pytest.raises(Refusal, match="has a status of won already"):
        local.control.settle_dispute(dispute.id, won=False)


@pytest.fixture
def paid(local: RunningSandbox, checkout: Create) -> Session:
    session = checkout()
    local.control.pay(session.id)
    return session


def test_a_dispute_may_be_of_a_part_and_for_any_reason(local: RunningSandbox, paid: Session) -> None:
    dispute = local.control.dispute(paid.id, "duplicate", 1000)
    assert (dispute["amount"], dispute["reason"], dispute["network_reason_code"]) == (1000, "duplicate", "12.6")
    with pytest.raises(Refusal, match="is disputed already"):
        local.control.dispute(paid.id)
    local.control.settle_dispute(dispute["id"], won=False)
    assert local.control.dispute(paid.id, "general")["amount"] == 3900, "what was lost is not lost again"


def test_a_prevented_dispute_takes_nothing(api: stripe.StripeClient, local: RunningSandbox, paid: Session) -> None:
    before = balance(local)
    dispute = local.control.dispute(paid.id, status="prevented")
    assert (dispute["status"], balance(local)) == ("prevented", before)
    assert api.v1.refunds.create(params={"charge": dispute["charge"]}).status == "succeeded"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reason": "boredom"}, "Invalid reason: must be one of bank_cannot_process"),
        ({"status": "won"}, "Invalid status: must be one of needs_response"),
        ({"amount": 4901}, "Between 1 and 4900"),
        ({"amount": 0}, "Between 1 and 4900"),
    ],
)
def test_a_dispute_that_cannot_be_is_refused(
    local: RunningSandbox, paid: Session, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refusal, match=message):
        local.control.dispute(paid.id, **wrong)
    assert local.control.disputes() == []


def test_an_unpaid_session_cannot_be_disputed(local: RunningSandbox, checkout: Create) -> None:
    with pytest.raises(Refusal, match="No such payment_intent"):
        local.control.dispute(checkout().id)
    declined = checkout()
    local.control.decline(declined.id)
    with pytest.raises(Refusal, match="it cannot be disputed"):
        local.control.dispute(declined.id)


def test_a_dispute_ends_a_refund_that_is_on_its_way(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout()
    paid = local.control.pay(session.id, "4000000000007726")
    refund = api.v1.refunds.create(params={"payment_intent": paid["payment_intent"], "amount": 900})
    assert local.control.dispute(session.id)["amount"] == 4900
    failed = api.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "charge_for_pending_refund_disputed")
