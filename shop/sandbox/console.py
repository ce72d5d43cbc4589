"""The controls as a page, for whoever tries a shop out: what happened, what was delivered, and buttons for the rest."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from shop.sandbox import faults, lists, owed, sessions
from shop.sandbox.cards import CARDS
from shop.sandbox.control import Control
from shop.sandbox.currencies import written
from shop.sandbox.forms import NAMED
from shop.sandbox.look import account, page
from shop.sandbox.offered import APPS
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.store import Transaction
from shop.sandbox.strangers import sent_by_another_page

bp = Blueprint("console", __name__, url_prefix="/_control")

Fields = MultiDict[str, str]
MOST_EVENTS = 40
MOST_SESSIONS = 12


def _pay(control: Control, given: Fields) -> object:
    means = given["means"]
    if means.isdigit():
        return control.pay(given["session_id"], means)
    return control.pay(given["session_id"], method=means)


def _fault(control: Control, given: Fields) -> None:
    kind, times, which = given["kind"], _number(given["n"]), given["which"].strip() or "*"
    if kind in faults.KINDS:
        control.fail_next(times, kind, path=which)
    else:
        control.fault_deliveries(kind, times, which)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number") from None


# What a button does, and what is said when it is done.
_ACTS: dict[str, tuple[Callable[[Control, Fields], object], str]] = {
    "pay": (_pay, "Paid."),
    "expire": (lambda c, f: c.expire(f["session_id"]), "The session has expired."),
    "bank_yes": (lambda c, f: c.settle_delayed(f["session_id"], ok=True), "The bank said yes."),
    "bank_no": (lambda c, f: c.settle_delayed(f["session_id"], ok=False), "The bank said no."),
    "dispute": (lambda c, f: c.dispute(f["session_id"]), "The payment is disputed."),
    "won": (lambda c, f: c.settle_dispute(f["dispute_id"], won=True), "The bank decided for the shop."),
    "lost": (lambda c, f: c.settle_dispute(f["dispute_id"], won=False), "The bank decided for the buyer."),
    "arrives": (lambda c, f: c.settle_refund(f["refund_id"], ok=True), "The refund has arrived."),
    "fails": (lambda c, f: c.settle_refund(f["refund_id"], ok=False), "The refund has failed."),
    "resend": (lambda c, f: c.resend(f["event_id"]), "The event is sent once more."),
    "deliver": (lambda c, _: c.deliver_now(), "Everything that was owed has been tried once."),
    "hold": (lambda c, _: c.hold_deliveries(), "Nothing is delivered until you release it."),
    "release": (lambda c, _: c.release_deliveries(), "Deliveries go on."),
    "advance": (lambda c, f: c.advance(60 * _number(f["minutes"])), "The clock was put forward."),
    "fault": (_fault, "The fault is planned."),
    "chaos": (lambda c, f: c.chaos(_number(f["seed"])), "Chaos is on. It ends when you ask for calm."),
    "calm": (lambda c, _: c.calm(), "All faults are over, and what was owed has been delivered."),
}


@bp.get("")
def show() -> Response:
    done = _ACTS.get(request.args.get("done", ""))
    return _shown(said=done[1] if done else "")


@bp.post("")
def act() -> AnyResponse:
    """One button. A page of another origin cannot press it: browsers say where a form comes from."""
    if sent_by_another_page(request):
        return _shown(403, wrong="This form was not from this page.")
    name = request.form.get("act", "")
    if name not in _ACTS:
        return _shown(400, wrong="There is no such button.")
    try:
        _ACTS[name][0](Control(account()), request.form)
    except (Refusal, ValueError) as refused:
        return _shown(422, wrong=str(refused))
    return redirect(url_for("console.show", done=name), 303)


def _shown(status: int = 200, *, said: str = "", wrong: str = "") -> Response:
    deliveries = account().deliveries
    with account().store.transaction() as tx:
        try:
            found = lists.of_kind(tx, "event", _page_of_events(), "")
        except Refusal:
            found = lists.of_kind(tx, "event", {"limit": MOST_EVENTS}, "")
        sent = owed.listed(tx, [event["id"] for event in found.items])
        recent = lists.of_kind(tx, sessions.KIND, {"limit": MOST_SESSIONS}, "").items
        shown = {
            "events": [_with_deliveries(event, sent) for event in found.items],
            "older": found.items[-1]["id"] if found.has_more else None,
            "is_first": "after" not in request.args,
            "sessions": [_with_money(tx, session) for session in recent],
            "waiting": owed.count(tx, "pending") + owed.count(tx, "sending"),
            **faults.expected(tx),
        }
    answer = page(
        "sandbox/console.html",
        status,
        said=said,
        wrong=wrong,
        endpoint=deliveries.endpoint.url,
        is_held=deliveries.is_held,
        ahead=round(account().store.offset / 60),
        call_kinds=faults.KINDS,
        delivery_kinds=faults.DELIVERY_KINDS,
        cards=CARDS,
        apps=NAMED,
        at=lambda seconds: datetime.fromtimestamp(seconds, UTC),
        written=written,
        **shown,
    )
    # A browser that may send no referrer says "null" for a form's origin, too, and the form would be a stranger's.
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def _page_of_events() -> dict[str, Any]:
    after = request.args.get("after")
    return {"limit": MOST_EVENTS} | ({"starting_after": after} if after else {})


def _with_deliveries(event: Body, sent: list[Body]) -> Body:
    """The event, its deliveries, and one word for how they stand."""
    own = [delivery for delivery in sent if delivery["event"] == event["id"]]
    states = {delivery["state"] for delivery in own}
    stands = "undelivered"
    if states & {"pending", "sending"}:
        stands = "waiting"
    elif "delivered" in states:
        stands = "delivered"
    elif own and all(delivery["fault"] == "drop" for delivery in own):
        stands = "dropped"
    elif own:
        stands = "given up"
    return {"body": event, "about": event["data"]["object"], "deliveries": own, "stands": stands}


def _with_money(tx: Transaction, session: Body) -> Body:
    """The session with its charge, and what has been asked back."""
    intent = tx.get("payment_intent", session["payment_intent"]) if session["payment_intent"] else None
    charge = tx.find("charge", (intent or {}).get("latest_charge") or "")
    disputed = tx.of_charge("dispute", charge["id"]) if charge else []
    refunded = tx.of_charge("refund", charge["id"]) if charge else []
    return {
        "body": session,
        "is_with_the_bank": bool(intent and intent["status"] == "processing"),
        "disputes": disputed,
        "refunds": refunded,
        "is_disputable": session["payment_status"] == "paid"
        and all(dispute["status"] in ("won", "lost", "warning_closed") for dispute in disputed)
        and bool(charge and charge["amount"] > charge["amount_refunded"]),
        "paid_by": _paid_by(charge) if charge else "",
        "apps": [kind for kind in session["payment_method_types"] if kind in APPS],
        "takes_cards": "card" in session["payment_method_types"],
        "takes_debit": bool(set(session["payment_method_types"]) - {"card", *APPS}),
    }


def _paid_by(charge: Body) -> str:
    details = charge["payment_method_details"]
    if details["type"] == "card":
        return f"Paid by card ending in {details['card']['last4']}."
    return f"Paid by {NAMED.get(details['type'], 'bank debit')}."
