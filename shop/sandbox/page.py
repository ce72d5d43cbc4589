"""The hosted payment page, for a buyer's browser: no scripts, no cookies, nothing that is not on the page."""

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from shop.sandbox import payments, promotions, sessions
from shop.sandbox.cards import CARDS, Decline
from shop.sandbox.forms import PaymentForm
from shop.sandbox.look import account, page
from shop.sandbox.payments import Outcome
from shop.sandbox.promotions import NoSuchCode
from shop.sandbox.refusals import Refusal
from shop.sandbox.sessions import NotOpen
from shop.sandbox.sheet import Sheet, after, ended, form_page, read, to_shop

bp = Blueprint("page", __name__)


@bp.errorhandler(Refusal)
def unknown_session(_: Refusal) -> Response:
    return page("sandbox/gone.html", 404, heading="There is no such payment page")


@bp.app_errorhandler(404)
def unknown_page(_: NotFound) -> Response:
    return page("sandbox/gone.html", 404, heading="There is no such page")


@bp.get("/healthz")
def healthz() -> Response:
    return Response("ok\n", mimetype="text/plain")


@bp.get("/")
def welcome() -> Response:
    return page("sandbox/welcome.html", cards=CARDS)


@bp.get("/c/pay/<key>")
def show(key: str) -> Response:
    sheet = read(key)
    if not sheet.is_open:
        return ended(sheet.session)
    values = {"email": sheet.session["customer_email"] or ""}
    return form_page(sheet, PaymentForm(sheet.session, sheet.choices, data=values))


@bp.post("/c/pay/<key>")
def pay(key: str) -> AnyResponse:
    sheet = read(key)
    if not sheet.is_open:
        return after(sheet.session)
    form = PaymentForm(sheet.session, sheet.choices, request.form)
    if not sheet.is_own_form:
        return form_page(sheet, form, 400, notice="This form was not from this page. Check it and send it again.")
    if "fill" in request.form:
        return form_page(sheet, form.filled_in())
    # Whoever has typed a code and presses Enter expects it to count, and not to be charged without it.
    if {"apply", "remove"} & set(request.form) or (form.promotion_code.data or "").strip():
        return _reprice(key, sheet, form)
    if not form.validate():
        return form_page(sheet, form, 422)
    return _attempt(key, form)


def _reprice(key: str, sheet: Sheet, form: PaymentForm) -> AnyResponse:
    """The page with another price; what was typed so far stays."""
    try:
        with account().store.transaction() as tx:
            if "remove" in request.form:
                promotions.remove(tx, key)
            else:
                promotions.apply(tx, key, form.promotion_code.data or "")
    except NoSuchCode as refused:
        form.promotion_code.errors = [refused.sentence]
        return form_page(sheet, form, 422)
    except NotOpen as over:
        return after(over.session)
    form.promotion_code.data = ""
    return form_page(read(key), form)


def _attempt(key: str, form: PaymentForm) -> AnyResponse:
    try:
        with account().store.transaction() as tx:
            outcome = payments.pay(tx, key, form.buyer(), form.means())
            session = tx.get(sessions.KIND, key)
    except NotOpen as over:
        return after(over.session)
    account().deliveries.wake()
    if isinstance(outcome, Decline):
        form.tell(outcome)
        return form_page(read(key), form, 422)
    if outcome is Outcome.ELSEWHERE:
        return redirect(url_for("step.ask", key=key, step=read(key).private["pending"]["step"]), 303)
    return to_shop(session)
