"""/healthz: this process answers. /readyz: it can serve, for the database answers and its schema is of this release."""

import structlog
from flask import Flask, Response
from sqlalchemy.exc import SQLAlchemyError

from shop.schema import is_current
from shop.web.house import house

log = structlog.get_logger(__name__)


def _plain(text: str, status: int = 200) -> Response:
    return Response(text + "\n", status=status, mimetype="text/plain", headers={"Cache-Control": "no-store"})


def register(app: Flask) -> None:
    """Add both addresses."""

    @app.get("/healthz")
    def healthz() -> Response:
        return _plain("ok")

    @app.get("/readyz")
    def readyz() -> Response:
        try:
            current = is_current(house().database)
        except SQLAlchemyError as error:
            log.warning("not_ready", kind=type(error).__name__)
            return _plain("the database does not answer", 503)
        return _plain("ready") if current else _plain("the database wants migrating: run shop migrate", 503)
