"""GET /embed/frame: what stands under the story. POST shows the card again to a reader who has a cart and goes on reading."""

import re
from collections.abc import Callable

from flask import Response, render_template, request

from shop.catalog.showcase import ProductView
from shop.catalog.standing import Standing
from shop.insights.counting import Counted
from shop.web.csrf import csrf
from shop.web.embed.asked import CTA_LIMIT, Asked, asked_in
from shop.web.embed.choosing import MOST_SHOWN, Choice, Reason, by_product, choose
from shop.web.embed.files import sheet_url
from shop.web.embed.frames import Told, frames
from shop.web.embed.keeping import keep
from shop.web.house import countries, house
from shop.web.limits import limiter
from shop.web.offer import SLUG, Countries, new_press, one_line

HANDLE = re.compile(r"[A-Za-z0-9_-]{20,100}")
# Of these a reader who looks at the frame alone is told something; of the others there is nothing to say.
SAID_TO_READERS = frozenset({"unknown-product", "not-on-sale"})


def page(body: str, status: int = 200) -> Response:
    """An answer that is one reader's own, so nobody keeps it."""
    return Response(body, status=status, mimetype="text/html", headers={"Cache-Control": "private, no-store"})


def show() -> Response:
    """The frame for a `product`, or for whatever belongs under the `story`: the same for every reader.

    Four statements for a product that is known here; none when the answer is kept (`shop.web.embed.keeping`).
    """
    asked = asked_in(request.args)
    with house().database.engine.connect() as connection:
        choice = choose(house(), connection, asked)
    if choice.reason is not None:
        return keep(nothing(choice.reason, asked.product), choice.keys, choice.until)
    layout = _layout(asked, choice)
    shown = choice.shown[:MOST_SHOWN] if layout == "shelf" else choice.shown[:1]
    body = frames().page(layout, shown, countries(), _told(asked, choice, layout))
    return keep(Response(body, mimetype="text/html"), choice.keys, choice.until, _counting(choice, shown, layout))


def _layout(asked: Asked, choice: Choice) -> str:
    """What the page has reserved room for; else what editors chose, else what fits what is shown."""
    return asked.layout or choice.layout or ("shelf" if len(choice.shown) > 1 else "card")


def _told(asked: Asked, choice: Choice, layout: str) -> Told:
    place = choice.place
    if asked.placement and place.story:
        token = asked.placement
    else:
        token = house().placements.sign(place.story, place.title, layout, tie_in_id=place.tie_in_id, slot=place.slot)
    return Told(choice.cta or asked.cta, token)


def _counting(choice: Choice, shown: tuple[Standing, ...], layout: str) -> Callable[[], None]:
    """Counts each time that this frame is given, whoever gives it."""
    counters, place = house().counters, choice.place
    served = [
        Counted(
            place.article_id, found.product.id, place.tie_in_id, place.slot if place.story else "", layout, place.story
        )
        for found in shown
        if found.product is not None
    ]

    def told() -> None:
        for what in served:
            counters.count("served", what)

    return told


def nothing(reason: Reason, product: str = "") -> Response:
    """A document that shows nothing. The loader folds its place away, and says why in the browser's console."""
    product = product if SLUG.fullmatch(product) else ""
    words = {"sheet": sheet_url(), "reason": reason, "product": product, "says": reason in SAID_TO_READERS}
    return Response(render_template("embed/absent.html", **words), mimetype="text/html")


def gone() -> Response:
    """The answer to a form for what is not sold any more: the reader has pressed something and is told what became of it."""
    return page(render_template("embed/gone.html", sheet=sheet_url()), 404)


@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("60/minute")
def show_again() -> Response:
    """The same card with the cart's handle in its form, which no address may carry. Changes nothing."""
    asked = Asked(product=request.form.get("product", ""), placement=token_sent())
    with house().database.engine.connect() as connection:
        choice = by_product(house(), connection, asked)
    if choice.reason is not None:
        return gone()
    words = frames().words(choice.shown[0], countries()) | carried() | {"press": new_press()}
    return page(render_template("embed/frame.html", **words))


def carried() -> dict[str, object]:
    """What the form that was sent carries along into the next one."""
    told = Told(one_line(request.form.get("cta", ""), CTA_LIMIT), token_sent())
    return {"handle": handle_sent(), **told.slots(), "cta": told.cta, "placement": told.placement}


def handle_sent() -> str:
    """The cart's handle in the form, if it looks like one."""
    handle = request.form.get("handle", "")
    return handle if HANDLE.fullmatch(handle) else ""


def token_sent() -> str:
    """The placement token in the form if it is one of ours, so that a foreign one is not carried on."""
    token = request.form.get("placement", "")
    return token if house().placements.verify(token) is not None else ""


def offer_again(
    template: str,
    product: ProductView,
    served: Countries,
    status: int,
    press: str,
    **said: object,
) -> Response:
    """The form as it was filled in, with what is wrong beside the fields."""
    words = frames().words(Standing("sold-out" if product.sold_out else "offer", product), served)
    return page(render_template(template, **words | carried() | {"press": press} | said), status)
