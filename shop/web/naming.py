"""A name for every request, its own or the proxy's, on its answer and on every line it logs."""

import re
import secrets

import structlog
from flask import Flask, Response, g, request

log = structlog.get_logger(__name__)

# What a header may hold that goes back to whoever sent it, and into the log.
HARMLESS = re.compile(r"[A-Za-z0-9_-]{8,64}")
# What follows these opens somebody's order or cart.
PRIVATE = re.compile(r"^(/+(?:orders|cart/+handover))/.*", re.IGNORECASE | re.DOTALL)


def shown_path() -> str:
    """The request's path as a log may hold it: without its query, and without what opens an order or a cart."""
    return PRIVATE.sub(r"\1/…", request.path)


def register(app: Flask) -> None:
    """Name each request of `app`, and log each answer that is an error."""

    @app.before_request
    def _begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if HARMLESS.fullmatch(given) else secrets.token_hex(8)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def _end(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.get("request_id", "")
        if response.status_code >= 400:
            log.info("answered", method=request.method, path=shown_path(), status=response.status_code)
        return response
