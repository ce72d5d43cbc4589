"""What a buyer says yes or no to on another page: the bank's for 3-D Secure, PayNow's code, GrabPay's own."""

from dataclasses import asdict

from shop.sandbox import events
from shop.sandbox.cards import AUTHENTICATION_FAILED, BY_LAST4, Decline, Means
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.store import Transaction

SECURE, PAYNOW, GRABPAY = "3ds", "paynow", "grabpay"
STEPS = (SECURE, PAYNOW, GRABPAY)
"""The pages, as the addresses under a session's name them."""

_REFUSED = {
    SECURE: AUTHENTICATION_FAILED,
    PAYNOW: Decline(
        "payment_intent_payment_attempt_expired",
        "The PayNow code ran out before it was paid. Nothing was charged; choose how to pay and try again.",
        field="method",
    ),
    GRABPAY: Decline(
        "payment_intent_authentication_failure",
        "GrabPay did not authorise the payment. Nothing was charged; choose how to pay and try again.",
        field="method",
    ),
}


def step_of(means: Means) -> str | None:
    """Where the buyer has to go before money is taken, if anywhere."""
    if means.card:
        return SECURE if means.card.asks_3ds else None
    return means.app or None


def ask(tx: Transaction, session: Body, intent: Body, method: Body, buyer: Body, means: Means) -> None:
    """The intent waits for the buyer's answer, and the session remembers what it was asked about."""
    step = step_of(means) or SECURE
    intent |= {
        "status": "requires_action",
        "payment_method": method["id"],
        "next_action": _next_action(step, session["url"]),
    }
    tx.update(intent)
    events.record(tx, "payment_intent.requires_action", intent)
    private = tx.private(session["id"])
    private["pending"] = {
        "step": step,
        "buyer": buyer,
        "method": method["id"],
        "means": asdict(means) | {"card": means.card and means.card.last4},
    }
    tx.remember(session["id"], private)


def take_answer(tx: Transaction, session_id: str, attempt: str | None) -> Body:
    """What the answer is about; it is not waited for any more.

    `attempt` is the payment method that the page asked about, if that is known: another tab may ask by now about
    another card, and an answer is for the question that it was given to. Raises Refusal when nobody had asked.
    """
    private = tx.private(session_id)
    pending: Body | None = private.pop("pending", None)
    if pending is None or attempt not in (None, pending["method"]):
        raise Refusal("This Checkout Session is not waiting for authentication.")
    tx.remember(session_id, private)
    return pending


def forget(tx: Transaction, session_id: str) -> None:
    """A new attempt takes the place of one whose answer is awaited: the two may differ in what is due."""
    private = tx.private(session_id)
    if private.pop("pending", None):
        tx.remember(session_id, private)


def means_of(pending: Body) -> Means:
    known = pending["means"]
    return Means(**known | {"card": BY_LAST4[known["card"]] if known["card"] else None})


def refused(step: str) -> Decline:
    """Why there is no money when the buyer says no."""
    return _REFUSED[step]


def _next_action(step: str, url: str) -> Body:
    page = f"{url}/{step}"
    if step == PAYNOW:
        code = {
            "data": page,
            "hosted_instructions_url": page,
            "image_url_png": f"{page}.png",
            "image_url_svg": f"{page}.svg",
        }
        return {"type": "paynow_display_qr_code", "paynow_display_qr_code": code}
    return {"type": "redirect_to_url", "redirect_to_url": {"url": page, "return_url": url}}
