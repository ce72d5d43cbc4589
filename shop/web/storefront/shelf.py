"""GET /: what is on sale, a page at a time."""

from flask import render_template, request

from shop.catalog.showcase import shelf
from shop.web.house import reading

CARDS = 12


def show() -> str:
    """The list after the cursor `after`. One statement."""
    after = request.args.get("after")
    return render_template("storefront/shelf.html", shelf=shelf(reading(), after, CARDS), first_page=not after)
