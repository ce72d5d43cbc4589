"""The shop's own pages: shelf, product, cart, and the page of an order."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from shop.web.storefront import adding, again, cart, feeds_out, handover, orders, paying, product, shelf, short, waiting
from shop.web.storefront.front import Front


def acts(view: Callable[..., Any]) -> Callable[..., Any]:
    """A view that Stripe's or our own redirect leads to, and that does something. HEAD, by which link checkers look, does not."""

    @wraps(view)
    def only_get(**arguments: Any) -> Any:
        if request.method == "HEAD":
            raise MethodNotAllowed(valid_methods=["GET"])
        return view(**arguments)

    return only_get


def register(app: Flask) -> None:
    """Add the pages to `app`."""
    app.extensions["understory.storefront"] = Front()
    door = Blueprint("storefront", __name__)
    door.add_url_rule("/", "shelf", shelf.show)
    door.add_url_rule("/products/<slug>", "product", product.show)
    door.add_url_rule("/p/<slug>", "short", short.lead_on)
    door.add_url_rule("/products/<slug>/waitlist", "ask_to_be_told", waiting.ask, methods=["POST"])
    door.add_url_rule("/waitlist/removal", "waitlist_removal", waiting.remove, methods=["POST"])
    door.add_url_rule("/cart/lines", "add", adding.add, methods=["POST"])
    door.add_url_rule("/cart", "cart", cart.show)
    # No column holds a larger number, and PostgreSQL would not even compare it.
    line = "<int(max=2147483647):line_id>"
    door.add_url_rule(f"/cart/lines/{line}", "change", cart.change, methods=["POST"])
    door.add_url_rule(f"/cart/lines/{line}/removal", "remove", cart.remove, methods=["POST"])
    door.add_url_rule("/cart/country", "country", cart.ship_to, methods=["POST"])
    door.add_url_rule("/cart/handover", "handover", handover.receive, methods=["POST"])
    door.add_url_rule("/cart/handover/<ticket>", "handover_here", acts(handover.adopt_here))
    door.add_url_rule("/checkout", "checkout", paying.check_out, methods=["POST"])
    door.add_url_rule("/orders/<token>", "order", orders.show)
    door.add_url_rule("/orders/<token>/return", "order_return", acts(orders.come_back))
    door.add_url_rule("/orders/<token>/cancelled", "order_cancelled", acts(orders.cancelled))
    door.add_url_rule("/orders/<token>/again", "again", again.show)
    door.add_url_rule("/orders/<token>/again", "order_again", again.order_again, methods=["POST"])
    door.add_url_rule("/orders/<token>/state", "order_state", orders.state)
    door.add_url_rule("/feeds/products.xml", "merchant_feed", feeds_out.merchant_feed)
    door.add_url_rule("/sitemap.xml", "sitemap_index", feeds_out.sitemap_index)
    door.add_url_rule("/sitemaps/<name>.xml", "sitemap", feeds_out.sitemap)
    door.add_url_rule("/robots.txt", "robots", feeds_out.robots)

    @door.after_request
    def _keep_private(response: Response) -> Response:
        # The address of an order opens it: nobody keeps it, indexes it, or is told of it.
        if request.path.startswith(("/orders/", "/cart/handover")):
            response.headers["Cache-Control"] = "no-store"
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["X-Robots-Tag"] = "noindex"
        return response

    app.register_blueprint(door)
