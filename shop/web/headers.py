"""Security headers on every answer. A view may set its own policy first (the embed's frame does); nothing is loosened here."""

from flask import Flask, Response, request

from shop.config import Settings

STRIPE_PAGES = "https://checkout.stripe.com"


def payment_origin(settings: Settings) -> str:
    """Where the hosted payment page lives. Browsers hold `form-action` against redirects too, so a form that leads there names it."""
    return settings.stripe_api_base or STRIPE_PAGES


def content_policy(settings: Settings, frame_ancestors: str = "'none'") -> str:
    """The Content-Security-Policy of the shop's pages: own files only, no inline script or style."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        f"form-action 'self' {payment_origin(settings)}; base-uri 'none'; frame-ancestors {frame_ancestors}"
    )


def protect(app: Flask, settings: Settings) -> None:
    """Add the headers to every answer of `app`."""
    policy = content_policy(settings)
    fixed = [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(self)"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
    ]
    if settings.is_https:
        fixed.append(("Strict-Transport-Security", "max-age=63072000; includeSubDomains"))
    unframed = [*fixed, ("X-Frame-Options", "DENY")]
    ours = [*unframed, ("Content-Security-Policy", policy)]

    @app.after_request
    def _add(response: Response) -> Response:
        headers = response.headers
        # Looked through once: Werkzeug's headers look through themselves for every question.
        there = {name.lower() for name, _ in headers}
        if "content-security-policy" not in there:
            wanted = ours
        elif "frame-ancestors 'none'" in headers["Content-Security-Policy"]:
            wanted = unframed
        else:
            wanted = fixed
        for name, value in wanted:
            if name.lower() not in there:
                headers.add(name, value)
        if "cache-control" not in there:
            headers.add("Cache-Control", "private, no-cache" if request.method in {"GET", "HEAD"} else "no-store")
        return response


def frame_ancestors(settings: Settings) -> str:
    """Who may frame an embed: the publisher's hosts, or anyone when none is set."""
    if not settings.shop_publisher_hosts:
        return "*"
    schemes = ("https://",) if settings.is_https else ("https://", "http://")
    return " ".join(f"{scheme}{host}" for host in settings.shop_publisher_hosts for scheme in schemes)
