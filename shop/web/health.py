"""/healthz: this process answers. /readyz: it can serve, for the database answers and its schema is of this release."""

import structlog
from flask import Flask, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from shop.schema import is_current
from shop.web.errors import problem
from shop.web.house import house

log = structlog.get_logger(__name__)


def register(app: Flask) -> None:
    """Add both addresses. Their answers say what is wrong in words of our own: a driver's would name hosts and users."""

    @app.get("/healthz")
    def healthz() -> Response:
        return _unkept(jsonify(status="ok"))

    @app.get("/readyz")
    def readyz() -> Response:
        try:
            current = is_current(house().database)
        except SQLAlchemyError as error:
            log.warning("not_ready", kind=type(error).__name__)
            return _unkept(problem(503, "database_unreachable", "The database does not answer."))
        if not current:
            return _unkept(problem(503, "database_not_migrated", "The database wants migrating: run shop migrate."))
        return _unkept(jsonify(status="ready"))


def _unkept(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
