"""The two buttons of the card: "Add to cart" answers inside the frame, "Buy now" takes the whole window to the payment page."""

import hashlib
import re

import structlog
from flask import Response, redirect, render_template, request
from sqlalchemy.orm import Session

from shop.articles.placement import Placement, remember
from shop.cart import lines
from shop.catalog.showcase import ProductView
from shop.checkout.place import place
from shop.errors import AlreadyPaid, BadQuantity, CannotShipThere, NotFound, OutOfStock, ShopError
from shop.web.csrf import csrf
from shop.web.embed.choices import Filled, Wish, read
from shop.web.embed.files import sheet_url
from shop.web.embed.frame import absent, cta_sent, handle_sent, offer_again, page, product_asked, token_sent
from shop.web.embed.frames import Countries, frames, new_press, shot_of
from shop.web.house import end_reading, house, reading
from shop.web.limits import limiter

log = structlog.get_logger(__name__)

PRESS = re.compile(r"[A-Za-z0-9_-]{16,64}")


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
    countries = frames().countries(reading())
    filled = read(product, countries, house().settings.shop_max_quantity)
    end_reading()
    return product, countries, filled


@csrf.exempt
@limiter.limit("60/minute")
def add() -> Response:
    """POST /embed/cart: one transaction; the answer is the frame again, with the cart's handle for the page to keep."""
    form = _read_form()
    if form is None:
        return absent()
    product, countries, filled = form
    if filled.wish is None:
        return offer_again("embed/frame.html", product, countries, 422, press_sent(), **filled.as_sent())
    placement, given = placement_sent(), handle_sent()
    try:
        with house().database.transaction() as session:
            cart_id = lines.find_cart(session, given)
            handle = given
            if cart_id is None:
                if request.form.get("handle"):
                    log.info("embed_cart_unknown")
                handle = lines.new_handle()
                cart_id = lines.open_cart(session, handle)
            _add_line(session, cart_id, filled.wish, placement)
            if filled.wish.country:
                lines.choose_country(session, cart_id, filled.wish.country)
            cart = lines.view_cart(session, cart_id, house().settings.shop_currency)
            ticket = lines.offer_handover(session, cart_id)
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


def _add_line(session: Session, cart_id: int, wish: Wish, placement: Placement | None) -> None:
    lines.add_to_cart(
        session,
        cart_id,
        wish.variant.id,
        wish.quantity,
        limit=house().settings.shop_max_quantity,
        article_id=remember(session, placement) if placement else None,
        placement=placement.layout if placement else "",
    )


@csrf.exempt
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
        with shop.database.transaction() as session:
            cart_id = _express_cart(session, press, filled.wish, placement_sent())
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


def _express_cart(session: Session, press: str, wish: Wish, placement: Placement | None) -> int:
    """The cart of this press, holding just what is wished for.

    Naming the country comes first because it locks the cart. A cart that holds the wish already stays untouched: its last
    piece may be reserved by the first half of a double click, and asking the shelf again would find nothing left.
    """
    shop = house().settings
    cart_id = lines.express_cart(session, press, hashlib.sha256(f"express {press}".encode()).hexdigest())
    lines.choose_country(session, cart_id, wish.country or shop.shop_country)
    article_id = remember(session, placement) if placement else None
    held = [
        (line.variant_id, line.quantity, line.article_id, line.price_changed)
        for line in lines.view_cart(session, cart_id, shop.shop_currency).lines
    ]
    if held != [(wish.variant.id, wish.quantity, article_id, False)]:
        lines.empty_cart(session, cart_id)
        _add_line(session, cart_id, wish, placement)
    return cart_id


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
