"""Every refusal becomes an answer here: a page in the shop's look for people, a JSON problem for programs."""

import time

import structlog
from flask import Flask, Response, got_request_exception, jsonify, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from shop.db import is_away
from shop.errors import PaymentRefused, ShopError
from shop.languages import gettext_noop
from shop.web.languages import gettext, told
from shop.web.limits import limiter
from shop.web.naming import shown_path

log = structlog.get_logger(__name__)

TITLES = {
    400: gettext_noop("That did not work"),
    403: gettext_noop("This is not for you to see"),
    404: gettext_noop("Nothing here"),
    405: gettext_noop("That does not work here"),
    409: gettext_noop("That is no longer possible"),
    413: gettext_noop("That is too large"),
    422: gettext_noop("Something is not right yet"),
    429: gettext_noop("A little slower, please"),
    500: gettext_noop("Something broke on our side"),
    503: gettext_noop("Back in a moment"),
}
# Part of what programs may rely on, so not the library's names for a status, which change between its releases.
CODES = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}
SENTENCES = {
    400: gettext_noop("The request could not be understood. Go back, reload the page and try again."),
    403: gettext_noop("Your account does not have the right for this page."),
    404: gettext_noop("This page does not exist, or it is no longer here."),
    405: gettext_noop("This address cannot be used in that way."),
    413: gettext_noop("What you sent is larger than we can take."),
    429: gettext_noop("There were too many requests from your address. Please wait a minute and try again."),
    500: gettext_noop("We have been told about it. Nothing was charged by this page; please try again in a moment."),
    503: gettext_noop(
        "The shop cannot get at its own records right now. Nothing was charged by this page; please try again in a moment."
    ),
}


def wants_json() -> bool:
    """Programs get JSON: those that ask for it, and those behind addresses that only programs use."""
    if request.path.startswith(("/webhooks/", "/api/", "/oembed")):
        return True
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return (
        best == "application/json"
        and request.accept_mimetypes["application/json"] > request.accept_mimetypes["text/html"]
    )


def problem(status: int, code: str, detail: str) -> Response:
    """A JSON problem (RFC 9457) with a stable `code`."""
    answer = jsonify({"status": status, "code": code, "title": TITLES.get(status, "Error"), "detail": detail})
    answer.status_code = status
    answer.content_type = "application/problem+json"
    return answer


def answer_for(status: int, code: str, detail: str) -> Response:
    """The answer to a refused request, in the form that the visitor can read."""
    if wants_json():
        return problem(status, code, detail)
    area = (
        "admin"
        if request.path.startswith("/admin")
        else "embed"
        if request.path.startswith("/embed/")
        else "storefront"
    )
    page = render_template(
        f"{area}/error.html", title=gettext(TITLES.get(status, "Something is not right")), message=detail, status=status
    )
    return Response(page, status=status, mimetype="text/html")


def register(app: Flask) -> None:
    """Attach the handlers to `app`."""

    @app.errorhandler(ShopError)
    def _refusal(error: ShopError) -> Response:
        if isinstance(error, PaymentRefused):
            log.error("payment_refused", reason=error.reason)
        elif error.status >= 500:
            log.warning("refused", code=error.code)
        return answer_for(error.status, error.code, told(error))

    @app.errorhandler(CSRFError)
    def _csrf(error: CSRFError) -> Response:
        log.warning("csrf_refused", reason=error.description)
        detail = "This form was open for too long, or came from another site. Reload the page and send it again."
        return answer_for(400, "csrf", detail)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400 or error.response is not None:
            return error.get_response()  # type: ignore[return-value]
        answer = answer_for(
            status, CODES.get(status, "refused"), gettext(SENTENCES.get(status, error.description or ""))
        )
        for name, value in error.get_headers():
            if name.lower() in {"allow", "retry-after"}:
                answer.headers[name] = value
        if status == 429 and limiter.current_limit is not None:
            answer.headers["Retry-After"] = str(max(int(limiter.current_limit.reset_at - time.time()), 0) + 1)
        return answer

    @app.errorhandler(Exception)
    def _broken(error: Exception) -> Response:
        log.error("unhandled", path=shown_path(), exc_info=error)
        # Flask tells whoever watches over it of exceptions that nobody handles, so not of those that come here.
        got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
        try:
            return answer_for(500, "internal", gettext(SENTENCES[500]))
        except Exception as second:  # whatever broke the page may break the page that says so
            log.error("unhandled", path=shown_path(), exc_info=second)
            return Response(SENTENCES[500] + "\n", status=500, mimetype="text/plain")

    @app.errorhandler(SQLAlchemyError)
    def _database(error: SQLAlchemyError) -> Response:
        if not is_away(error):
            return _broken(error)
        log.warning("database_unreachable", path=shown_path(), kind=type(error).__name__)
        answer = answer_for(503, "database_unreachable", gettext(SENTENCES[503]))
        answer.headers["Retry-After"] = "5"
        return answer
