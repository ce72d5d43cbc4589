"""Answers that are the same for every reader, and what caches may do with them."""

from collections.abc import Iterable
from datetime import datetime

from flask import Response


def keep(response: Response, keys: Iterable[str] = (), until: datetime | None = None) -> Response:
    """Say that `response` is the same for everybody: nothing in it is a reader's own.

    `keys` name what it shows ("product-12", "article-5", "tie-in-3"), so that caches forget it when that changes; `until` is
    when it ends by itself (a sale or a tie-in begins or ends), in UTC.
    """
    response.headers["Cache-Control"] = "no-store"
    return response
