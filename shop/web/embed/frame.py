"""GET /embed/frame: the card under the story. POST shows it again to a reader who has a cart and goes on reading."""

import re

from flask import Response, render_template, request

from shop.catalog.showcase import ProductView
from shop.web.csrf import csrf
from shop.web.embed.files import sheet_url
from shop.web.embed.frames import CTA_LIMIT, frames
from shop.web.house import countries, house
from shop.web.limits import limiter
from shop.web.offer import Countries, new_press, one_line
from shop.web.wish import product_asked

HANDLE = re.compile(r"[A-Za-z0-9_-]{20,100}")


def page(body: str, status: int = 200) -> Response:
    """A frame's answer. It holds a press of its own, so for now nobody keeps it."""
    return Response(body, status=status, mimetype="text/html", headers={"Cache-Control": "private, no-store"})


def absent() -> Response:
    """Nothing of that name is on sale. Under a story the loader folds the element away; alone it says so quietly."""
    return page(render_template("embed/absent.html", sheet=sheet_url()), 404)


def show() -> Response:
    """The frame for `product`, `story`, `title` and `cta`. At most two statements when the product is known here."""
    asked = request.args
    product = product_asked(asked.get("product"))
    if product is None:
        return absent()
    kept = frames()
    placement = kept.placement(asked.get("story", ""), asked.get("title", ""))
    cta = one_line(asked.get("cta", ""), CTA_LIMIT)
    return page(kept.offer(product, countries(), cta=cta, placement=placement))


@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("60/minute")
def show_again() -> Response:
    """The same card with the cart's handle in its form, which no address may carry. Changes nothing."""
    sent = request.form
    product = product_asked(sent.get("product"))
    if product is None:
        return absent()
    return page(
        render_template(
            "embed/frame.html",
            **frames().words(product, countries())
            | {"handle": handle_sent(), "cta": cta_sent(), "placement": token_sent(), "press": new_press()},
        )
    )


def handle_sent() -> str:
    """The cart's handle in the form, if it looks like one."""
    handle = request.form.get("handle", "")
    return handle if HANDLE.fullmatch(handle) else ""


def cta_sent() -> str:
    """The call to action that the form carries along."""
    return one_line(request.form.get("cta", ""), CTA_LIMIT)


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
    words = frames().words(product, served)
    same = {"handle": handle_sent(), "cta": cta_sent(), "placement": token_sent(), "press": press}
    return page(render_template(template, **words | same | said), status)
