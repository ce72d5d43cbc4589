"""What stands at the address of a product that is not on sale, or not under that address any more."""

from flask import Response, redirect, render_template, request, url_for

from shop.catalog.standing import Standing, standing
from shop.errors import NotFound
from shop.web.house import house
from shop.web.offer import SLUG


def standing_of(slug: str) -> Standing:
    """How the product stands that has this address, or once had it. Raises NotFound for what is no product's."""
    if SLUG.fullmatch(slug):
        with house().database.engine.connect() as connection:
            found = standing(connection, house().showcase, slug)
        if found.product is not None:
            return found
    raise NotFound("product")


def show(slug: str) -> Response:
    """What readers, and search engines, are told at an address where nothing can be bought.

    Another address of the same product: 301. Its time is over: its page (200, not to be indexed), with what came after it, or
    the offer to tell when it is back. Archived: the same, but gone for good (410). Not to be seen now: as if it were not there,
    or, if something came after it, the way to that (302).
    """
    found = standing_of(slug)
    if found.own == "not-on-sale":
        if found.hidden:
            raise NotFound("product")
        assert found.product is not None
        return _lead(found.product.slug, 302)
    if found.slug != slug:
        return _lead(found.slug, 301)
    return page(found)


def page(found: Standing, *, email: str = "", error: str = "", status: int | None = None) -> Response:
    """The page of a product that is not sold any more, with the form that was sent if it was wrong."""
    body = render_template("storefront/past.html", found=found, email=email, error=error)
    answer = Response(body, status=status or (410 if found.own == "archived" else 200), mimetype="text/html")
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


def _lead(slug: str, status: int) -> Response:
    """To another product's page, with what the address says of the story that led here."""
    query = request.query_string.decode("latin-1")
    address = url_for("storefront.product", slug=slug) + (f"?{query}" if query else "")
    return redirect(address, status)  # type: ignore[return-value]
