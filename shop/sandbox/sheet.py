"""What the pages about one session show, and the payment form's own page."""

import hmac
import math
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shop.sandbox import sessions
from shop.sandbox.cards import CARDS
from shop.sandbox.forms import PaymentForm
from shop.sandbox.look import account, page, return_address
from shop.sandbox.refusals import Body


@dataclass(frozen=True)
class Sheet:
    """A session with what belongs to it, as it was at one moment."""

    session: Body
    items: list[Body]
    options: list[Body]
    private: Body
    seconds_left: int
    code: str
    """The promotion code that is applied, if any."""

    @property
    def is_open(self) -> bool:
        return bool(self.session["status"] == "open")

    @property
    def is_own_form(self) -> bool:
        """Whether the form that was sent came from a page of this session."""
        token: str = self.private["token"]
        return hmac.compare_digest(request.form.get("token", "").encode(), token.encode())

    @property
    def choices(self) -> list[tuple[str, str]]:
        return [(option["shipping_rate"], option["rate"]["display_name"]) for option in self.options]


def read(key: str) -> Sheet:
    """Raises Refusal, 404, for an unknown session."""
    with account().store.transaction() as tx:
        session = tx.get(sessions.KIND, key, "session")
        private = tx.private(key)
        items = [item | {"product": tx.get("product", item["price"]["product"])} for item in private["line_items"]]
        options = [
            option | {"rate": tx.get("shipping_rate", option["shipping_rate"])}
            for option in session["shipping_options"]
        ]
        codes = [tx.get("promotion_code", each["promotion_code"])["code"] for each in session["discounts"]]
        left = math.ceil(private["deadline"] - tx.due_clock)
    return Sheet(session, items, options, private, left, "".join(codes))


def form_page(sheet: Sheet, form: PaymentForm, status: int = 200, notice: str = "") -> Response:
    """The payment form. When its time is over, the browser asks for it anew by itself, and is told so."""
    session = sheet.session
    goods = session["amount_subtotal"] - session["total_details"]["amount_discount"]
    options = [
        option | {"number": number, "total": goods + option["shipping_amount"]}
        for number, option in enumerate(sheet.options)
    ]
    answer = page(
        "sandbox/pay.html",
        status,
        session=session,
        items=sheet.items,
        options=options,
        costs_something=max((option["total"] for option in options), default=session["amount_total"]) > 0,
        form=form,
        token=sheet.private["token"],
        code=sheet.code,
        cards=CARDS,
        notice=notice,
        open_until=datetime.fromtimestamp(session["expires_at"], UTC),
        pictures=[image for item in sheet.items for image in item["product"]["images"][:1]],
    )
    # A second later than due, for then it has surely expired.
    answer.headers["Refresh"] = f"{max(0, sheet.seconds_left) + 1}; url={url_for('page.show', key=session['id'])}"
    return answer


def ended(session: Body) -> Response:
    if session["status"] == "expired":
        return page("sandbox/gone.html", 410, heading="This payment page has expired", session=session)
    return page("sandbox/paid.html", session=session, back=return_address(session))


def after(session: Body) -> AnyResponse:
    """For a form that comes when it is too late: a second click, or the page left open."""
    return ended(session) if session["status"] == "expired" else to_shop(session)


def to_shop(session: Body) -> AnyResponse:
    return redirect(return_address(session), 303)
