"""The pages of an order, reached by its unguessable link."""

import re
from collections.abc import Mapping
from typing import Any

import structlog
from flask import Response, jsonify, redirect, render_template, url_for

from shop.cart import handles
from shop.checkout.closing import abandon, look_at_payment
from shop.errors import NotFound, PaymentRefused, PaymentUnavailable
from shop.fulfilment.shipments import shipments_of
from shop.orders.reading import OrderView, find_by_token
from shop.payments.refunds import RefundView, refunds_of
from shop.web.carts import keep_handle
from shop.web.house import end_reading, house, reading
from shop.web.limits import limiter
from shop.web.storefront.handover import adopt_into_own

log = structlog.get_logger(__name__)

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")


def find(token: str) -> OrderView:
    """The order that this link opens. Three statements. Raises NotFound."""
    order = find_by_token(reading(), token) if TOKEN.fullmatch(token) else None
    if order is None:
        raise NotFound("order")
    return order


def show(token: str) -> str:
    """GET /orders/<token>. Four statements, five once there may be refunds."""
    order = find(token)
    refunds: tuple[RefundView, ...] = ()
    if order.paid_at is not None or order.status in {"attention", "cancelled"}:
        refunds = tuple(refund for refund in refunds_of(reading(), order.id) if refund.is_known_to_the_buyer)
    return render_template(
        "storefront/order.html",
        order=order,
        refunds=refunds,
        parcels=shipments_of(reading(), order.id),
        address=part_of_address(order.address, house().served.name(order.country)),
        email=part_of_email(order.email),
    )


def state(token: str) -> Response:
    """GET /orders/<token>/state: what a waiting page compares."""
    order = find(token)
    return jsonify(status=order.buyers_status, version=order.version)


@limiter.limit("60/minute")
def come_back(token: str) -> Response:
    """GET /orders/<token>/return: back from the payment page, perhaps before the webhook; ask, then show the order."""
    order = find(token)
    end_reading()
    if not order.is_settled:
        try:
            look_at_payment(house().database, house().gateway, order.id)
        except (PaymentUnavailable, PaymentRefused) as error:
            # The page of the order says that it is waiting; the webhook, or the next look, will tell.
            log.warning("return_without_answer", order=order.number, code=error.code)
    return redirect(url_for("storefront.order", token=token), 303)  # type: ignore[return-value]


@limiter.limit("60/minute")
def cancelled(token: str) -> Response:
    """GET /orders/<token>/cancelled: back without having paid. Close the payment page, and leave an intact cart.

    The cart that "Buy now" made for itself gives its lines to the reader's own. Any other cart stays whose it is, for the
    order's link may have been passed on. An order that was paid after all is shown instead. Raises PaymentUnavailable rather than put goods into a second cart that the first one can
    still pay for.
    """
    order = find(token)
    end_reading()
    still_payable = False
    try:
        abandon(house().database, house().gateway, order.id)
    except (PaymentUnavailable, PaymentRefused) as error:
        # Its goods stay held until the sweep can ask again; the reader's cart counts them as the reader's own.
        log.warning("cancel_without_answer", order=order.number, code=error.code)
        still_payable = True
    order = find(token)
    end_reading()
    if order.paid_at is not None or order.processing_at is not None:
        return redirect(url_for("storefront.order", token=token), 303)  # type: ignore[return-value]
    answer = redirect(url_for("storefront.cart", cancelled=1), 303)
    with house().database.transaction() as session:
        if order.cart_id is not None and handles.is_express(session, order.cart_id):
            if still_payable:
                raise PaymentUnavailable
            keep_handle(answer, adopt_into_own(session, order.cart_id))  # type: ignore[arg-type]
    return answer  # type: ignore[return-value]


def part_of_address(address: Mapping[str, Any], country: str) -> tuple[str, ...]:
    """Enough of an address to recognise one's own, too little to find somebody by it: links are passed on."""
    if not address:
        return ()
    name = " ".join(
        f"{part[0]}." if index else part for index, part in enumerate(str(address.get("name") or "").split())
    )
    street = str(address.get("line1") or "")
    code = str(address.get("postal_code") or "")
    town = str(address.get("city") or address.get("state") or "")
    kept = (name, f"{street[:3]}…" if street else "", f"{code[:2]}… {town}".strip() if code else town, country)
    return tuple(part for part in kept if part)


def part_of_email(email: str) -> str:
    """ "jo…@example.com" for "joanna@example.com"."""
    name, at, host = email.partition("@")
    return f"{name[:2]}…@{host}" if at else ""
