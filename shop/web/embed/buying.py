"""The two buttons of the card: "Add to cart" answers inside the frame, "Buy now" takes the whole window to the payment page."""

import hashlib
from typing import TypedDict

import structlog
from flask import Response, redirect, render_template, request
from sqlalchemy.orm import Session

from shop.articles.placement import Placement, remember
from shop.cart import adding, handover, lines
from shop.cart.reading import CartView, view_cart
from shop.catalog.showcase import ProductView
from shop.checkout.place import place
from shop.errors import AlreadyPaid, BadQuantity, CannotShipThere, NotFound, OutOfStock, ShopError
from shop.web.csrf import csrf
from shop.web.embed.choices import Filled, Wish, read
from shop.web.embed.files import sheet_url
from shop.web.embed.frame import absent, cta_sent, handle_sent, offer_again, page, product_asked, token_sent
from shop.web.embed.frames import frames, shot_of
from shop.web.house import end_reading, house, reading
from shop.web.limits import limiter
from shop.web.offer import PRESS, Countries, new_press
from shop.web.storefront.own_goods import free_own_goods

log = structlog.get_logger(__name__)


def placement_sent() -> Placement | None:
    """The story behind the form. A token that is not ours is as good as none, and is noted."""
    token = request.form.get("placement", "")
    placement = house().placements.verify(token)
    if token and placement is None:
        log.warning("placement_refused", length=len(token))
    return placement


def press_sent() -> str:
    """Which showing of the button was pressed; one of our own if the form does not say."""
    press = request.form.get("press", "")
    return press if PRESS.fullmatch(press) else new_press()


def _field_of(error: ShopError) -> str:
    """Which field a refusal belongs beside."""
    if isinstance(error, BadQuantity):
        return "quantity"
    return "country" if isinstance(error, CannotShipThere) else "form"


def _read_form() -> tuple[ProductView, Countries, Filled] | None:
    product = product_asked(request.form.get("product"))
    if product is None:
        return None
    countries = frames().countries.read(reading)
    settings = house().settings
    filled = read(product, countries, settings.shop_max_quantity, settings.shop_locale)
    end_reading()
    return product, countries, filled


@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("60/minute")
def add() -> Response:
    """POST /embed/cart. The answer is the frame again, with the cart's handle for the page to keep."""
    form = _read_form()
    if form is None:
        return absent()
    product, countries, filled = form
    if filled.wish is None:
        return offer_again("embed/frame.html", product, countries, 422, press_sent(), **filled.as_sent())
    placement = placement_sent()
    try:
        try:
            cart, handle, ticket = _add_to_cart(filled.wish, placement, handle_sent())
        except OutOfStock:
            # The last piece may wait on the payment page that this very card opened and the reader came back from.
            if not free_own_goods(_handle_of(press_sent())):
                raise
            cart, handle, ticket = _add_to_cart(filled.wish, placement, handle_sent())
    except NotFound:
        return absent()
    except ShopError as error:
        # Stock may have changed since the card was read: read it again, so that what is gone is marked.
        fresh = product_asked(product.slug) or product
        said = filled.as_sent() | {"errors": {_field_of(error): str(error)}}
        return offer_again("embed/frame.html", fresh, countries, 422, press_sent(), **said)
    log.info("embed_added", product=product.slug, story=placement.url if placement else "")
    return page(
        render_template(
            "embed/added.html",
            product=product,
            variant=filled.wish.variant,
            shots=shot_of(product, filled.wish.variant),
            quantity=filled.wish.quantity,
            cart=cart,
            handle=handle,
            ticket=ticket,
            cta=cta_sent(),
            placement=token_sent(),
            sheet=sheet_url(),
        )
    )


def _add_to_cart(wish: Wish, placement: Placement | None, given: str) -> tuple[CartView, str, str]:
    """One transaction. A handle that opens no cart gets a new one, and a new cart with it."""
    with house().database.transaction() as session:
        terms = _terms(session, placement)
        cart_id, handle = adding.add_by_handle(
            session, given, wish.variant.id, wish.quantity, country=wish.country, **terms
        )
        if handle != given and request.form.get("handle"):
            log.info("embed_cart_unknown")
        cart = view_cart(session, cart_id, house().settings.shop_currency)
        return cart, handle, handover.offer_handover(session, cart_id)


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


@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("60/minute")
def check_out() -> Response:
    """POST /embed/checkout, in the top window: 303 to the payment page. The same press leads to the same payment.

    One transaction fills the cart of this press; `place` owns those that follow.
    """
    form = _read_form()
    if form is None:
        raise NotFound("product")
    product, countries, filled = form
    press = press_sent()
    if filled.wish is None:
        return _top(product, countries, 422, press, filled, filled.errors)
    shop = house()
    try:
        try:
            cart_id = _express_cart(press, filled.wish, placement_sent())
        except OutOfStock:
            if not free_own_goods(_handle_of(press)):
                raise
            cart_id = _express_cart(press, filled.wish, placement_sent())
        placed = place(shop.database, shop.gateway, shop.settings, cart_id, country=filled.wish.country)
    except AlreadyPaid as paid:
        # A new press: whoever presses again now means a second piece.
        order = f"/orders/{paid.access_token}"
        return _top(product, countries, paid.status, new_press(), filled, {"form": str(paid)}, order=order)
    except OutOfStock as error:
        fresh = product_asked(product.slug) or product
        return _top(fresh, countries, error.status, press, filled, {"form": str(error)})
    except ShopError as error:
        if error.status >= 500:
            log.warning("embed_checkout_failed", code=error.code, reason=getattr(error, "reason", ""))
        return _top(product, countries, error.status, press, filled, {_field_of(error): str(error)})
    return redirect(placed.payment_url, 303)  # type: ignore[return-value]


def _express_cart(press: str, wish: Wish, placement: Placement | None) -> int:
    """The cart of this press, holding just what is wished for. One transaction."""
    with house().database.transaction() as session:
        terms = _terms(session, placement)
        cart_id = adding.buy_now(session, press, _handle_of(press), wish.variant.id, wish.quantity, **terms)
        lines.choose_country(session, cart_id, wish.country or house().settings.shop_country)
        return cart_id


def _handle_of(press: str) -> str:
    """The handle of a press' own cart: known to whoever pressed, and to nobody else."""
    return hashlib.sha256(f"express {press}".encode()).hexdigest()


def _top(
    product: ProductView,
    countries: Countries,
    status: int,
    press: str,
    filled: Filled,
    errors: dict[str, str],
    order: str = "",
) -> Response:
    """A page of its own, for this answer fills the window: the form as it was, and the ways out."""
    said = filled.as_sent() | {"errors": errors, "order": order, "story": house().placements.verify(token_sent())}
    return offer_again("embed/top.html", product, countries, status, press, **said)
