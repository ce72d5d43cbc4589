"""What stands in a product's place: itself, what came after it, or the offer to tell when it is back.

A story stays on the web for years, and so does the address of a product that was printed under it. Meanwhile the product was
renamed, has sold out, or is not sold any more.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from shop.catalog.models import OldSlug, Product
from shop.catalog.showcase import ProductView, Showcase
from shop.catalog.window import shown_as
from shop.db import now

# Successors of successors: as many as somebody would make on purpose. A circle of them ends here, too.
MOST_STEPS = 6

State = Literal["offer", "sold-out", "over", "archived", "not-on-sale", "unknown"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a product that was asked for by its address stands.

    `state`: "offer" (`product` can be bought), "sold-out" or "over" (`product` may come back), "archived" (gone for good),
    "not-on-sale" (readers are not to see it now) or "unknown" (`product` is None). `asked` is the title of what was asked for,
    if `product` is another that came after it; `own` is the state of that, and `slug` its present address. `until` is when
    this changes by itself, in UTC.
    """

    state: State
    product: ProductView | None = None
    asked: str = ""
    until: datetime | None = None
    own: State = "unknown"
    slug: str = ""

    @property
    def hidden(self) -> bool:
        """Whether there is nothing that readers may see."""
        return self.product is None or self.state in {"archived", "not-on-sale"}


def standing(reader: Session | Connection, showcase: Showcase, slug: str, moment: datetime | None = None) -> Standing:
    """How the product with this address, or that once had it, stands at `moment` (now).

    One statement for a product that is known to `showcase` and can be bought, one more for each successor that is looked at,
    and one for an address that no product has.
    """
    moment = moment or now()
    view = showcase.known(reader, slug)
    if view is None:
        slug = present_slug(reader, slug) or ""
        view = showcase.known(reader, slug) if slug else None
    if view is None:
        return Standing("unknown")
    own = _state(view, moment)
    ends = _next_change(view, moment)
    if own == "offer":
        return Standing("offer", view, until=ends, own=own, slug=view.slug)
    seen, after = {view.id}, view
    while after.successor and len(seen) <= MOST_STEPS:
        found = showcase.known(reader, after.successor)
        if found is None or found.id in seen:
            break
        seen.add(found.id)
        after = found
        ends = _sooner(ends, _next_change(found, moment))
        if _state(found, moment) == "offer":
            return Standing("offer", found, asked=view.title, until=ends, own=own, slug=view.slug)
    return Standing(own, view, until=ends, own=own, slug=view.slug)


def present_slug(reader: Session | Connection, slug: str) -> str | None:
    """The address of the product that once had the address `slug`; None if there was none, or it is gone. One statement."""
    return reader.execute(
        select(Product.slug).join(OldSlug, OldSlug.product_id == Product.id).where(OldSlug.slug == slug)
    ).scalar_one_or_none()


def _state(view: ProductView, moment: datetime) -> State:
    shown = shown_as(view, moment)
    if shown == "active":
        return "sold-out" if view.sold_out else "offer"
    return shown if shown in {"over", "archived"} else "not-on-sale"  # type: ignore[return-value]


def _next_change(view: ProductView, moment: datetime) -> datetime | None:
    ahead = [edge for edge in (view.publish_at, view.unpublish_at) if edge is not None and edge > moment]
    return min(ahead) if ahead and view.status == "active" else None


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    both = [moment for moment in (one, other) if moment is not None]
    return min(both) if both else None
