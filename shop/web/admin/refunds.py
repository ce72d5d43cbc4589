"""Giving money back: what is chosen is shown with its sum first, and goes out when somebody has agreed to that sum."""

import secrets

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from shop.checkout.refund_plan import Plan
from shop.checkout.refunding import quote, refund
from shop.errors import InvalidChange, PaymentRefused, PaymentUnavailable
from shop.money import Money
from shop.orders.reading import OrderView
from shop.payments.refunds import refundable, refunds_of
from shop.web.admin.forms import put
from shop.web.admin.gate import actor, bp, needs
from shop.web.admin.orders import find_order
from shop.web.admin.refund_form import RefundForm
from shop.web.house import end_reading, house, reading


@bp.get("/orders/<number>/refunds/new")
@needs("money.refund")
def new_refund(number: str) -> str:
    found = find_order(number)
    return _page(found, _form(found, None))


@bp.post("/orders/<number>/refunds")
@needs("money.refund")
def refund_order(number: str) -> Response | tuple[str, int] | str:
    """The first time the sum is shown; the second time, with that very sum `agreed`, it is given back."""
    found = find_order(number)
    form = _form(found, request.form)
    if not form.validate():
        return _page(found, form), 422
    try:
        planned = quote(
            reading(),
            found.number,
            lines=form.chosen(),
            shipping=bool(form.shipping.data),
            amount_minor=form.amount_minor,
            press=form.press.data or "",
        )
    except InvalidChange as refused:
        return _refused(found, form, refused)
    if form.agreed.data != str(planned.amount_minor):
        changed = bool(form.agreed.data)  # by a colleague, or in another field after the sum had been shown
        form.agreed.process_data(str(planned.amount_minor))
        return (_page(found, form, planned, changed=changed), 409) if changed else _page(found, form, planned)
    end_reading()
    try:
        made = refund(
            house().database,
            house().gateway,
            found.number,
            lines=form.chosen(),
            shipping=bool(form.shipping.data),
            amount_minor=form.amount_minor,
            restock=bool(form.restock.data),
            reason=form.reason.data,
            note=form.note.data or "",
            actor=actor(),
            press=form.press.data or "",
        )
    except InvalidChange as refused:
        return _refused(find_order(number), form, refused)
    except PaymentRefused as refused:
        flash(f"Stripe has refused it, and nothing was given back: {refused.reason}", "bad")
    except PaymentUnavailable:
        flash("Stripe has not answered yet. The shop asks again by itself, and gives it back once.", "warn")
    else:
        flash(*_said_of(found.id, made))
    return redirect(url_for("admin.order", number=found.number), 303)


def _said_of(order_id: int, refund_id: int) -> tuple[str, str]:
    """What to say of a refund that Stripe has just answered, and in which tone."""
    status = next(each.status for each in refunds_of(reading(), order_id) if each.id == refund_id)
    if status == "succeeded":
        return "Given back. The buyer gets a mail.", "good"
    if status in {"failed", "canceled"}:
        return "Stripe could not send it; the money is still here. The order says why.", "bad"
    return "On its way. The buyer gets a mail once Stripe has sent it.", "good"


def _form(found: OrderView, sent: object) -> RefundForm:
    form = RefundForm(sent, currency=found.currency, lines=[line.id for line in found.lines])
    if not form.press.data:
        form.press.process_data(secrets.token_urlsafe(16))
    return form


def _refused(found: OrderView, form: RefundForm, refused: InvalidChange) -> tuple[str, int]:
    form.agreed.process_data("")
    rows = [row.pieces for row in form.pieces.values() if row.pieces.data]
    if refused.field == "lines" and rows:
        rows[0].errors = [*rows[0].errors, str(refused)]
    else:
        put(form, refused, {"lines": "amount"})
    return _page(found, form), 422


def _page(found: OrderView, form: RefundForm, planned: Plan | None = None, *, changed: bool = False) -> str:
    return render_template(
        "admin/refund.html",
        order=found,
        form=form,
        left=refundable(reading(), found),
        sum=None if planned is None else Money(planned.amount_minor, found.currency),
        changed=changed,
    )
