"""The hosted payment page, for a buyer's browser: no scripts, no cookies, nothing that is not on the page."""

import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from shop.sandbox import payments, sessions
from shop.sandbox.account import Account
from shop.sandbox.cards import BY_LAST4, CARDS, Decline
from shop.sandbox.currencies import written
from shop.sandbox.forms import PaymentForm, test_buyer
from shop.sandbox.payments import NotOpen, Outcome
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.store import Transaction
from shop.sandbox.texts import ascii_host

bp = Blueprint("page", __name__)


@dataclass(frozen=True)
class Sheet:
    """What a page about one session shows."""

    session: Body
    items: list[Body]
    options: list[Body]
    private: Body

    @property
    def token(self) -> str:
        token: str = self.private["token"]
        return token


def _account() -> Account:
    account: Account = current_app.extensions["sandbox"]
    return account


def _sheet(tx: Transaction, key: str) -> Sheet:
    session = tx.get(sessions.KIND, key, "session")
    private = tx.private(key)
    items = [item | {"product": tx.get("product", item["price"]["product"])} for item in private["line_items"]]
    options = [
        option | {"rate": tx.get("shipping_rate", option["shipping_rate"])} for option in session["shipping_options"]
    ]
    return Sheet(session, items, options, private)


@bp.errorhandler(Refusal)
def unknown_session(_: Refusal) -> Response:
    return _page("sandbox/gone.html", 404, heading="There is no such payment page", session=None)


@bp.app_errorhandler(404)
def unknown_page(_: NotFound) -> Response:
    return _page("sandbox/gone.html", 404, heading="There is no such page", session=None)


@bp.get("/healthz")
def healthz() -> Response:
    return Response("ok\n", mimetype="text/plain")


@bp.get("/")
def welcome() -> Response:
    return _page("sandbox/welcome.html", 200, cards=CARDS, session=None)


@bp.get("/c/pay/<key>")
def show(key: str) -> Response:
    sheet = _read(key)
    if sheet.session["status"] != "open":
        return _ended(sheet.session)
    values = {"email": sheet.session["customer_email"] or ""}
    return _form_page(sheet, PaymentForm(sheet.session, _choices(sheet), data=values), 200)


@bp.post("/c/pay/<key>")
def pay(key: str) -> AnyResponse:
    sheet = _read(key)
    form = PaymentForm(sheet.session, _choices(sheet), request.form)
    if sheet.session["status"] != "open":
        return _after(sheet.session)
    if not _is_ours(sheet):
        return _form_page(sheet, form, 400, notice="This form was not from this page. Check it and send it again.")
    if "fill" in request.form:
        country = form.country.data or "SG"
        chosen = {
            "shipping_option": form.shipping_option.data,
            "method": form.method.data,
            "test_card": form.test_card.data,
        }
        return _form_page(sheet, PaymentForm(sheet.session, _choices(sheet), data=test_buyer(country) | chosen), 200)
    if not form.validate():
        return _form_page(sheet, form, 422)
    return _attempt(key, form)


@bp.get("/c/pay/<key>/3ds")
def authenticate(key: str) -> Response | AnyResponse:
    sheet = _read(key)
    if sheet.session["status"] != "open":
        return _ended(sheet.session)
    if "pending" not in sheet.private:
        return redirect(url_for("page.show", key=key), 303)
    with _account().store.transaction() as tx:
        amount = tx.get("payment_intent", sheet.session["payment_intent"])["amount"]
    return _page(
        "sandbox/secure.html",
        200,
        session=sheet.session,
        token=sheet.token,
        pending=sheet.private["pending"],
        amount=amount,
    )


@bp.post("/c/pay/<key>/3ds")
def answer(key: str) -> AnyResponse:
    sheet = _read(key)
    if sheet.session["status"] != "open":
        return _after(sheet.session)
    result = request.form.get("result")
    attempt = request.form.get("attempt", "")
    if not _is_ours(sheet) or result not in ("complete", "fail"):
        return redirect(url_for("page.authenticate", key=key), 303)
    account = _account()
    try:
        with account.store.transaction() as tx:
            pending = tx.private(key).get("pending", {})
            outcome = payments.answer_3ds(tx, key, passed=result == "complete", attempt=attempt)
            session = tx.get(sessions.KIND, key)
    except NotOpen as ended:
        return _after(ended.session)
    except Refusal:
        # It is not waited for any more: a second click, or another attempt in another tab.
        return redirect(url_for("page.authenticate", key=key), 303)
    account.deliveries.wake()
    if not isinstance(outcome, Decline):
        return _to_shop(session)
    sheet = _read(key)
    return _declined(sheet, PaymentForm(sheet.session, _choices(sheet), data=_as_filled_in(pending)), outcome)


