"""Protection against forged requests: Flask-WTF's tokens, and the browser's own word on where a request comes from.

A reader whose browser refuses cookies has no session to keep a token in, and nothing that a forger could ride on either.
Such a request (no cookies at all) passes if the browser says that it comes from our own page.
"""

from flask import Flask, g, request
from flask_wtf.csrf import CSRFProtect

from shop.web.house import house

csrf = CSRFProtect()
SAFE = {"GET", "HEAD", "OPTIONS"}


def same_origin() -> bool:
    """Whether the browser says that this request was made by a page of ours."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return bool(origin) and origin in {house().settings.shop_url, request.host_url.rstrip("/")}


def protect(app: Flask) -> None:
    """Check every unsafe request that is not exempt."""
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    csrf.init_app(app)

    @app.before_request
    def _check() -> None:
        if request.method in SAFE:
            return
        if not request.cookies and same_origin():
            g.csrf_valid = True  # Flask-WTF's forms look here before they check once more
            return
        csrf.protect(apply_exemptions=True)
