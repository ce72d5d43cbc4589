"""The parcels of an order, as its page shows them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.fulfilment.models import Shipment


@dataclass(frozen=True, slots=True)
class ShipmentView:
    """A parcel on its way. `tracking_url` is empty or a web address."""

    carrier: str
    tracking_number: str
    tracking_url: str
    shipped_at: datetime


def shipments_of(session: Session, order_id: int) -> tuple[ShipmentView, ...]:
    """The order's parcels, the earliest first. One statement."""
    rows = session.scalars(select(Shipment).where(Shipment.order_id == order_id).order_by(Shipment.id)).all()
    return tuple(ShipmentView(row.carrier, row.tracking_number, row.tracking_url, row.shipped_at) for row in rows)
