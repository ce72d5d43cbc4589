"""What staff do about an order that waits for them, in one step each."""

from collections.abc import Callable

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from shop.checkout.attention import backorder, deal_with, give_back_unmatched
from shop.errors import InvalidChange, PaymentRefused, PaymentUnavailable
from shop.web.admin.forms import DealForm, put
from shop.web.admin.gate import actor, bp, needs
from shop.web.admin.orders import find_order, order_page
from shop.web.house import end_reading, house


@bp.post("/orders/<number>/attention")
@needs("orders.attend")
def deal_with_order(number: str) -> Response | tuple[str, int]:
    """Somebody has looked, and says what came of it."""
    found = find_order(number)
    form = DealForm(request.form)
    if not form.validate():
        return order_page(found, deal=form), 422
    end_reading()
    try:
        deal_with(house().database, found.number, note=form.note.data, actor=actor())
    except InvalidChange as refused:
        put(form, refused)
        return order_page(find_order(number), deal=form), 422
    flash("Dealt with.", "good")
    return _to(found.number)


@bp.post("/orders/<number>/backorders")
@needs("orders.attend")
def backorder_order(number: str) -> Response:
    """The goods come later; the buyer is told so."""
    return _done(
        number, lambda known: backorder(house().database, known, actor=actor()), "The order waits for its goods."
    )


@bp.post("/orders/<number>/returned-payments")
@needs("money.refund")
def give_payment_back(number: str) -> Response:
    """The whole of a payment that is not what the order asked for goes back, and the order ends."""
    press = request.form.get("press", "")[:40]
    return _done(
        number,
        lambda known: give_back_unmatched(house().database, house().gateway, known, actor=actor(), press=press),
        "The payment has been given back, and the order is cancelled.",
    )


def _done(number: str, act: Callable[[str], object], sentence: str) -> Response:
    found = find_order(number)
    end_reading()
    try:
        act(found.number)
    except InvalidChange as refused:
        flash(str(refused), "bad")
    except PaymentRefused as refused:
        flash(f"Stripe has refused it, and nothing was given back: {refused.reason}", "bad")
    except PaymentUnavailable:
        flash("Stripe has not answered yet. The shop asks again by itself, and gives it back once.", "warn")
    else:
        flash(sentence, "good")
    return _to(found.number)


def _to(number: str) -> Response:
    return redirect(url_for("admin.order", number=number), 303)
