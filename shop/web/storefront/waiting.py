"""POST /products/<slug>/waitlist: "Tell me when it is back", on the shop's own page; and taking that back."""

import structlog
from flask import Response, redirect, render_template, request, url_for

from shop.errors import BadAddress, NotFound
from shop.web.house import end_reading
from shop.web.languages import reader_locale
from shop.web.limits import limiter
from shop.web.placing import placement_in
from shop.web.storefront import past
from shop.web.storefront.product import again_with_request
from shop.web.waiting import ask_to_be_told, email_sent, take_back

log = structlog.get_logger(__name__)


@limiter.limit("10/minute")
def ask(slug: str) -> Response:
    """Keep an address for one message. The answer is the same whether it was there already. One transaction."""
    found = past.standing_of(slug)
    product = found.product
    if product is None or found.hidden:
        raise NotFound("product")
    if found.state == "offer":
        return redirect(url_for("storefront.product", slug=product.slug), 303)  # type: ignore[return-value]
    try:
        end_reading()
        ticket = ask_to_be_told(product, placement_in(request.form.get("placement", "")), reader_locale())
    except BadAddress as error:
        if found.state == "over":
            return past.page(found, email=email_sent(), error=str(error), status=422)
        return again_with_request(product, email_sent(), str(error))
    log.info("waitlist_asked", product=product.slug)
    return _answer(ticket, product.title)


@limiter.limit("10/minute")
def remove() -> Response:
    """POST /waitlist/removal: the request of this ticket is forgotten, if there is one. One transaction."""
    take_back()
    return _answer("", "")


def _answer(ticket: str, title: str) -> Response:
    answer = Response(render_template("storefront/waiting.html", ticket=ticket, title=title), mimetype="text/html")
    answer.headers["Cache-Control"] = "no-store"  # it holds the ticket
    return answer
