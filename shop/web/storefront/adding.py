"""POST /cart/lines: the product page's two buttons, "Add to cart" and "Buy now"."""

from dataclasses import replace

import structlog
from flask import Response, redirect, request, url_for
from flask_wtf import FlaskForm
from flask_wtf.csrf import generate_csrf

from shop.articles.placement import Placement
from shop.cart import adding
from shop.catalog.showcase import ProductView
from shop.errors import AlreadyPaid, BadQuantity, CannotShipThere, NotFound, OutOfStock, ShopError
from shop.web.carts import cart_handle, keep_handle
from shop.web.express import express_cart, handle_of, terms
from shop.web.house import countries, end_reading, house
from shop.web.limits import limiter
from shop.web.offer import Countries
from shop.web.own_goods import freeing_own_goods
from shop.web.placing import count, counted, placement_in
from shop.web.storefront.forms import choice_field
from shop.web.storefront.paying import start_payment
from shop.web.storefront.product import product_on_sale, render, way_back
from shop.web.wish import Filled, Wish, press_sent, price_changed, read_wish

log = structlog.get_logger(__name__)


@limiter.limit("60/minute")
def add() -> Response:
    """Into the reader's cart, or with `then=pay` into a cart of its own and straight on to the payment page (303).

    Whatever is wrong is said beside its field, with the form kept as it was sent.
    """
    view = product_on_sale(request.form.get("product"))
    served = countries()
    end_reading()
    wish, filled = read_wish(view, served, form_of_door=FlaskForm, unmatched=choice_field(view))
    if wish is None:
        return _again(view, served, filled, 422)
    stale = price_changed(view, wish, request.form.get("prices", ""))
    if stale:
        return _again(view, served, replace(filled, alert=f"{stale} Nothing was added yet."), 409)
    placement = placement_in(request.form.get("placement", ""))
    try:
        pays = request.form.get("then") == "pay"
        answer = _buy(wish, placement) if pays else _add(wish, placement)
        # One press of "Buy now" is one, however often it arrives.
        count("added", counted(placement, view.id), view=press_sent() if pays else "")
        return answer
    except AlreadyPaid as paid:
        return redirect(url_for("storefront.order", token=paid.access_token), 303)  # type: ignore[return-value]
    except NotFound:
        raise
    except ShopError as error:
        if error.status >= 500:
            log.warning("buy_now_failed", code=error.code, reason=getattr(error, "reason", ""))
        # Stock may have changed since the page was read: read it again, so that what is gone is marked.
        end_reading()
        fresh = product_on_sale(view.slug)
        return _again(fresh, served, *_said(fresh, filled, error))


def _add(wish: Wish, placement: Placement | None) -> Response:
    """One transaction. A reader without a cart, or with a handle that opens none, gets a new one."""
    # The last pieces may wait on the payment page of the reader's cart, or of this page's own button.
    handle = freeing_own_goods(lambda: _add_to_cart(wish, placement), cart_handle(), handle_of(press_sent()))
    answer = redirect(url_for("storefront.cart", added=1), 303)
    keep_handle(answer, handle)  # type: ignore[arg-type]
    return answer  # type: ignore[return-value]


def _add_to_cart(wish: Wish, placement: Placement | None) -> str:
    with house().database.transaction() as session:
        given = cart_handle()
        _, handle = adding.add_by_handle(
            session, given, wish.variant.id, wish.quantity, **terms(session, placement, wish.variant.id)
        )
        if given and handle != given:
            log.warning("cart_unknown")
        return handle


def _buy(wish: Wish, placement: Placement | None) -> Response:
    """One transaction fills the cart of this press of the button; `place` owns those that follow."""
    return start_payment(express_cart(press_sent(), wish, placement, wish.country), wish.country)


def _said(view: ProductView, filled: Filled, error: ShopError) -> tuple[Filled, int]:
    """The form with a verb's refusal beside the field that it is about, and the answer's status."""
    field = ""
    if isinstance(error, OutOfStock):
        field = "quantity" if error.left else choice_field(view)
    elif isinstance(error, BadQuantity):
        field = "quantity"
    elif isinstance(error, CannotShipThere):
        field = "country"
    if field:
        return replace(filled, errors={field: str(error)}), 422
    return replace(filled, alert=str(error)), error.status


def _again(view: ProductView, served: Countries, filled: Filled, status: int) -> Response:
    token = request.form.get("placement", "")
    placement = house().placements.verify(token)
    slots = {
        "csrf": generate_csrf(),
        "press": press_sent(),
        "placement": token if placement else "",
        "story": way_back(placement),
    }
    return Response(render(view, served, filled, slots), status=status, mimetype="text/html")
