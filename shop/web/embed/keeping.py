"""Answers that are the same for every reader, and what caches may do with them."""

from collections.abc import Callable, Iterable
from datetime import datetime

from flask import Response, request

from shop.db import now
from shop.web.house import house
from shop.web.kept_answers import KEPT, Keeping

# Where answers are looked for that may be kept.
KEPT_PATHS = ("/embed/frame", "/oembed")
# Seconds that a browser may keep such an answer, and may show it for while it asks for the newer one. With LOOK_EVERY of
# `shop.web.kept_answers` they stay below ten: that is how soon merchandise is gone from under a story.
FRESH = 4
STALE = 4
# As much as a header should hold.
MOST_KEYS = 60


def keep(
    response: Response,
    keys: Iterable[str] = (),
    until: datetime | None = None,
    told: Callable[[], None] | None = None,
) -> Response:
    """Say that `response` is the same for everybody: nothing in it is a reader's own.

    `keys` name what it shows ("product-12", "article-5", "tie-in-3", "stories"), so that caches forget it when that changes;
    `until` is when it ends by itself (a sale or a tie-in begins or ends), in UTC; `told` is called each time that the shop
    gives it, this time too.
    """
    left = None if until is None else max(0, int((until - now()).total_seconds()))
    fresh, shared = FRESH, house().settings.shop_cdn_seconds
    if left is not None:
        fresh, shared = min(fresh, left), min(shared, left)
    response.headers["Cache-Control"] = (
        f"public, max-age={fresh}, s-maxage={shared}, stale-while-revalidate={0 if fresh < FRESH else STALE}"
    )
    named = " ".join(list(dict.fromkeys(keys))[:MOST_KEYS])
    if named:
        response.headers["Surrogate-Key"] = named
        response.headers["Cache-Tag"] = named.replace(" ", ",")
    request.environ[KEPT] = Keeping(until, told)
    return response
