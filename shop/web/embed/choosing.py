"""Which products a frame shows, and under which story: by a product's address, by the story's, or by a token of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from shop.articles.addresses import canonical, is_publisher
from shop.articles.placement import Placement
from shop.catalog.standing import Standing, standing
from shop.web.embed.asked import Asked
from shop.web.house import House
from shop.web.offer import SLUG

MOST_SHOWN = 4

# Why nothing is shown, for the newsroom's developer: it stands in docs/embedding.md, and no reader sees it.
Reason = Literal["nothing-here", "suppressed", "host-not-allowed", "unknown-product", "not-on-sale", "bad-address"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame stands: the story's canonical address (empty for none of the publisher's), and what put it there."""

    story: str = ""
    title: str = ""
    slot: str = "story"
    tie_in_id: int | None = None
    article_id: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What is shown (nothing, and why), where, until when it holds by itself, and what caches know it by."""

    shown: tuple[Standing, ...] = ()
    reason: Reason | None = None
    place: Place = Place()
    cta: str = ""
    layout: str = ""
    until: datetime | None = None
    keys: tuple[str, ...] = ()


def by_product(house: House, reader: Connection, asked: Asked) -> Choice:
    """The product that the page itself names. Statements as `standing`, and those that look for a suppression."""
    place = place_of(house, asked)
    found = standing(reader, house.showcase, asked.product) if SLUG.fullmatch(asked.product) else Standing("unknown")
    keys = ("catalogue", *(f"product-{found.product.id}" for _ in "1" if found.product))
    if found.product is None:
        return Choice(reason="unknown-product", place=place, keys=keys)
    if found.hidden:
        return Choice(reason="not-on-sale", place=place, until=found.until, keys=keys)
    return Choice((found,), place=place, until=found.until, keys=keys)


def place_of(house: House, asked: Asked) -> Place:
    """Where the page says that the frame stands; nowhere, if that is no story of the publisher's."""
    placement = house.placements.verify(asked.placement)
    if placement is not None:
        return _handed_on(placement)
    story = canonical(asked.story)
    if story is None or not is_publisher(story, house.settings.shop_publisher_hosts):
        return Place(slot=asked.slot)
    return Place(story, asked.title, asked.slot)


def _handed_on(placement: Placement) -> Place:
    return Place(placement.url, placement.title, placement.slot, placement.tie_in_id)


def earliest(moments: Sequence[datetime | None]) -> datetime | None:
    """The first of these moments; None if there is none."""
    return min((moment for moment in moments if moment is not None), default=None)
