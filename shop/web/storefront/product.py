"""GET /products/<slug>: one product, and the form that buys it."""

from collections.abc import Mapping
from functools import lru_cache

from flask import Response, render_template, request
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup, escape

from shop.articles.addresses import URL_LIMIT
from shop.articles.placement import TITLE_LIMIT, Placement
from shop.catalog.showcase import ProductView
from shop.errors import NotFound
from shop.web.house import countries, house
from shop.web.offer import (
    Countries,
    chosen_country,
    gone_values,
    new_press,
    one_line,
    priced,
    prices_shown,
    shown_values,
)
from shop.web.placing import count, counted, placement_in
from shop.web.storefront import past
from shop.web.storefront.front import front
from shop.web.storefront.seo import found
from shop.web.wish import Filled, product_asked, product_meant

# Where no script of ours stands that could tell that its link was followed.
SCRIPTLESS = frozenset({"link", "plain", "email"})


def product_on_sale(slug: str | None) -> ProductView:
    """The product on sale that a form means. Raises NotFound. One statement when it is known here."""
    view = product_meant(slug)
    if view is None:
        raise NotFound("product")
    return view


def show(slug: str) -> Response:
    """The page, with `?variant=<id>` chosen, and with the story that led here (`?story=&title=` or `?placement=`)."""
    view = product_asked(slug)
    if view is None:
        return past.show(slug)
    served = countries()
    successor = _successor_of(view)
    wanted = _variant_asked(view)
    placement, token = _story_asked()
    if placement is not None and placement.layout in SCRIPTLESS:
        count("opened", counted(placement, view.id))

    def made(marks: Mapping[str, str]) -> str:
        chosen = shown_values(view) | (_choices_of(view, wanted) if wanted else {})
        return render(
            view,
            served,
            Filled(chosen, country=chosen_country(served, house().settings.shop_country)),
            marks,
            successor=successor,
        )

    page = front().page(
        (view.id, view.version, view.stock_key, wanted, served, successor.slug if successor else ""),
        made,
        {"csrf": generate_csrf(), "press": new_press(), "placement": str(escape(token)), "story": way_back(placement)},
    )
    return Response(page, mimetype="text/html")


def render(
    view: ProductView,
    served: Countries,
    filled: Filled,
    slots: Mapping[str, str],
    *,
    successor: ProductView | None = None,
    asking: Mapping[str, str] | None = None,
) -> str:
    """The page's HTML. `slots` are the values that differ between readers (`front.SLOTS`), `successor` is offered beside what
    is sold out, `asking` (email, error) is a request to be told that was wrong.
    """
    return render_template(
        "storefront/product.html",
        product=view,
        countries=served,
        filled=filled,
        slots=slots,
        gone=gone_values(view),
        prices=priced(view, house().settings.shop_locale),
        prices_shown=prices_shown(view),
        found=found(house().settings, view),
        sold_out=[variant.title for variant in view.variants if variant.available <= 0],
        limit=house().settings.shop_max_quantity,
        successor=successor,
        asking=asking or {},
    )


def again_with_request(view: ProductView, email: str, error: str) -> Response:
    """The page of what is sold out, with what is wrong with the request to be told (422)."""
    token = request.form.get("placement", "")
    placement = placement_in(token)
    slots = {
        "csrf": generate_csrf(),
        "press": new_press(),
        "placement": token if placement else "",
        "story": way_back(placement),
    }
    filled, asking = Filled(shown_values(view)), {"email": email, "error": error}
    body = render(view, countries(), filled, slots, successor=_successor_of(view), asking=asking)
    return Response(body, status=422, mimetype="text/html")


def _successor_of(view: ProductView) -> ProductView | None:
    """What can be bought in place of something that is sold out. No statement while there is stock."""
    if not (view.sold_out and view.successor):
        return None
    found = past.standing_of(view.slug)
    return found.product if found.asked else None


@lru_cache(maxsize=1024)
def way_back(placement: Placement | None) -> Markup:
    """The link to the story that led here; empty without one."""
    if placement is None:
        return Markup("")
    return Markup('<p class="way-back"><a href="{}">Back to the story<span>{}</span></a></p>').format(
        placement.url, placement.title
    )


def _story_asked() -> tuple[Placement | None, str]:
    """The placement that the address names, and its token; empty for what is no story of the publisher's."""
    story = request.args.get("story", "")
    if 0 < len(story) <= URL_LIMIT:
        token = house().placements.sign(story, one_line(request.args.get("title", ""), TITLE_LIMIT), "link")
    else:
        token = request.args.get("placement", "")
    placement = placement_in(token)
    return placement, token if placement else ""


def _variant_asked(view: ProductView) -> int:
    asked = request.args.get("variant", "")
    known = asked.isascii() and asked.isdecimal() and len(asked) < 12 and view.variant(int(asked)) is not None
    return int(asked) if known else 0


def _choices_of(view: ProductView, variant_id: int) -> dict[int, int]:
    variant = view.variant(variant_id)
    held = variant.choice_ids if variant else ()
    return {option.id: value.id for option in view.options for value in option.values if value.id in held}
