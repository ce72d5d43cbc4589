"""An order that was never paid, ordered once more: what of it there still is, and into the cart with it."""

from collections.abc import Mapping

from flask import Response, redirect, render_template, url_for
from sqlalchemy.orm import Session

from shop.cart.again import Wanted, fill_again, still_there
from shop.cart.handles import find_cart
from shop.checkout.stops import mark_stopped
from shop.orders.held import held_by
from shop.orders.reading import OrderView
from shop.web.carts import cart_handle, current_cart_id, keep_handle
from shop.web.house import end_reading, house, reading
from shop.web.limits import limiter
from shop.web.storefront.orders import find


@limiter.limit("60/minute")
def show(token: str) -> Response | str:
    """GET /orders/<token>/again: each line at today's price, or that it is gone. At most six statements.

    An order that is paid, or may still be, is shown instead: nobody should buy twice what they meant to buy once.
    """
    order = find(token)
    if not order.can_be_ordered_again:
        return _to_order(token)
    session = reading()
    settings = house().settings
    found = still_there(
        session,
        _wanted(order),
        currency=settings.shop_currency,
        limit=settings.shop_max_quantity,
        own=_own_goods(session),
    )
    return render_template("storefront/again.html", order=order, lines=tuple(zip(order.lines, found, strict=True)))


@limiter.limit("20/minute")
def order_again(token: str) -> Response:
    """POST /orders/<token>/again: into the reader's own cart, and there. One transaction; sent twice, it is done once."""
    order = find(token)
    if not order.can_be_ordered_again:
        return _to_order(token)
    end_reading()
    settings = house().settings
    with house().database.transaction() as session:
        handle = fill_again(
            session,
            cart_handle(),
            _wanted(order),
            currency=settings.shop_currency,
            limit=settings.shop_max_quantity,
            country=order.country,
            own=_own_goods(session),
        )
        cart_id = find_cart(session, handle)
        if cart_id is not None:
            mark_stopped(session, cart_id)
    answer = redirect(url_for("storefront.cart", again=1), 303)
    keep_handle(answer, handle)  # type: ignore[arg-type]
    return answer  # type: ignore[return-value]


def _to_order(token: str) -> Response:
    return redirect(url_for("storefront.order", token=token), 303)  # type: ignore[return-value]


def _wanted(order: OrderView) -> tuple[Wanted, ...]:
    return tuple(
        Wanted(
            variant_id=line.variant_id,
            quantity=line.quantity,
            article_id=line.article_id,
            article_title=line.article_title,
            placement=line.placement,
            tie_in_id=line.tie_in_id,
            slot=line.slot,
        )
        for line in order.lines
    )


def _own_goods(session: Session) -> Mapping[int, int]:
    """What the payment page of the reader's own cart holds back: it is theirs, and is freed by the next checkout."""
    cart_id = current_cart_id(session)
    held = held_by(session, cart_id) if cart_id is not None else None
    return held.pieces if held is not None else {}
