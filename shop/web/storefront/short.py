"""GET /p/<slug>: a product's address that is short enough to be read from one screen and typed into another."""

from flask import Response, redirect, url_for


def lead_on(slug: str) -> Response:
    """302 to the product's page, which knows what there is, and what became of what there was."""
    return redirect(url_for("storefront.product", slug=slug))  # type: ignore[return-value]
