"""Disputes, and how they begin: a buyer's bank takes a payment back, or asks about it.

docs.stripe.com/disputes tells the states; docs.stripe.com/testing the cards and the evidence that decides at once.
"""

from shop.sandbox import balance, events, refunds
from shop.sandbox.cards import BY_LAST4
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
CLOSED = ("won", "lost", "warning_closed", "prevented")
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
    if any(dispute["status"] not in CLOSED for dispute in former):
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
