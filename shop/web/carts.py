"""The reader's cart cookie: an unguessable handle, first-party, out of reach of scripts."""

import structlog
from flask import Response, request
from sqlalchemy.orm import Session

from shop.cart.handles import find_cart
from shop.web.house import house

log = structlog.get_logger(__name__)


def cookie_name() -> str:
    """`__Host-` binds a cookie to this host over https; plain http, as on localhost, cannot have it."""
    return "__Host-cart" if house().settings.is_https else "cart"


def cart_handle() -> str | None:
    """The handle in the reader's cookie, whatever it is worth."""
    return request.cookies.get(cookie_name())


def current_cart_id(session: Session) -> int | None:
    """The reader's cart. A handle that opens no cart, tampered with or too old, is treated as absent."""
    handle = cart_handle()
    if not handle:
        return None
    cart_id = find_cart(session, handle)
    if cart_id is None:
        log.warning("cart_unknown")
    return cart_id


def keep_handle(response: Response, handle: str) -> None:
    """Give the reader the cookie of their cart."""
    settings = house().settings
    response.set_cookie(
        cookie_name(),
        handle,
        max_age=settings.shop_cart_days * 86400,
        path="/",
        secure=settings.is_https,
        httponly=True,
        samesite="Lax",
    )
