"""When a product is on sale: published, and inside the time that staff gave it. `showcase.shelf` asks the same in SQL."""

from datetime import datetime
from typing import Protocol


class Published(Protocol):
    """What has a status and a time, both ends of which may be open (UTC): a product, or a view of one."""

    @property
    def status(self) -> str: ...
    @property
    def publish_at(self) -> datetime | None: ...
    @property
    def unpublish_at(self) -> datetime | None: ...


def shown_as(product: Published, moment: datetime) -> str:
    """What readers see of a product at `moment`: "draft", "archived", "waiting", "over" (its time), or "active"."""
    if product.status != "active":
        return product.status
    if product.publish_at and product.publish_at > moment:
        return "waiting"
    if product.unpublish_at and product.unpublish_at <= moment:
        return "over"
    return "active"


def on_sale(product: Published, moment: datetime) -> bool:
    """Whether readers may see a product at `moment`."""
    return shown_as(product, moment) == "active"
