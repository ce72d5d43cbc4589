"""The two buttons of the card: "Add to cart" answers inside the frame, "Buy now" takes the whole window to the payment page."""

from collections.abc import Mapping

import structlog
from flask import Response, redirect, render_template, request

from shop.articles.placement import Placement
from shop.cart import adding, handover
from shop.cart.reading import CartView, view_cart
from shop.catalog.showcase import ProductView
from shop.checkout.place import place
from shop.errors import AlreadyPaid, BadQuantity, CannotShipThere, NotFound, OutOfStock, ShopError
from shop.web.csrf import csrf
from shop.web.embed.choices import as_sent, read
from shop.web.embed.files import sheet_url
from shop.web.embed.frame import carried, gone, handle_sent, offer_again, page, token_sent
from shop.web.embed.frames import shot_of
from shop.web.express import express_cart, handle_of, terms
from shop.web.house import countries, end_reading, house
from shop.web.languages import locale_of_buyer, told
from shop.web.limits import limiter
from shop.web.offer import Countries, new_press
from shop.web.own_goods import freeing_own_goods
from shop.web.placing import count, counted, placement_in
from shop.web.wish import Filled, Wish, press_sent, product_asked, product_meant

log = structlog.get_logger(__name__)


def placement_sent() -> Placement | None:
    """The story behind the form."""
    return placement_in(request.form.get("placement", ""))


def _field_of(error: ShopError) -> str:
    """Which field a refusal belongs beside."""
    if isinstance(error, BadQuantity):
        return "quantity"
    return "country" if isinstance(error, CannotShipThere) else "form"


def _read_form() -> tuple[ProductView, Countries, Wish | None, Filled] | None:
    product = product_meant(request.form.get("product"))
    if product is None:
        return None
    served = countries()
    wish, filled = read(product, served)
    end_reading()
    return product, served, wish, filled


@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("60/minute")
def add() -> Response:
    """POST /embed/cart. The answer is the frame again, with the cart's handle for the page to keep."""
    form = _read_form()
    if form is None:
        return gone()
    product, served, wish, filled = form
    if wish is None:
        return offer_again("embed/frame.html", product, served, 422, press_sent(), **as_sent(filled))
    placement = placement_sent()
    try:
        cart, handle, ticket = freeing_own_goods(
            lambda: _add_to_cart(wish, placement, handle_sent()), handle_of(press_sent())
        )
    except NotFound:
        return gone()
    except ShopError as error:
        # Stock may have changed since the card was read: read it again, so that what is gone is marked.
        fresh = product_asked(product.slug) or product
        said = as_sent(filled) | {"errors": {_field_of(error): told(error)}}
        return offer_again("embed/frame.html", fresh, served, 422, press_sent(), **said)
    count("added", counted(placement, product.id))
    log.info("embed_added", product=product.slug, story=placement.url if placement else "")
    return page(
        render_template(
            "embed/added.html",
            product=product,
            variant=wish.variant,
            shots=shot_of(product, wish.variant),
            quantity=wish.quantity,
            cart=cart,
            ticket=ticket,
            sheet=sheet_url(),
            **carried() | {"handle": handle},
        )
    )


def _add_to_cart(wish: Wish, placement: Placement | None, given: str) -> tuple[CartView, str, str]:
    """One transaction. A handle that opens no cart gets a new one, and a new cart with it."""
    with house().database.transaction() as session:
        cart_id, handle = adding.add_by_handle(
            session,
            given,
            wish.variant.id,
            wish.quantity,
            country=wish.country,
            **terms(session, placement, wish.variant.id),
        )
        if handle != given and request.form.get("handle"):
            log.info("embed_cart_unknown")
        cart = view_cart(session, cart_id, house().settings.shop_currency)
        return cart, handle, handover.offer_handover(session, cart_id)


@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("60/minute")
def check_out() -> Response:
    """POST /embed/checkout, in the top window: 303 to the payment page. The same press leads to the same payment.

    One transaction fills the cart of this press; `place` owns those that follow.
    """
    form = _read_form()
    if form is None:
        return page(render_template("embed/gone.html", sheet=sheet_url(), alone=True), 404)
    product, served, wish, filled = form
    press = press_sent()
    if wish is None:
        return _top(product, served, 422, press, filled, filled.errors)
    shop = house()
    try:
        placement = placement_sent()
        cart_id = express_cart(press, wish, placement, wish.country or shop.settings.shop_country)
        placed = place(
            shop.database, shop.gateway, shop.settings, cart_id, country=wish.country, locale=locale_of_buyer()
        )
    except AlreadyPaid as paid:
        # A new press: whoever presses again now means a second piece.
        order = f"/orders/{paid.access_token}"
        return _top(product, served, paid.status, new_press(), filled, {"form": told(paid)}, order=order)
    except OutOfStock as error:
        fresh = product_asked(product.slug) or product
        return _top(fresh, served, error.status, press, filled, {"form": told(error)})
    except ShopError as error:
        if error.status >= 500:
            log.warning("embed_checkout_failed", code=error.code, reason=getattr(error, "reason", ""))
        return _top(product, served, error.status, press, filled, {_field_of(error): told(error)})
    count("added", counted(placement, product.id), view=press)  # one press is one, however often it arrives
    return redirect(placed.payment_url, 303)  # type: ignore[return-value]


def _top(
    product: ProductView,
    served: Countries,
    status: int,
    press: str,
    filled: Filled,
    errors: Mapping[str, str],
    order: str = "",
) -> Response:
    """A page of its own, for this answer fills the window: the form as it was, and the ways out."""
    said = as_sent(filled) | {"errors": errors, "order": order, "story": house().placements.verify(token_sent())}
    return offer_again("embed/top.html", product, served, status, press, **said)
