"""GET /: what is on sale, a page at a time."""

from flask import Response, render_template, request

from shop.web.house import house
from shop.web.storefront.front import front

CARDS = 12


def show() -> Response:
    """The list after the cursor `after`. One statement; what it says is rendered once."""
    after = request.args.get("after")
    cards = house().shelf(after, CARDS)
    page = front().page(
        (cards, not after),
        lambda _: render_template("storefront/shelf.html", shelf=cards, first_page=not after),
        {},
    )
    return Response(page, mimetype="text/html")