def _as_filled_in(pending: Body) -> dict[str, str]:
    """The form's values before 3-D Secure, but for the security code; the number is that of the known test card."""
    buyer, card = pending["buyer"], BY_LAST4[pending["last4"]]
    known = {**buyer["address"], "email": buyer["email"], "name": buyer["name"]}
    values = {name: value or "" for name, value in known.items()}
    values |= {"shipping_option": buyer["shipping_rate"], "method": "card"}
    if not pending["is_typed"]:
        return values | {"test_card": card.number}
    return values | {"number": card.number, "exp": f"{pending['exp_month']:02} / {pending['exp_year'] % 100:02}"}


def _attempt(key: str, form: PaymentForm) -> AnyResponse:
    account = _account()
    try:
        with account.store.transaction() as tx:
            outcome = payments.pay(tx, key, form.buyer(), form.means())
            session = tx.get(sessions.KIND, key)
    except NotOpen as ended:
        return _after(ended.session)
    account.deliveries.wake()
    if isinstance(outcome, Decline):
        return _declined(_read(key), form, outcome)
    if outcome is Outcome.AUTHENTICATE:
        return redirect(url_for("page.authenticate", key=key), 303)
    return _to_shop(session)


def _declined(sheet: Sheet, form: PaymentForm, decline: Decline) -> Response:
    form.tell(decline)
    return _form_page(sheet, form, 422)


def _read(key: str) -> Sheet:
    with _account().store.transaction() as tx:
        return _sheet(tx, key)


def _is_ours(sheet: Sheet) -> bool:
    return hmac.compare_digest(request.form.get("token", "").encode(), sheet.token.encode())


def _choices(sheet: Sheet) -> list[tuple[str, str]]:
    return [(option["shipping_rate"], option["rate"]["display_name"]) for option in sheet.options]


def _after(session: Body) -> AnyResponse:
    """For a form that comes when it is too late: a second click, or the page left open."""
    return _ended(session) if session["status"] == "expired" else _to_shop(session)


def _to_shop(session: Body) -> AnyResponse:
    return redirect(return_address(session), 303)


def return_address(session: Body) -> str:
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _ended(session: Body) -> Response:
    if session["status"] == "expired":
        return _page("sandbox/gone.html", 410, heading="This payment page has expired", session=session)
    return _page("sandbox/paid.html", 200, session=session, back=return_address(session))


def _form_page(sheet: Sheet, form: PaymentForm, status: int, notice: str = "") -> Response:
    subtotal = sheet.session["amount_subtotal"]
    options = [
        option | {"number": number, "total": subtotal + option["shipping_amount"]}
        for number, option in enumerate(sheet.options)
    ]
    return _page(
        "sandbox/pay.html",
        status,
        session=sheet.session,
        items=sheet.items,
        options=options,
        form=form,
        token=sheet.token,
        cards=CARDS,
        notice=notice,
        pictures=[image for item in sheet.items for image in item["product"]["images"][:1]],
    )


def _page(
    template: str, status: int, *, session: Body | None, pictures: list[str] | None = None, **shown: Any
) -> Response:
    """A page under a strict policy: the shop's origin only for pictures, and as the target of a paid form."""
    currency = session["currency"] if session else "usd"
    name = session["branding_settings"]["display_name"] if session else _account().settings.business_name
    body = render_template(
        template, session=session, business=name, money=lambda amount: written(amount, currency), **shown
    )
    answer = make_response(body, status)
    images = " ".join(sorted({"'self'", *(_origin(url) for url in pictures or ())}))
    # Browsers hold a form's redirect against form-action too, and after paying it leads to the shop.
    targets = " ".join(["'self'", *([_origin(session["success_url"])] if session else [])])
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; img-src {images}; form-action {targets}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _origin(url: str) -> str:
    """As a header may carry it: in ASCII, and without a user's name."""
    parts = urlsplit(url)
    host = ascii_host(parts)
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{bracketed}{f':{parts.port}' if parts.port else ''}"
