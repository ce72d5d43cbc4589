"""Disputes: a buyer's bank takes a payment back, the shop answers or gives in, and the bank decides.

docs.stripe.com/disputes tells the states; docs.stripe.com/testing the cards and the evidence that decides at once.
"""

from shop.sandbox import balance, events, evidence, refunds
from shop.sandbox.cards import BY_LAST4
from shop.sandbox.metadata import change_metadata
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction

KIND = "dispute"
DAY = 24 * 60 * 60
SHOP_HAS = 14 * DAY
"""Seconds of the sandbox's clock to answer a dispute; then it is lost."""
INQUIRY_LASTS = 120 * DAY
"""Seconds until an inquiry that the bank has not made a dispute of is closed."""

REASONS = (
    "bank_cannot_process",
    "check_returned",
    "credit_not_processed",
    "customer_initiated",
    "debit_not_authorized",
    "duplicate",
    "fraudulent",
    "general",
    "incorrect_account_details",
    "insufficient_funds",
    "noncompliant",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
)
BEGINNINGS = ("needs_response", "warning_needs_response", "prevented")
_CLOSED = ("won", "lost", "warning_closed", "prevented")
_CASES = {"needs_response": "chargeback", "warning_needs_response": "inquiry", "prevented": "block"}
# Visa's own numbers for what it calls a condition.
_VISA = {"fraudulent": "10.4", "product_not_received": "13.1", "product_unacceptable": "13.3", "duplicate": "12.6"}


def follow(tx: Transaction, charge_id: str) -> None:
    """What comes of a payment with one of the cards that are disputed as soon as they have paid."""
    charge = tx.get("charge", charge_id)
    card = BY_LAST4.get(charge["payment_method_details"].get("card", {}).get("last4", ""))
    if card and card.disputed_as and charge["status"] == "succeeded":
        begin(tx, charge, card.disputed_as, status=BEGINNINGS[1] if card.is_inquiry else BEGINNINGS[0])


def begin(
    tx: Transaction, charge: Body, reason: str, amount: int | None = None, status: str = "needs_response"
) -> Body:
    """The bank disputes a payment: all that is left of it unless `amount` (minor units) says how much.

    `status` may also be `warning_needs_response`, an inquiry, which takes no money, or `prevented`. Raises Refusal for
    a charge that was not paid, one with an open dispute, and for a reason or amount that cannot be.
    """
    for name, given, allowed in (("reason", reason, REASONS), ("status", status, BEGINNINGS)):
        if given not in allowed:
            raise Refusal(f"Invalid {name}: must be one of {', '.join(allowed)}", param=name)
    if charge["status"] != "succeeded":
        raise Refusal(f"Charge {charge['id']} is not paid: it cannot be disputed.", param="charge")
    former = tx.of_charge(KIND, charge["id"])
    if any(dispute["status"] not in _CLOSED for dispute in former):
        raise Refusal(f"Charge {charge['id']} is disputed already.", param="charge")
    refunds.fail_pending(tx, charge["id"])
    charge = tx.get("charge", charge["id"])
    taken = sum(dispute["amount"] for dispute in former if dispute["status"] == "lost")
    left = charge["amount"] - charge["amount_refunded"] - taken
    amount = left if amount is None else amount
    if not 1 <= amount <= left:
        raise Refusal(f"Between 1 and {left} of charge {charge['id']} may be disputed, not {amount}.", param="amount")
    tx.update(charge | {"disputed": True})
    dispute = tx.insert(completed(_new(tx, charge, reason, amount, status)), {"deadline": _deadline(tx, status)})
    if status == "needs_response":
        dispute["balance_transactions"] = [balance.of_dispute(tx, dispute)]
        tx.update(dispute)
    events.record(tx, "charge.dispute.created", dispute)
    if status == "needs_response":
        events.record(tx, "charge.dispute.funds_withdrawn", dispute)
    return dispute


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
    if status in _CLOSED:
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


def _deadline(tx: Transaction, status: str) -> float | None:
    lasts = {"needs_response": SHOP_HAS, "warning_needs_response": INQUIRY_LASTS}.get(status)
    return None if lasts is None else tx.due_clock + lasts


def _new(tx: Transaction, charge: Body, reason: str, amount: int, status: str) -> Body:
    card = charge["payment_method_details"].get("card")
    code = _VISA.get(reason) if card and card["brand"] == "visa" else None
    details = card and {"brand": card["brand"], "case_type": _CASES[status], "network": card["brand"]}
    return {
        "id": tx.new_id("du_"),
        "object": KIND,
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": None if status == "prevented" else int(tx.due_clock + SHOP_HAS),
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": status != "needs_response",
        "livemode": False,
        "metadata": {},
        "network_reason_code": code,
        "payment_intent": charge["payment_intent"],
        "payment_method_details": details and {"card": details | {"network_reason_code": code}, "type": "card"},
        "reason": reason,
        "status": status,
    }
