"""POST /embed/waitlist: "Tell me when it is back", asked and taken back inside the frame."""

import structlog
from flask import Response, render_template, request

from shop.catalog.standing import Standing, standing
from shop.errors import BadAddress
from shop.web.csrf import csrf
from shop.web.embed.frame import carried, gone, page
from shop.web.embed.frames import frames
from shop.web.house import countries, end_reading, house
from shop.web.languages import locale_of_buyer, told
from shop.web.limits import limiter
from shop.web.offer import SLUG, new_press
from shop.web.placing import placement_in
from shop.web.waiting import ask_to_be_told, email_sent, take_back, variant_sent

log = structlog.get_logger(__name__)


def _meant() -> Standing:
    """How the product of the form stands now."""
    slug = request.form.get("product", "")
    if not SLUG.fullmatch(slug):
        return Standing("unknown")
    with house().database.engine.connect() as connection:
        return standing(connection, house().showcase, slug)


@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("10/minute")
def ask() -> Response:
    """Keep an address for one message. The answer is the same whether it was there already. One transaction.

    Something that has come back meanwhile is offered instead.
    """
    found = _meant()
    if found.hidden or found.product is None:
        return gone()
    words = frames().words(found, countries()) | carried()
    end_reading()
    if found.state == "offer":
        return page(render_template("embed/frame.html", **words | {"press": new_press()}))
    try:
        ticket = ask_to_be_told(found.product, placement_in(request.form.get("placement", "")), locale_of_buyer())
    except BadAddress as error:
        said = {"errors": {"email": told(error)}, "email": email_sent(), "variant": variant_sent(found.product)}
        return page(render_template("embed/frame.html", **words | said), 422)
    log.info("waitlist_asked", product=found.product.slug)
    return page(render_template("embed/waiting.html", **words, ticket=ticket))


@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("10/minute")
def remove() -> Response:
    """POST /embed/waitlist/removal: the request of this ticket is forgotten, if there is one. One transaction."""
    take_back()
    found = _meant()
    if found.product is None:
        return gone()
    return page(render_template("embed/waiting.html", **frames().words(found, countries()) | carried(), ticket=""))
