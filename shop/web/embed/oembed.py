"""GET /oembed: how to show a product, told to whoever was given its address (oEmbed 1.0, https://oembed.com).

WordPress and many others ask it when somebody pastes the address of a product into a story. WordPress keeps the link in the
quotation and the frame, and nothing else; it puts the frame into a sandbox and hides it until the frame has said its height in
WordPress' own messages. So the link is what readers have while the shop is down.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Response, jsonify, request
from markupsafe import Markup

from shop.articles.placement import LONGEST_TOKEN, TITLE_LIMIT
from shop.catalog.pictures import height_of, widths_of
from shop.catalog.showcase import ProductView
from shop.db import now
from shop.errors import NotFound
from shop.web import xml
from shop.web.embed.asked import CTA_LIMIT
from shop.web.embed.keeping import keep
from shop.web.errors import problem
from shop.web.house import house
from shop.web.offer import one_line
from shop.web.pages import media_url

LONGEST_ADDRESS = 2000
PRODUCT_PAGE = re.compile(r"/(?:products|p)/([^/]+)/?")
FRAME = "/embed/frame"
# The height in pixels that a card needs, by the width that it has at least, and the other layouts at any width: what
# docs/embedding.md promises, and embed.js holds free.
HEIGHTS = ((640, 252), (480, 364), (0, 404))
OTHERS = {"line": 72, "shelf": 332, "button": 60}
WIDEST = 640
# What is shown is asked of the frame each time; only the product's name and its picture grow old with the consumer.
CACHE_AGE = 24 * 3600
# What of a pasted address goes on into the frame's as it stands, and how much of it. The frame reads it again for itself.
CARRIED = {"cta": CTA_LIMIT, "lang": 35, "layout": 10, "placement": LONGEST_TOKEN}
# What a reader must be able to do in the frame. WordPress puts its own, narrower sandbox in its place.
SANDBOX = (
    "allow-scripts allow-forms allow-same-origin allow-popups allow-popups-to-escape-sandbox"
    " allow-top-navigation-by-user-activation"
)


class BadLimit(ValueError):
    """A `maxwidth` or `maxheight` that is no number of pixels."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a pasted address shows: a product, until when, and what it says of its frame. `said["placement"]` is a token for the
    story that it names, if that is one of the publisher's."""

    product: ProductView
    said: dict[str, str]
    until: datetime | None


def show() -> Response:
    """`url`, `format` (json or xml), `maxwidth`, `maxheight`. Raises NotFound for what is not on sale in this shop.

    No more than the one statement that finds the product.
    """
    form = request.args.get("format") or "json"
    if form.lower() not in FORMATS:
        return problem(501, "format_not_offered", "The answer is to be had as json or xml.")
    try:
        widest, highest = _pixels("maxwidth"), _pixels("maxheight")
    except BadLimit as error:
        return problem(400, "bad_request", str(error))
    asked = _asked(request.args.get("url", ""))
    if asked is None:
        raise NotFound("product")
    answer = FORMATS[form.lower()](_told(asked, widest, highest))
    # Asked for by scripts of pages on other origins, too; it holds nothing that is not public.
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return keep(answer, ["catalogue", f"product-{asked.product.id}"], asked.until)


def _told(asked: Asked, widest: int | None, highest: int | None) -> dict[str, str | int]:
    product, settings = asked.product, house().settings
    width = min(widest or WIDEST, WIDEST)
    layout, height = _layout(asked.said.get("layout", ""), width, highest)
    left = CACHE_AGE if asked.until is None else int((asked.until - now()).total_seconds())
    return {
        "version": "1.0",
        "type": "rich",
        "title": product.title,
        "provider_name": settings.shop_name,
        "provider_url": settings.shop_url,
        "cache_age": max(0, min(CACHE_AGE, left)),
        **_thumbnail(product, widest, highest),
        "width": width,
        "height": height,
        "html": _html(asked, asked.said | ({"layout": layout} if layout else {}), width, height),
    }


