"""Which products a frame shows, and under which story: by a product's address, by the story's, or by a token of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from shop.articles.addresses import canonical, is_publisher
from shop.articles.placement import Placement
from shop.articles.resolve import resolve, stopped
from shop.articles.story import Story, as_resolved, claimed
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


def choose(house: House, reader: Connection, asked: Asked) -> Choice:
    """What stands in this place: the product that the page names, or else whatever belongs under its story."""
    return by_product(house, reader, asked) if asked.product else by_story(house, reader, asked)


def by_story(house: House, reader: Connection, asked: Asked) -> Choice:
    """What editors have put under the story (`shop.articles.resolve`). Three statements, and those of each product.

    A story that the shop does not know is believed what its page says of it; it makes no row.
    """
    story = claimed(asked.story, asked.title, asked.section, asked.author, asked.tags)
    if story is None:
        return Choice(reason="bad-address")
    if not is_publisher(story.url, house.settings.shop_publisher_hosts):
        return Choice(reason="host-not-allowed")
    found = resolve(reader, story, asked.slot)
    if found.story.id is None:
        house.curious.wonder(found.story.url)
    keys = ("stories", *_key("article", found.story.id))
    if found.shown is None:
        reason: Reason = "suppressed" if found.suppressed or found.held else "nothing-here"
        return Choice(reason=reason, until=found.until, keys=keys)
    stand = [standing(reader, house.showcase, product.slug) for product in found.shown.products[:MOST_SHOWN]]
    until = earliest([found.until, *(one.until for one in stand)])
    # What came after a product that is sold out may have been taken away itself.
    by_id = {
        one.product.id: one
        for one in stand
        if one.product is not None
        and not one.hidden
        and not (one.asked and stopped(reader, found.story, one.product.id))
    }
    keys += (*_key("tie-in", found.shown.tie_in_id), *(f"product-{product.id}" for product in found.shown.products))
    keys += tuple(f"product-{product_id}" for product_id in by_id)
    if not by_id:
        return Choice(reason="nothing-here", until=until, keys=keys)
    place = Place(found.story.url, found.story.title, asked.slot, found.shown.tie_in_id, found.story.id)
    return Choice(tuple(by_id.values()), None, place, found.shown.cta, found.shown.layout, until, keys)


def _key(kind: str, row_id: int | None) -> tuple[str, ...]:
    return () if row_id is None else (f"{kind}-{row_id}",)


def by_product(house: House, reader: Connection, asked: Asked) -> Choice:
    """The product that the page itself names, unless it, or the story, has been taken away. Statements as `standing`, and two."""
    place = place_of(house, asked)
    found = standing(reader, house.showcase, asked.product) if SLUG.fullmatch(asked.product) else Standing("unknown")
    story = _believed(reader, place, asked)
    keys = ("catalogue", *_key("article", story.id if story else None), *_key("tie-in", place.tie_in_id))
    if found.product is None:
        return Choice(reason="unknown-product", place=place, keys=keys)
    keys += _key("product", found.product.id)
    if stopped(reader, story, found.product.id):
        return Choice(reason="suppressed", place=place, keys=keys)
    if found.hidden:
        return Choice(reason="not-on-sale", place=place, until=found.until, keys=keys)
    return Choice((found,), place=place, until=found.until, keys=keys)


def _believed(reader: Connection, place: Place, asked: Asked) -> Story | None:
    claim = claimed(place.story, place.title, asked.section, asked.author, asked.tags) if place.story else None
    return as_resolved(reader, claim) if claim is not None else None


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
