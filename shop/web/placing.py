"""The placement that a request carries, and what is counted of its reader: one place for every door."""

import structlog
from flask import request

from shop.articles.placement import Placement
from shop.insights.counting import Counted
from shop.insights.crawlers import is_crawler
from shop.web.house import house

log = structlog.get_logger(__name__)


def placement_in(token: str) -> Placement | None:
    """The placement in a token. One that is not ours is as good as none, is noted, and counted as unverified."""
    placement = house().placements.verify(token)
    if token and placement is None:
        log.warning("placement_refused", length=len(token))
        house().counters.count("unverified", Counted())
    return placement


def counted(placement: Placement | None, product_id: int | None = None, product: str = "") -> Counted:
    """What a step was taken of: the product (its id, or its slug) where the placement says that it stood."""
    if placement is None:
        return Counted(product_id=product_id, product=product)
    return Counted(
        product_id=product_id,
        tie_in_id=placement.tie_in_id,
        slot=placement.slot,
        layout=placement.layout,
        story=placement.url,
        product=product,
    )


def wants_no_counting() -> bool:
    """Whether the reader's browser asks not to be followed: Global Privacy Control, or Do Not Track."""
    return request.headers.get("Sec-GPC") == "1" or request.headers.get("DNT") == "1"


def count(step: str, what: Counted, *, view: str = "") -> None:
    """Count a step of this request's reader, unless it is a machine, or asks not to be followed. Touches memory alone."""
    if not wants_no_counting() and not is_crawler(request.headers.get("User-Agent", "")):
        house().counters.count(step, what, view=view)
