"""Promotion codes: what a buyer may type on a page that has a field for one, and what it takes off."""

from dataclasses import dataclass

from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.resources import completed
from shop.sandbox.sessions import KIND, NotOpen, priced
from shop.sandbox.store import Transaction


@dataclass(frozen=True)
class Code:
    """A code of this account; `percent` is taken off the goods, not off their shipping."""

    code: str
    percent: int
    active: bool = True


CODES = (Code("SUMMER10", 10), Code("FREE100", 100), Code("SPRING25", 25, active=False))


class NoSuchCode(Exception):
    """Nobody has this code, or it is over: `sentence` says which, for the buyer."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def apply(tx: Transaction, session_id: str, typed: str) -> Body:
    """Takes the code's share off a session. Raises NoSuchCode, NotOpen, and Refusal where the shop allows no codes."""
    session = _open(tx, session_id)
    if not session["allow_promotion_codes"]:
        raise Refusal("This Checkout Session does not take promotion codes.", param="discounts")
    known = next((code for code in CODES if code.code == typed.strip().upper()), None)
    if known is None:
        raise NoSuchCode("This code is not known. Look at its spelling.")
    if not known.active:
        raise NoSuchCode("This code has run out.")
    made = _promotion_code(tx, known)
    return _reprice(tx, session, known.percent, [{"coupon": made["promotion"]["coupon"], "promotion_code": made["id"]}])


def remove(tx: Transaction, session_id: str) -> Body:
    """The full price again. Raises NotOpen."""
    return _reprice(tx, _open(tx, session_id), 0, [])


def shares(amounts: list[int], percent: int) -> list[int]:
    """What each of `amounts` gives of the discount on all: minor units, which add up to it.

    The discount is rounded once, half up, on the whole. What the lines' own shares leave over goes to the first lines.
    """
    discount = (sum(amounts) * percent + 50) // 100
    own = [amount * percent // 100 for amount in amounts]
    for number, amount in enumerate(amounts):
        more = min(amount - own[number], discount - sum(own))
        own[number] += min(more, 1)
    return own


def _open(tx: Transaction, session_id: str) -> Body:
    session = tx.get(KIND, session_id, "session")
    if session["status"] != "open":
        raise NotOpen(session)
    return session


def _reprice(tx: Transaction, session: Body, percent: int, discounts: list[Body]) -> Body:
    private = tx.private(session["id"])
    items: list[Body] = private["line_items"]
    taken = shares([item["amount_subtotal"] for item in items], percent)
    private["line_items"] = [
        item | {"amount_discount": share, "amount_total": item["amount_subtotal"] - share}
        for item, share in zip(items, taken, strict=True)
    ]
    # What was being authenticated was for another amount.
    private.pop("pending", None)
    tx.remember(session["id"], private)
    options = session["shipping_options"]
    chosen = session["shipping_cost"] and session["shipping_cost"]["shipping_rate"]
    option = next((option for option in options if option["shipping_rate"] == chosen), None)
    details = session["total_details"] | {"amount_discount": sum(taken)}
    changed = session | {"discounts": discounts, "total_details": details}
    return tx.update(priced(tx, changed, session["amount_subtotal"], option))


def _promotion_code(tx: Transaction, known: Code) -> Body:
    """The code's object, made with its coupon when it is first used."""
    for (key,) in tx.rows(
        "SELECT id FROM objects WHERE object = 'promotion_code' AND json_extract(body, '$.code') = ?", (known.code,)
    ):
        return tx.get("promotion_code", key)
    coupon = tx.insert(
        completed(
            {
                "id": tx.new_id("coupon_", 8),
                "object": "coupon",
                "created": tx.now,
                "duration": "once",
                "livemode": False,
                "metadata": {},
                "name": f"{known.percent}% off",
                "percent_off": float(known.percent),
                "times_redeemed": 0,
                "valid": True,
            }
        )
    )
    return tx.insert(
        completed(
            {
                "id": tx.new_id("promo_"),
                "object": "promotion_code",
                "active": True,
                "code": known.code,
                "created": tx.now,
                "livemode": False,
                "metadata": {},
                "promotion": {"coupon": coupon["id"], "type": "coupon"},
                "restrictions": {"first_time_transaction": False},
                "times_redeemed": 0,
            }
        )
    )
