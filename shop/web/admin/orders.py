"""Orders: the list by status, one order with everything behind it, and the parcel that leaves."""

import re
import secrets
from urllib.parse import urlsplit

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from shop.checkout.ship import ship
from shop.errors import InvalidChange, NotFound
from shop.fulfilment.shipments import shipments_of
from shop.orders.models import ORDER_STATUSES
from shop.orders.reading import OrderView, count_by_status, find_by_number, list_orders
from shop.payments.disputes import disputes_of
from shop.payments.inbox import events_of_order
from shop.payments.refunds import refundable, refunds_of
from shop.web.admin.asked import one_of, words
from shop.web.admin.forms import DealForm, ShipForm, put
from shop.web.admin.gate import actor, bp, may, needs
from shop.web.house import end_reading, house, reading

# The order of the tabs: what needs hands first.
TABS = (
    "paid",
    "attention",
    "disputed",
    "processing",
    "pending",
    "shipped",
    "partly_refunded",
    "refunded",
    "payment_failed",
    "expired",
    "cancelled",
)
# Told even when there is none; the rest have a tab only while they have orders.
ALWAYS = {"paid", "attention"}
NAMES = {
    "paid": "To ship",
    "attention": "Needs attention",
    "processing": "Payment on its way",
    "pending": "Waiting for payment",
    "shipped": "Shipped",
    "partly_refunded": "Partly refunded",
    "refunded": "Refunded",
    "disputed": "Disputed",
    "payment_failed": "Payment failed",
    "expired": "Not paid in time",
    "cancelled": "Cancelled",
}


@bp.context_processor
def _names() -> dict[str, object]:
    return {"order_names": NAMES}


@bp.get("/orders")
@needs("orders.see")
def orders() -> str:
    session = reading()
    search, status = words("q"), one_of("status", frozenset(ORDER_STATUSES))
    counts = count_by_status(session)
    return render_template(
        "admin/orders.html",
        search=search,
        status=status,
        counts=counts,
        tabs=[tab for tab in TABS if counts.get(tab) or tab == status or tab in ALWAYS],
        page=list_orders(session, status=status or None, after=request.args.get("after"), search=search),
    )


@bp.get("/orders/<number>")
@needs("orders.see")
def order(number: str) -> str:
    return order_page(find_order(number))


@bp.post("/orders/<number>/shipments")
@needs("orders.ship")
def ship_order(number: str) -> Response | tuple[str, int]:
    found = find_order(number)
    form = ShipForm(request.form)
    if not form.validate() or not _is_page(form):
        return order_page(found, form), 422
    end_reading()
    try:
        ship(
            house().database,
            found.number,
            carrier=form.carrier.data or "",
            tracking_number=form.tracking_number.data,
            tracking_url=form.tracking_url.data or "",
            actor=actor(),
        )
    except InvalidChange as refused:
        put(form, refused)
        found = find_order(number)
        return order_page(found, form), 422 if found.is_to_ship else 409
    flash("Marked as shipped; the buyer gets a mail.", "good")
    return redirect(url_for("admin.order", number=found.number), 303)


def find_order(number: str) -> OrderView:
    """The order with this number, as its page shows it. Raises NotFound."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,16}", number):
        raise NotFound("order")
    found = find_by_number(reading(), number)
    if found is None:
        raise NotFound("order")
    return found


def _is_page(form: ShipForm) -> bool:
    """Whether the tracking page is empty or an https address; says so beside the field if not."""
    address = (form.tracking_url.data or "").strip()
    if not address:
        return True
    try:
        parts = urlsplit(address)
        fine = parts.scheme == "https" and bool(parts.hostname) and not parts.username and " " not in address
    except ValueError:
        fine = False
    if not fine:
        form.tracking_url.errors = ["Write a web address that begins with https://."]
    return fine


def order_page(found: OrderView, form: ShipForm | None = None, deal: DealForm | None = None) -> str:
    """The order's page, with the forms as they were sent where they were refused."""
    session = reading()
    sees_money = may("money.see")
    return render_template(
        "admin/order.html",
        order=found,
        form=form or ShipForm(),
        deal=deal or DealForm(),
        press=secrets.token_urlsafe(16),
        shipments=shipments_of(session, found.id),
        events=events_of_order(session, found.id) if sees_money else (),
        refunds=refunds_of(session, found.id) if sees_money else (),
        disputes=disputes_of(session, found.id) if sees_money else (),
        left=refundable(session, found) if sees_money else None,
        dashboard=_dashboard(found),
        can_ship=may("orders.ship") and found.is_to_ship,
    )


def _dashboard(found: OrderView) -> str:
    """Where Stripe's own page of the payment is; a local Stripe has none."""
    if not found.payment_intent or house().settings.stripe_api_base:
        return ""
    return f"https://dashboard.stripe.com/{'' if found.livemode else 'test/'}payments/{found.payment_intent}"
