"""POST /cart/lines: the product page's two buttons, "Add to cart" and "Buy now"."""

import hashlib
from dataclasses import replace
from typing import TypedDict

import structlog
from flask import Response, redirect, request, url_for
from flask_wtf.csrf import generate_csrf
from sqlalchemy.orm import Session

from shop.articles.placement import Placement, remember
from shop.cart import adding, lines
from shop.catalog.showcase import ProductView
from shop.errors import AlreadyPaid, BadQuantity, CannotShipThere, NotFound, OutOfStock, ShopError
from shop.money import format_money
from shop.web.carts import cart_handle, keep_handle
from shop.web.house import end_reading, house, reading
from shop.web.limits import limiter
from shop.web.offer import PRESS, Countries, new_press
from shop.web.storefront.forms import Wish, choice_field, read_choices
from shop.web.storefront.front import front
from shop.web.storefront.own_goods import free_own_goods
from shop.web.storefront.paying import start_payment
from shop.web.storefront.product import Filled, placement_in, product_on_sale, render, way_back

log = structlog.get_logger(__name__)


@limiter.limit("60/minute")
def add() -> Response:
    """Into the reader's cart, or with `then=pay` into a cart of its own and straight on to the payment page (303).

    Whatever is wrong is said beside its field, with the form kept as it was sent.
    """
    view = product_on_sale(request.form.get("product"))
    countries = front().countries.read(reading)
    end_reading()
    wish, filled = read_choices(view, countries, house().settings.shop_max_quantity)
    if wish is None:
        return _again(view, countries, filled, 422)
    stale = _price_changed(view, wish)
    if stale:
        return _again(view, countries, replace(filled, alert=stale), 409)
    placement = placement_in(request.form.get("placement", ""))
    try:
        if request.form.get("then") == "pay":
            return _buy(wish, placement)
        return _add(wish, placement)
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
        return _again(fresh, countries, *_said(fresh, filled, error))


def _add(wish: Wish, placement: Placement | None) -> Response:
    """One transaction. A reader without a cart, or with a handle that opens none, gets a new one."""
    try:
        handle = _add_to_cart(wish, placement)
    except OutOfStock:
        # The last pieces may wait on the payment page that the reader came back from, of their cart or of this page.
        if not (free_own_goods(cart_handle()) or free_own_goods(_handle_of(_press_sent()))):
            raise
        handle = _add_to_cart(wish, placement)
    answer = redirect(url_for("storefront.cart", added=1), 303)
    keep_handle(answer, handle)  # type: ignore[arg-type]
    return answer  # type: ignore[return-value]


def _add_to_cart(wish: Wish, placement: Placement | None) -> str:
    with house().database.transaction() as session:
        given, terms = cart_handle(), _terms(session, placement)
        _, handle = adding.add_by_handle(session, given, wish.variant.id, wish.quantity, **terms)
        if given and handle != given:
            log.warning("cart_unknown")
        return handle


def _buy(wish: Wish, placement: Placement | None) -> Response:
    """One transaction fills the cart of this press of the button; `place` owns those that follow."""
    press = _press_sent()
    handle = _handle_of(press)
    try:
        cart_id = _express_cart(press, handle, wish, placement)
    except OutOfStock:
        if not free_own_goods(handle):
            raise
        cart_id = _express_cart(press, handle, wish, placement)
    return start_payment(cart_id, wish.country)


def _press_sent() -> str:
    """The press that the form was shown with; a new one if it names none."""
    press = request.form.get("press", "")
    return press if PRESS.fullmatch(press) else new_press()


def _handle_of(press: str) -> str:
    """The handle of a press' own cart: known to whoever pressed, and to nobody else."""
    return hashlib.sha256(f"express {press}".encode()).hexdigest()


def _express_cart(press: str, handle: str, wish: Wish, placement: Placement | None) -> int:
    with house().database.transaction() as session:
        terms = _terms(session, placement)
        cart_id = adding.buy_now(session, press, handle, wish.variant.id, wish.quantity, **terms)
        if wish.country:
            lines.choose_country(session, cart_id, wish.country)
        return cart_id


class _Terms(TypedDict):
    limit: int
    article_id: int | None
    article_title: str
    placement: str


def _terms(session: Session, placement: Placement | None) -> _Terms:
    return {
        "limit": house().settings.shop_max_quantity,
        "article_id": remember(session, placement) if placement else None,
        "article_title": placement.title if placement else "",
        "placement": placement.layout if placement else "",
    }


def _price_changed(view: ProductView, wish: Wish) -> str:
    """A sentence if the page that was sent showed another price for this variant than the one of now."""
    shown = f",{request.form.get('prices', '')},"
    if shown == ",," or f",{wish.variant.id}:{wish.variant.price_minor}," in shown:
        return ""
    price = format_money(wish.variant.price_minor, view.currency, house().settings.shop_locale)
    return f"The price has changed since you opened this page: it is now {price}. Nothing was added yet."


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


def _again(view: ProductView, countries: Countries, filled: Filled, status: int) -> Response:
    token = request.form.get("placement", "")
    placement = house().placements.verify(token)
    slots = {
        "csrf": generate_csrf(),
        "press": _press_sent(),
        "placement": token if placement else "",
        "story": way_back(placement),
    }
    return Response(render(view, countries, filled, slots), status=status, mimetype="text/html")
