"""What happens when a buyer presses Pay: one code path for the hosted page and for the controls."""

from dataclasses import asdict, dataclass
from enum import Enum, auto

from shop.sandbox import charges, disputes, elsewhere, events, intents
from shop.sandbox.cards import Decline, Means
from shop.sandbox.offered import debit_for
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.resources import completed
from shop.sandbox.sessions import KIND, NotOpen, priced
from shop.sandbox.store import Transaction


@dataclass(frozen=True)
class Address:
    country: str | None = None
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None


@dataclass(frozen=True)
class Buyer:
    """What the page asks of a buyer. `shipping_rate` is the id of the chosen one, if the session offers any."""

    email: str
    name: str
    address: Address
    shipping_rate: str | None = None


class Outcome(Enum):
    PAID = auto()
    PROCESSING = auto()
    ELSEWHERE = auto()
    """The buyer has to answer on another page first."""


def pay(tx: Transaction, session_id: str, buyer: Buyer, means: Means) -> Outcome | Decline:
    """Attempts the payment of an open session. Raises NotOpen, and Refusal for an unknown session.

    A decline is returned, not raised, since the transaction must keep the failed charge.
    """
    session = _open_session(tx, session_id)
    session = _with_shipping(tx, session, buyer.shipping_rate)
    elsewhere.forget(tx, session_id)
    if session["amount_total"] == 0:
        _complete(tx, session, buyer, None, "no_payment_required")
        return Outcome.PAID
    kind = means.app or (debit_for(session["currency"]) if means.is_delayed else "card")
    if kind not in session["payment_method_types"]:
        raise Refusal(f"This Checkout Session does not offer the payment method type {kind}.", param="payment_method")
    intent = _intent_of(tx, session, buyer)
    method = charges.payment_method(tx, means, _billing(buyer), session["currency"])
    if elsewhere.step_of(means):
        elsewhere.ask(tx, session, intent, method, asdict(buyer), means)
        return Outcome.ELSEWHERE
    decline = means.card.decline if means.card else None
    return _settle(tx, session, intent, method, buyer, means, decline)


def answer(tx: Transaction, session_id: str, *, passed: bool, attempt: str | None = None) -> Outcome | Decline:
    """What the buyer answered on the page that asked for it: the bank's, PayNow's or GrabPay's.

    Raises NotOpen, or Refusal when nobody had asked, or had asked about another `attempt`.
    """
    session = _open_session(tx, session_id)
    pending = elsewhere.take_answer(tx, session_id, attempt)
    means = elsewhere.means_of(pending)
    buyer = Buyer(**(pending["buyer"] | {"address": Address(**pending["buyer"]["address"])}))
    session = _with_shipping(tx, session, buyer.shipping_rate)
    intent = tx.get("payment_intent", session["payment_intent"])
    method = tx.get("payment_method", pending["method"])
    if not passed:
        refusal = elsewhere.refused(pending["step"])
        charges.fail_intent(tx, intent, method, refusal, None)
        return refusal
    decline = means.card.decline_after_3ds if means.card else None
    return _settle(tx, session, intent, method, buyer, means, decline, authenticated=means.card is not None)


def settle_delayed(tx: Transaction, session_id: str, *, ok: bool) -> Body:
    """The bank's answer to a delayed debit. Raises Refusal unless the session is complete and unpaid."""
    session = tx.get(KIND, session_id, "session")
    if session["status"] != "complete" or session["payment_status"] != "unpaid":
        raise Refusal("This Checkout Session is not waiting for a delayed payment.")
    intent = tx.get("payment_intent", session["payment_intent"])
    charge = tx.get("charge", intent["latest_charge"])
    if intent["status"] != "processing":
        raise Refusal("This Checkout Session is not waiting for a delayed payment.")
    if ok:
        charges.succeed(tx, charge["id"])
        intents.succeed(tx, intent, charge["id"])
        session["payment_status"] = "paid"
        tx.update(session)
        events.record(tx, "checkout.session.async_payment_succeeded", session)
    else:
        refusal = Decline("payment_method_provider_decline", "The customer's bank account could not be debited.")
        failed = {"status": "failed", "failure_code": refusal.code, "failure_message": refusal.message}
        charge |= failed | {"captured": False, "amount_captured": 0}
        tx.update(charge)
        events.record(tx, "charge.failed", charge)
        method = tx.get("payment_method", charge["payment_method"])
        charges.fail_intent(tx, intent, method, refusal, charge["id"])
        events.record(tx, "checkout.session.async_payment_failed", session)
    return session


