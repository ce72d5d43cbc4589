"""Protection against forged requests: Flask-WTF's tokens, and the browser's own word on where a request comes from.

A reader whose browser refuses cookies has no session to keep a token in, and nothing that a forger could ride on either.
Such a request (no cookies at all) passes if the browser says that it comes from our own page.
"""

from flask import Flask, request
from flask_wtf.csrf import CSRFError, CSRFProtect, validate_csrf

from shop.web.house import house

csrf = CSRFProtect()
SAFE = {"GET", "HEAD", "OPTIONS"}


def same_origin() -> bool:
    """Whether the browser says that this request was made by a page of ours."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("Origin") or ""
    return origin in {house().settings.shop_url, request.host_url.rstrip("/")}


def protect(app: Flask) -> None:
    """Check every unsafe request that is not exempt."""
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    csrf.init_app(app)

    @app.before_request
    def _check() -> None:
        if request.method in SAFE or request.endpoint is None:
            return
        view = app.view_functions[request.endpoint]
        if f"{view.__module__}.{view.__name__}" in csrf._exempt_views or request.blueprint in csrf._exempt_blueprints:
            return
        if not request.cookies and same_origin():
            return
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise CSRFError("sent by another site")
        token = request.form.get("csrf_token") or request.headers.get("X-CSRFToken")
        try:
            validate_csrf(token)
        except Exception as error:  # noqa: BLE001  Flask-WTF raises wtforms' ValidationError, which has no other base here
            raise CSRFError(str(error)) from None
