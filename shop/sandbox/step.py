"""The pages that a buyer is led to before money is taken: the bank's for 3-D Secure, PayNow's code, GrabPay's own."""

from io import BytesIO

import segno
from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from shop.sandbox import payments, sessions
from shop.sandbox.cards import Decline
from shop.sandbox.elsewhere import GRABPAY, PAYNOW, SECURE
from shop.sandbox.forms import PaymentForm
from shop.sandbox.look import account, page, private
from shop.sandbox.refusals import Refusal
from shop.sandbox.sessions import NotOpen
from shop.sandbox.sheet import after, ended, form_page, read, to_shop

bp = Blueprint("step", __name__)
_PAGES = {SECURE: "sandbox/secure.html", PAYNOW: "sandbox/paynow.html", GRABPAY: "sandbox/grabpay.html"}
_STEP = "<any('3ds', 'paynow', 'grabpay'):step>"


@bp.get(f"/c/pay/<key>/{_STEP}")
def ask(key: str, step: str) -> Response | AnyResponse:
    sheet = read(key)
    if not sheet.is_open:
        return ended(sheet.session)
    pending = sheet.private.get("pending")
    if pending is None:
        return redirect(url_for("page.show", key=key), 303)
    if pending["step"] != step:
        return redirect(url_for("step.ask", key=key, step=pending["step"]), 303)
    with account().store.transaction() as tx:
        amount = tx.get("payment_intent", sheet.session["payment_intent"])["amount"]
    token = sheet.private["token"]
    return page(_PAGES[step], session=sheet.session, token=token, step=step, pending=pending, amount=amount)


@bp.post(f"/c/pay/<key>/{_STEP}")
def answer(key: str, step: str) -> AnyResponse:
    sheet = read(key)
    if not sheet.is_open:
        return after(sheet.session)
    result = request.form.get("result")
    attempt = request.form.get("attempt", "")
    if not sheet.is_own_form or result not in ("complete", "fail"):
        return redirect(url_for("step.ask", key=key, step=step), 303)
    try:
        with account().store.transaction() as tx:
            pending = tx.private(key).get("pending", {})
            outcome = payments.answer(tx, key, passed=result == "complete", attempt=attempt)
            session = tx.get(sessions.KIND, key)
    except NotOpen as over:
        return after(over.session)
    except Refusal:
        # It is not waited for any more: a second click, or another attempt in another tab.
        return redirect(url_for("step.ask", key=key, step=step), 303)
    account().deliveries.wake()
    if not isinstance(outcome, Decline):
        return to_shop(session)
    sheet = read(key)
    form = PaymentForm.after_step(sheet.session, sheet.choices, pending)
    form.tell(outcome)
    return form_page(sheet, form, 422)


@bp.get("/c/pay/<key>/paynow.<any('svg', 'png'):kind>")
def code(key: str, kind: str) -> Response:
    """The QR code of a payment that waits for it. It leads to the page that shows it, as in Stripe's test mode."""
    sheet = read(key)
    if not sheet.is_open or sheet.private.get("pending", {}).get("step") != PAYNOW:
        raise NotFound
    drawn = BytesIO()
    made = segno.make(f"{sheet.session['url']}/{PAYNOW}", error="m")
    made.save(drawn, kind=kind, scale=6, border=4, light="#fff")
    types = {"svg": "image/svg+xml", "png": "image/png"}
    return private(Response(drawn.getvalue(), content_type=types[kind]))


@bp.errorhandler(Refusal)
def unknown_session(_: Refusal) -> Response:
    return page("sandbox/gone.html", 404, heading="There is no such payment page")
