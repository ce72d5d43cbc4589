"""What one app keeps for its pages: rendered product pages."""

from typing import cast

from flask import current_app

from shop.web.kept_pages import KeptPages

SLOTS = ("csrf", "press", "placement", "story")


class Front:
    """One for each app. Safe between threads. A product page is the same for every reader but for `SLOTS`."""

    def __init__(self) -> None:
        self.page = KeptPages(*SLOTS).page


def front() -> Front:
    """The front of the app that serves this request."""
    return cast(Front, current_app.extensions["understory.storefront"])