def _layout(wanted: str, width: int, highest: int | None) -> tuple[str, int]:
    """The layout that was asked for, or the card; in its place the highest that fits where it does not. And its height."""
    card = next(height for least, height in HEIGHTS if width >= least)
    height = OTHERS.get(wanted, card)
    if highest is None or height <= highest:
        return wanted, height
    for layout in ("line", "button"):
        if OTHERS[layout] <= highest:
            return layout, OTHERS[layout]
    return "button", highest


def _html(asked: Asked, said: Mapping[str, str], width: int, height: int) -> str:
    product, shop_url = asked.product, house().settings.shop_url
    page = {name: asked.said[name] for name in ("placement",) if name in said}
    return str(
        Markup(
            '<blockquote class="wp-embedded-content"><a href="{page}">{title}</a></blockquote>'
            '<iframe class="wp-embedded-content" sandbox="{sandbox}" src="{frame}" width="{width}" height="{height}"'
            ' title="{title} · {shop}" frameborder="0" marginwidth="0" marginheight="0"></iframe>'
        ).format(
            page=f"{shop_url}/products/{product.slug}" + (f"?{urlencode(page)}" if page else ""),
            frame=f"{shop_url}{FRAME}?{urlencode({'product': product.slug, **said})}",
            title=product.title,
            shop=house().settings.shop_name,
            sandbox=SANDBOX,
            width=width,
            height=height,
        )
    )


def _thumbnail(product: ProductView, widest: int | None, highest: int | None) -> dict[str, str | int]:
    """The largest size of the first picture that keeps within the limits; none if each is too large."""
    for picture in product.pictures[:1]:
        for width in reversed(widths_of(picture.width)):
            height = height_of(picture.width, picture.height, width)
            if width <= (widest or width) and height <= (highest or height):
                return {
                    "thumbnail_url": house().settings.shop_url + media_url(picture.key, width),
                    "thumbnail_width": width,
                    "thumbnail_height": height,
                }
    return {}


def _asked(address: str) -> Asked | None:
    """What an address shows if it is one of this shop's pages or frames; None for every other."""
    if not 0 < len(address) <= LONGEST_ADDRESS:
        return None
    try:
        parts = urlsplit(address)
        pairs = parse_qsl(parts.query, max_num_fields=50)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or parts.netloc.lower() != urlsplit(house().settings.shop_url).netloc:
        return None
    said = dict(reversed(pairs))
    page = PRODUCT_PAGE.fullmatch(parts.path)
    slug = page[1] if page else said.get("product", "") if parts.path == FRAME else ""
    now_there = house().standing(slug)
    if now_there.product is None or now_there.state not in {"offer", "sold-out"}:
        return None
    carried = {name: said[name] for name, most in CARRIED.items() if 0 < len(said.get(name, "")) <= most}
    if "story" in said:
        title = one_line(said.get("title", ""), TITLE_LIMIT)
        carried["placement"] = house().placements.sign(said["story"], title, "oembed")
    return Asked(now_there.product, {name: value for name, value in carried.items() if value}, now_there.until)


def _pixels(name: str) -> int | None:
    """A limit in pixels; None without one. Raises BadLimit."""
    given = request.args.get(name, "")
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < 7 and int(given)):
        raise BadLimit(f"{name} is a whole number of pixels, such as 600.")
    return int(given)


def _xml(told: Mapping[str, str | int]) -> Response:
    body = "".join(xml.element(name, value) for name, value in told.items())
    # Not a byte beyond the standard's: WordPress refuses a document with a DOCTYPE.
    return Response(
        f'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<oembed>{body}</oembed>\n', mimetype="text/xml"
    )


FORMATS: Mapping[str, Callable[[Mapping[str, str | int]], Response]] = {"json": jsonify, "xml": _xml}
