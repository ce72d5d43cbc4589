"""How disputes end: the shop answers or gives in, and the bank decides."""

from shop.sandbox import balance, events, evidence, refunds
from shop.sandbox.disputes import CLOSED, KIND, SHOP_HAS
from shop.sandbox.metadata import change_metadata
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.store import Transaction


def update(tx: Transaction, key: str, params: Body) -> Body:
    """Metadata and evidence. Evidence is submitted to the bank unless `submit` is false, and that only once.

    Raises Refusal for evidence to a dispute that does not wait for any.
    """
    dispute = tx.get(KIND, key, "dispute")
    before = dict(dispute)
    if "intended_submission_method" in params:
        dispute["intended_submission_method"] = params["intended_submission_method"]
    change_metadata(dispute, params)
    given = params.get("evidence", {})
    submits = params.get("submit", bool(given))
    if given or submits:
        evidence.add(dispute, given, submits=submits)
    if dispute != before:
        _tell_change(tx, dispute, before)
    if submits:
        return _decide_by_evidence(tx, dispute)
    return dispute


def close(tx: Transaction, key: str) -> Body:
    """The shop gives in: lost for good, or closed if it was an inquiry. Raises Refusal when it is not the shop's turn."""
    dispute = tx.get(KIND, key, "dispute")
    if dispute["status"] not in evidence.ANSWERED:
        message = f"This dispute has a status of {dispute['status']}: it cannot be closed any more."
        raise Refusal(message, param="dispute", executed=True)
    return _end(tx, dispute, "warning_closed" if dispute["status"] == "warning_needs_response" else "lost")


def settle(tx: Transaction, key: str, *, won: bool, may_appeal: bool = False) -> Body:
    """The bank's decision. An inquiry is closed when `won`, and otherwise becomes a dispute that takes the money.

    With `may_appeal` a decision against the shop waits for its appeal. Raises Refusal for a dispute that has ended.
    """
    dispute = tx.get(KIND, key, "dispute")
    status = dispute["status"]
    if status in CLOSED:
        raise Refusal(f"This dispute has a status of {status} already.", param="dispute")
    before = dict(dispute)
    if status.startswith("warning_"):
        return _end(tx, dispute, "warning_closed") if won else _escalate(tx, dispute, before)
    if won:
        return _reinstate(tx, dispute)
    if may_appeal and status == "under_review":
        dispute["status"] = "appeal_needs_response"
        tx.remember(key, {"deadline": tx.due_clock + SHOP_HAS})
        return _tell_change(tx, dispute, before)
    return _end(tx, dispute, "lost")


def settle_due(tx: Transaction) -> None:
    """An unanswered dispute is lost when its time has passed, and an inquiry is closed."""
    for key in tx.due(KIND):
        dispute = tx.get(KIND, key)
        dispute["evidence_details"]["past_due"] = not dispute["status"].startswith("warning_")
        _end(tx, dispute, "lost" if dispute["evidence_details"]["past_due"] else "warning_closed")


def _decide_by_evidence(tx: Transaction, dispute: Body) -> Body:
    """What docs.stripe.com/testing calls winning, losing and escalating evidence decides at once."""
    if not dispute["status"].startswith("warning_"):
        # The bank has it now, and takes its time.
        tx.remember(dispute["id"], {})
    said = dispute["evidence"]["uncategorized_text"]
    if said == "winning_evidence":
        return settle(tx, dispute["id"], won=True)
    if said == "escalate_inquiry_evidence" and dispute["status"] == "warning_under_review":
        return settle(tx, dispute["id"], won=False)
    if said == "losing_evidence":
        inquiry = dispute["status"] == "warning_under_review"
        return _end(tx, dispute, "warning_closed") if inquiry else settle(tx, dispute["id"], won=False)
    return dispute


def _escalate(tx: Transaction, dispute: Body, before: Body) -> Body:
    """The inquiry takes the money that has not been refunded by now; if all of it was, there is nothing to dispute."""
    refunds.fail_pending(tx, dispute["charge"])
    charge = tx.get("charge", dispute["charge"])
    dispute["amount"] = min(dispute["amount"], charge["amount"] - charge["amount_refunded"])
    if dispute["amount"] == 0:
        return _end(tx, dispute | {"amount": before["amount"]}, "warning_closed")
    dispute |= {"status": "needs_response", "is_charge_refundable": False}
    dispute["balance_transactions"] = [balance.of_dispute(tx, dispute)]
    if dispute["payment_method_details"]:
        details = dispute["payment_method_details"]
        dispute["payment_method_details"] = details | {"card": details["card"] | {"case_type": "chargeback"}}
    dispute["evidence_details"] = dispute["evidence_details"] | {"due_by": int(tx.due_clock + SHOP_HAS)}
    tx.remember(dispute["id"], {"deadline": tx.due_clock + SHOP_HAS})
    _tell_change(tx, dispute, before)
    events.record(tx, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def _reinstate(tx: Transaction, dispute: Body) -> Body:
    dispute["is_charge_refundable"] = True
    dispute["balance_transactions"] = [*dispute["balance_transactions"], balance.of_dispute(tx, dispute, won=True)]
    _end(tx, dispute, "won")
    events.record(tx, "charge.dispute.funds_reinstated", dispute)
    return dispute


def _end(tx: Transaction, dispute: Body, status: str) -> Body:
    dispute["status"] = status
    tx.update(dispute)
    tx.remember(dispute["id"], {})
    events.record(tx, "charge.dispute.closed", dispute)
    return dispute


def _tell_change(tx: Transaction, dispute: Body, before: Body) -> Body:
    tx.update(dispute)
    events.record(tx, "charge.dispute.updated", dispute, {k: v for k, v in before.items() if dispute[k] != v})
    return dispute
