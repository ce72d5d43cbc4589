"""What one app keeps for its pages: rendered product pages, signed placements."""

from functools import lru_cache
from typing import cast

from flask import current_app

from shop.articles.placement import Placement, PlacementSigner
from shop.web.kept_pages import KeptPages

# Far above any token of ours: a story's address and headline have their limits.
LONGEST_TOKEN = 4000
SLOTS = ("csrf", "press", "placement", "story")


class Front:
    """One for each app. Safe between threads. A product page is the same for every reader but for `SLOTS`."""

    def __init__(self, signer: PlacementSigner) -> None:
        # Many readers of one story ask for the same token, and bring it back.
        self.sign = lru_cache(maxsize=1024)(signer.sign)
        self._verify = lru_cache(maxsize=1024)(signer.verify)
        self.page = KeptPages(*SLOTS).page

    def verify(self, token: str) -> Placement | None:
        """The placement in a token, or None. What is too long for one is not even kept as such."""
        return self._verify(token) if len(token) <= LONGEST_TOKEN else None


def front() -> Front:
    """The front of the app that serves this request."""
    return cast(Front, current_app.extensions["understory.storefront"])
