"""The account's balance: one line for every movement of money, so that their sum is what the account holds.

Stripe's fees differ by country and card. Here each payment costs 3.4 % and fifty hundredths, a refund returns no fee,
and a dispute costs fifteen more, which come back if it is won.
"""

from shop.sandbox.currencies import decimals
from shop.sandbox.refusals import Body
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction

KIND = "balance_transaction"
SETTLING = 2 * 24 * 60 * 60
"""Seconds until the money of a payment may be paid out."""


def of_payment(tx: Transaction, charge: Body) -> str:
    """The line of a payment that succeeded; its id."""
    kind = "charge" if charge["payment_method_details"]["type"] == "card" else "payment"
    fee = charge["amount"] * 34 // 1000 + 50 * 10 ** decimals(charge["currency"]) // 100
    line = _line(tx, kind, charge["amount"], charge, fee=fee, category="charge", available_in=SETTLING)
    return str(line["id"])


def of_refund(tx: Transaction, refund: Body) -> str:
    """The line of a refund, written when it is made: the balance pays it then, whenever the bank does."""
    kind = "refund" if refund["charge"].startswith("ch_") else "payment_refund"
    return str(_line(tx, kind, -refund["amount"], refund, category="refund")["id"])


def of_failed_refund(tx: Transaction, refund: Body) -> str:
    """What comes back when a refund fails or is cancelled."""
    kind = "refund_failure" if refund["charge"].startswith("ch_") else "payment_failure_refund"
    return str(_line(tx, kind, refund["amount"], refund, category="refund_failure")["id"])


def of_dispute(tx: Transaction, dispute: Body, *, won: bool = False) -> Body:
    """The line of what a dispute takes, or of what comes back when it is `won`."""
    fee = 15 * 10 ** decimals(dispute["currency"])
    if won:
        return _line(tx, "adjustment", dispute["amount"], dispute, fee=-fee, category="dispute_reversal")
    return _line(tx, "adjustment", -dispute["amount"], dispute, fee=fee, category="dispute")


def as_read(tx: Transaction, line: Body) -> Body:
    """The line with its status of now: pending until the money may be paid out."""
    return line | {"status": "pending" if line["available_on"] > tx.due_clock else "available"}


def sums(tx: Transaction) -> dict[str, Body]:
    """Of each currency the lines' sums in minor units: `amount`, `fee`, and `net`, which is the balance."""
    rows = tx.rows(
        "SELECT json_extract(body, '$.currency'), sum(json_extract(body, '$.amount')), sum(json_extract(body, '$.fee')),"
        " sum(json_extract(body, '$.net')) FROM objects WHERE object = ? GROUP BY 1 ORDER BY 1",
        (KIND,),
    )
    return {currency: {"amount": amount, "fee": fee, "net": net} for currency, amount, fee, net in rows}


def read(tx: Transaction) -> Body:
    """The balance as the API tells it: what may be paid out, and what will be."""
    held: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
    for currency, available, net in tx.rows(
        "SELECT json_extract(body, '$.currency'), json_extract(body, '$.available_on') <= ?,"
        " sum(json_extract(body, '$.net')) FROM objects WHERE object = ? GROUP BY 1, 2 ORDER BY 1",
        (tx.due_clock, KIND),
    ):
        held["available" if available else "pending"][currency] = net
    shares = {
        name: [{"amount": net, "currency": currency, "source_types": {"card": net}} for currency, net in sums.items()]
        for name, sums in held.items()
    }
    return completed({"object": "balance", "livemode": False, **shares})


def _line(
    tx: Transaction, kind: str, amount: int, source: Body, *, category: str, fee: int = 0, available_in: int = 0
) -> Body:
    currency = source["currency"]
    shares = [{"amount": fee, "currency": currency, "description": "Stripe processing fees", "type": "stripe_fee"}]
    return tx.insert(
        completed(
            {
                "id": tx.new_id("txn_"),
                "object": KIND,
                "amount": amount,
                "available_on": int(tx.due_clock) + available_in,
                "balance_type": "payments",
                "created": tx.now,
                "currency": currency,
                "description": source.get("description"),
                "fee": fee,
                "fee_details": shares if fee else [],
                "net": amount - fee,
                "reporting_category": category,
                "source": source["id"],
                "status": "pending" if available_in else "available",
                "type": kind,
            }
        )
    )
