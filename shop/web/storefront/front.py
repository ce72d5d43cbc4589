"""What one app keeps for its pages: rendered product pages, the countries served, signed placements."""

import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import cast

from flask import current_app

from shop.articles.placement import Placement, PlacementSigner
from shop.config import Settings
from shop.web.offer import CountriesServed

KEPT_PAGES = 512
# Far above any token of ours: a story's address and headline have their limits.
LONGEST_TOKEN = 4000
SLOTS = ("csrf", "press", "placement", "story")


class Front:
    """One for each app. Safe between threads.

    A product page is the same for every reader but for four values (`SLOTS`). It is rendered once for each state of the
    product, with marks that nobody can guess in place of the values, and cut at the marks.
    """

    def __init__(self, settings: Settings, signer: PlacementSigner) -> None:
        self.countries = CountriesServed(settings.shop_locale)
        # Many readers of one story ask for the same token, and bring it back.
        self.sign = lru_cache(maxsize=1024)(signer.sign)
        self._verify = lru_cache(maxsize=1024)(signer.verify)
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[str, ...]] = OrderedDict()
        mark = secrets.token_hex(12)
        self._marks = {name: f"{mark}{name}{mark}" for name in SLOTS}
        self._cut = re.compile(f"{mark}({'|'.join(SLOTS)}){mark}")

    def verify(self, token: str) -> Placement | None:
        """The placement in a token, or None. What is too long for one is not even kept as such."""
        return self._verify(token) if len(token) <= LONGEST_TOKEN else None

    def page(self, key: Hashable, render: Callable[[Mapping[str, str]], str], values: Mapping[str, str]) -> str:
        """The page under `key` with `values` (HTML, one for each slot) put in; `render` makes it if it is not kept."""
        with self._lock:
            pieces = self._kept.get(key)
            if pieces is not None:
                self._kept.move_to_end(key)
        if pieces is None:
            pieces = tuple(self._cut.split(render(self._marks)))
            with self._lock:
                self._kept[key] = pieces
                while len(self._kept) > KEPT_PAGES:
                    self._kept.popitem(last=False)
        return "".join(values[piece] if index % 2 else piece for index, piece in enumerate(pieces))


def front() -> Front:
    """The front of the app that serves this request."""
    return cast(Front, current_app.extensions["understory.storefront"])
