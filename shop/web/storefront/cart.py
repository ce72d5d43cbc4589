"""The cart's page, and the small forms on it."""

import hashlib
from collections.abc import Mapping

from flask import Response, redirect, render_template, request, url_for

from shop.cart import lines
from shop.cart.reading import CartView, view_cart
from shop.errors import CannotShipThere, NotFound, ShopError
from shop.fulfilment.rates import Rate, rates_for
from shop.web.carts import cart_handle, current_cart_id
from shop.web.house import countries, end_reading, house, reading
from shop.web.limits import limiter
from shop.web.offer import chosen_country
from shop.web.own_goods import freeing_own_goods, with_own_goods
from shop.web.storefront.forms import country_form, quantity_form

NOTES = {
    "added": "Added to your cart.",
    "again": "What there still is of your order is in your cart.",
    "cancelled": "Payment was cancelled and nothing was charged. Your cart is as you left it.",
    "handover": "Here is the cart that you filled under the story.",
}
NO_COOKIE = (
    "Your browser did not keep the cookie that holds a cart together. Allow cookies for this shop, or use “Buy now” on"
    " the product's page, which needs none."
)
TICKET_USED = "This link to a cart has been used already, or is too old. What you had in this browser is below."


def show() -> Response:
    """The cart as it is now. At most six statements."""
    note = next((said for name, said in NOTES.items() if name in request.args), "")
    if request.args.keys() & {"added", "again"} and not cart_handle():
        return answer(200, alert=NO_COOKIE)
    if "ticket" in request.args:
        return answer(200, alert=TICKET_USED)
    return answer(200, note=note)


def prices_seen(cart: CartView) -> str:
    """Names the prices that a page has shown; the page's form carries it, so that paying accepts just those."""
    text = ";".join(f"{line.variant_id}@{line.unit_price.minor}" for line in cart.lines)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def answer(
    status: int,
    *,
    note: str = "",
    alert: str = "",
    country_error: str = "",
    typed: Mapping[int, str] | None = None,
    line_errors: Mapping[int, str] | None = None,
) -> Response:
    """The cart's page. `typed` and `line_errors` (line id -> text) keep a refused quantity and say why."""
    end_reading()
    session = reading()
    cart = view_cart(session, current_cart_id(session), house().settings.shop_currency)
    cart = with_own_goods(session, cart)
    served = countries()
    country = cart.country or chosen_country(served, house().settings.shop_country)
    page = render_template(
        "storefront/cart.html",
        cart=cart,
        seen=prices_seen(cart),
        countries=served,
        country=country,
        country_name=house().served.name(country),
        rates=_rates(cart, country),
        limit=house().settings.shop_max_quantity,
        note=note,
        alert=alert,
        country_error=country_error,
        typed=typed or {},
        line_errors=line_errors or {},
    )
    return Response(page, status=status, mimetype="text/html")


def _rates(cart: CartView, country: str) -> tuple[Rate, ...]:
    if not cart.lines or not country:
        return ()
    try:
        return rates_for(reading(), country, cart.subtotal.minor, cart.currency)
    except CannotShipThere:
        return ()


def _to_cart() -> Response:
    return redirect(url_for("storefront.cart"), 303)  # type: ignore[return-value]


@limiter.limit("60/minute")
def change(line_id: int) -> Response:
    """POST /cart/lines/<id>: set a line's quantity, or say beside it why not. One transaction."""
    form = quantity_form(house().settings.shop_max_quantity)
    typed = {line_id: str(form["quantity"].data or "")[:12]}
    if not form.validate():
        return answer(422, typed=typed, line_errors={line_id: str(form["quantity"].errors[0])})
    try:
        freeing_own_goods(lambda: _set_quantity(line_id, form["quantity"].pieces), cart_handle())
    except NotFound as error:
        return answer(error.status, alert=str(error))
    except ShopError as error:
        return answer(422, typed=typed, line_errors={line_id: str(error)})
    return _to_cart()


def _set_quantity(line_id: int, quantity: int) -> None:
    with house().database.transaction() as session:
        cart_id = current_cart_id(session)
        if cart_id is None:
            raise NotFound("line of your cart")
        lines.change_quantity(session, cart_id, line_id, quantity, limit=house().settings.shop_max_quantity)


@limiter.limit("60/minute")
def remove(line_id: int) -> Response:
    """POST /cart/lines/<id>/removal: take a line out. One transaction."""
    with house().database.transaction() as session:
        cart_id = current_cart_id(session)
        if cart_id is not None:
            lines.remove_line(session, cart_id, line_id)
    return _to_cart()


@limiter.limit("60/minute")
def ship_to() -> Response:
    """POST /cart/country: remember where the cart goes, which decides what shipping costs. One transaction."""
    form = country_form(countries())
    end_reading()
    if not form.validate() or not form["country"].data:
        said = form["country"].errors
        return answer(422, country_error=str(said[0]) if said else "Choose a country.")
    with house().database.transaction() as session:
        cart_id = current_cart_id(session)
        if cart_id is not None:
            lines.choose_country(session, cart_id, str(form["country"].data))
    return _to_cart()
