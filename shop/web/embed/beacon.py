"""POST /embed/beacon: what a frame says of itself when it has been seen, or opened."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from flask import Response, request

from shop.db import now
from shop.web.csrf import csrf
from shop.web.limits import limiter
from shop.web.offer import SLUG
from shop.web.placing import count, counted, placement_in, wants_no_counting

# A token, a slug, a step and a nonce, with room to spare.
LONGEST_BODY = 6000
STEPS = frozenset({"seen", "opened"})
VIEW = re.compile(r"[A-Za-z0-9_-]{8,64}")
# A page that is open for longer than this, or is shown again from a copy, counts no more.
FRESH = timedelta(days=2)


def heard() -> Response:
    """The answer to every beacon, whatever became of it: whoever sends one has nothing to learn from it, and nothing to do."""
    return Response(status=204, headers={"Cache-Control": "no-store"})


@csrf.exempt  # type: ignore[untyped-decorator]
@limiter.limit("240/minute", on_breach=lambda _: heard())
def tell() -> Response:
    """Counts `step` (seen, opened) of `product` under the story of `placement`, once for each `view`. 204, always.

    A form or JSON in a body of any type: browsers send a beacon as text. Bad input counts nowhere. No cookie, no statement.
    """
    if not wants_no_counting():
        _count(_said())
    return heard()


def _count(said: Mapping[str, Any]) -> None:
    step, token, product, view = (str(said.get(name) or "") for name in ("step", "placement", "product", "view"))
    if step not in STEPS or not token or not SLUG.fullmatch(product) or not VIEW.fullmatch(view):
        return
    placement = placement_in(token)
    if placement is None or placement.at is None or placement.at < now() - FRESH:
        return
    count(step, counted(placement, product=product), view=f"{view} {product}")


def _said() -> Mapping[str, Any]:
    """The body's fields; none for what is too long or has no such form."""
    if not 0 < (request.content_length or 0) <= LONGEST_BODY:
        return {}
    body = request.get_data(cache=False)
    try:
        text = body.decode()
        said = json.loads(text) if text.startswith("{") else dict(parse_qsl(text, max_num_fields=12))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
