"""POST /checkout, and the way from any cart to its payment page."""

import structlog
from flask import Response, redirect, url_for

from shop.cart import lines
from shop.cart.reading import view_cart
from shop.checkout.place import place
from shop.errors import AlreadyPaid, CartEmpty, ShopError
from shop.web.carts import current_cart_id
from shop.web.house import countries, end_reading, house
from shop.web.languages import reader_locale
from shop.web.limits import limiter
from shop.web.storefront import cart as cart_page
from shop.web.storefront.forms import country_form

log = structlog.get_logger(__name__)


def start_payment(cart_id: int, country: str | None) -> Response:
    """303 to the cart's payment page. Raises what `place` raises."""
    end_reading()
    shop = house()
    placed = place(shop.database, shop.gateway, shop.settings, cart_id, country=country, locale=reader_locale())
    return redirect(placed.payment_url, 303)  # type: ignore[return-value]


@limiter.limit("60/minute")
def check_out() -> Response:
    """To the payment page of the reader's cart; every refusal is said on the cart's page, and the cart stays as it is.

    Transactions: one that remembers country and accepted prices, then those of `place`.
    """
    form = country_form(countries())
    end_reading()
    if not form.validate():
        return cart_page.answer(422, country_error=str(form["country"].errors[0]))
    country = str(form["country"].data or "") or None
    try:
        with house().database.transaction() as session:
            cart_id = current_cart_id(session)
            if cart_id is None:
                raise CartEmpty
            if country:
                lines.choose_country(session, cart_id, country)
            seen = view_cart(session, cart_id, house().settings.shop_currency)
            if seen.price_changed and form["seen"].data == cart_page.prices_seen(seen):
                lines.accept_prices(session, cart_id)
        return start_payment(cart_id, country)
    except AlreadyPaid as paid:
        return redirect(url_for("storefront.order", token=paid.access_token), 303)  # type: ignore[return-value]
    except ShopError as error:
        if error.status >= 500:
            log.warning("checkout_failed", code=error.code, reason=getattr(error, "reason", ""))
        return cart_page.answer(error.status, alert=str(error))
