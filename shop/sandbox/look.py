"""How a page is answered: under a strict policy, and never kept."""

from urllib.parse import urlsplit

from flask import Response, current_app, make_response, render_template

from shop.sandbox.account import Account
from shop.sandbox.currencies import written
from shop.sandbox.refusals import Body
from shop.sandbox.texts import ascii_host


def account() -> Account:
    found: Account = current_app.extensions["sandbox"]
    return found


def page(
    template: str, status: int = 200, *, session: Body | None = None, pictures: list[str] | None = None, **shown: object
) -> Response:
    """A page under a strict policy: the shop's origin only for pictures, and as the target of a paid form."""
    currency = session["currency"] if session else "usd"
    name = session["branding_settings"]["display_name"] if session else account().settings.business_name
    body = render_template(
        template, session=session, business=name, money=lambda amount: written(amount, currency), **shown
    )
    answer = make_response(body, status)
    images = " ".join(sorted({"'self'", *(_origin(url) for url in pictures or ())}))
    # Browsers hold a form's redirect against form-action too, and after paying it leads to the shop.
    targets = " ".join(["'self'", *([_origin(session["success_url"])] if session else [])])
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; img-src {images}; form-action {targets}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return private(answer)


def private(answer: Response) -> Response:
    """What is answered is for this browser and this moment."""
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def return_address(session: Body) -> str:
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _origin(url: str) -> str:
    """As a header may carry it: in ASCII, and without a user's name."""
    parts = urlsplit(url)
    host = ascii_host(parts)
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{bracketed}{f':{parts.port}' if parts.port else ''}"