def _open_session(tx: Transaction, session_id: str) -> Body:
    session = tx.get(KIND, session_id, "session")
    if session["status"] != "open":
        raise NotOpen(session)
    return session


def _with_shipping(tx: Transaction, session: Body, rate: str | None) -> Body:
    options = session["shipping_options"]
    if not options:
        return session
    chosen = next((option for option in options if option["shipping_rate"] == rate), None)
    if chosen is None:
        raise Refusal(f"No such shipping rate: '{rate}'", code="resource_missing", param="shipping_rate")
    return priced(tx, session, session["amount_subtotal"], chosen)


def _intent_of(tx: Transaction, session: Body, buyer: Buyer) -> Body:
    """The session's payment intent, made when the buyer first tries to pay, with what is due now."""
    shipping = _shipping(session, buyer)
    if session["payment_intent"]:
        intent = tx.get("payment_intent", session["payment_intent"])
        return tx.update(intent | {"amount": session["amount_total"], "shipping": shipping or intent["shipping"]})
    wanted = tx.private(session["id"])["payment_intent_data"] | ({"shipping": shipping} if shipping else {})
    types, due = session["payment_method_types"], session["amount_total"]
    intent = intents.begin(tx, wanted, amount=due, currency=session["currency"], types=types, session=session["id"])
    stored = tx.get(KIND, session["id"])
    tx.update(stored | {"payment_intent": intent["id"]})
    session["payment_intent"] = intent["id"]
    return intent


def _whole_shipping(shipping: Body | None) -> Body | None:
    return None if shipping is None else {"carrier": None, "phone": None, "tracking_number": None, **shipping}


def _settle(
    tx: Transaction,
    session: Body,
    intent: Body,
    method: Body,
    buyer: Buyer,
    means: Means,
    decline: Decline | None,
    authenticated: bool = False,
) -> Outcome | Decline:
    made = charges.charge(tx, intent, method, means, decline, authenticated)
    if decline:
        charges.fail_intent(tx, intent, method, decline, made["id"])
        return decline
    intent |= {"payment_method": method["id"], "next_action": None, "last_payment_error": None}
    if means.is_delayed:
        intent |= {"status": "processing", "latest_charge": made["id"]}
        tx.update(intent)
        events.record(tx, "payment_intent.processing", intent)
        _complete(tx, session, buyer, intent["id"], "unpaid")
        return Outcome.PROCESSING
    intents.succeed(tx, intent, made["id"])
    _complete(tx, session, buyer, intent["id"], "paid")
    disputes.follow(tx, made["id"])
    return Outcome.PAID


def _complete(tx: Transaction, session: Body, buyer: Buyer, intent: str | None, payment_status: str) -> None:
    asks_address = bool(session["shipping_address_collection"])
    session |= {
        "collected_information": {"shipping_details": _named_address(buyer)} if asks_address else None,
        "customer_details": {
            "address": asdict(buyer.address),
            "email": buyer.email,
            "name": buyer.name,
            "tax_exempt": "none",
            "tax_ids": [],
        },
        "payment_intent": intent,
        "payment_status": payment_status,
        "status": "complete",
        "url": None,
    }
    session = completed(session)
    tx.update(session)
    events.record(tx, "checkout.session.completed", session)


def _named_address(buyer: Buyer) -> Body:
    return {"name": buyer.name, "address": asdict(buyer.address)}


def _shipping(session: Body, buyer: Buyer) -> Body | None:
    return _whole_shipping(_named_address(buyer)) if session["shipping_address_collection"] else None


def _billing(buyer: Buyer) -> Body:
    return {"name": buyer.name, "email": buyer.email, "address": asdict(buyer.address), "phone": None, "tax_id": None}
