"""A cart that began under a story comes to the shop's own page, by a ticket that works once."""

from flask import Response, redirect, request, url_for
from sqlalchemy.orm import Session

from shop.cart import handles, handover
from shop.web.carts import cart_handle, cookie_name, current_cart_id, keep_handle
from shop.web.csrf import csrf
from shop.web.house import end_reading, house
from shop.web.limits import limiter
from shop.web.offer import PRESS


@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("60/minute")
def receive() -> Response:
    """POST /cart/handover: adopt the cart behind `ticket` and go on to the cart. The ticket is the authority.

    The form comes from under a story on another site, so the browser may hold the cart's SameSite cookie back. Then the
    adoption waits for the redirect, which does carry it: a cart that the reader already has must not be lost.
    """
    ticket = request.form.get("ticket", "")
    if request.cookies.get(cookie_name()) is None and PRESS.fullmatch(ticket):
        return redirect(url_for("storefront.handover_here", ticket=ticket), 303)  # type: ignore[return-value]
    return _adopt(ticket)


@limiter.limit("60/minute")
def adopt_here(ticket: str) -> Response:
    """GET /cart/handover/<ticket>: the second half, reached by the redirect alone."""
    return _adopt(ticket)


def _adopt(ticket: str) -> Response:
    """One transaction. A ticket that was used, is too old or never was leads to the cart with a note."""
    end_reading()
    with house().database.transaction() as session:
        given = handover.redeem_handover(session, ticket)
        if given is None:
            return redirect(url_for("storefront.cart", ticket="used"), 303)  # type: ignore[return-value]
        handle = adopt_into_own(session, given)
    answer = redirect(url_for("storefront.cart", handover=1), 303)
    keep_handle(answer, handle)  # type: ignore[arg-type]
    return answer  # type: ignore[return-value]


def adopt_into_own(session: Session, given_cart_id: int) -> str:
    """Move another cart's lines and country into the reader's cart, which is made if there is none. Returns its handle."""
    handle, own = cart_handle(), current_cart_id(session)
    if own is None or handle is None:
        handle = handles.new_handle()
        own = handles.open_cart(session, handle)
    handover.adopt(session, own, given_cart_id, limit=house().settings.shop_max_quantity)
    return handle
