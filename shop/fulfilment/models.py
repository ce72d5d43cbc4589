"""Tables of shipping."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shop.db import Base, now


class ShippingZone(Base):
    """A group of countries that share shipping rates."""

    __tablename__ = "shipping_zones"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    position: Mapped[int] = mapped_column(default=0)

    countries: Mapped[list["ZoneCountry"]] = relationship(cascade="all, delete-orphan", lazy="raise")
    rates: Mapped[list["ShippingRate"]] = relationship(
        order_by="ShippingRate.position", cascade="all, delete-orphan", lazy="raise"
    )


class ZoneCountry(Base):
    """A country (ISO 3166-1 alpha-2) belongs to one zone."""

    __tablename__ = "zone_countries"

    country: Mapped[str] = mapped_column(String(2), primary_key=True)
    zone_id: Mapped[int] = mapped_column(ForeignKey("shipping_zones.id", ondelete="CASCADE"), index=True)


class ShippingRate(Base):
    """A way to ship within a zone, in minor units; free from `free_from_minor` of goods on, if set. Days are business days."""

    __tablename__ = "shipping_rates"
    __table_args__ = (
        UniqueConstraint("zone_id", "name"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        CheckConstraint("min_days >= 0 AND max_days >= min_days", name="days_ordered"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    zone_id: Mapped[int] = mapped_column(ForeignKey("shipping_zones.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(80))
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    min_days: Mapped[int]
    max_days: Mapped[int]
    free_from_minor: Mapped[int | None]
    position: Mapped[int] = mapped_column(default=0)


class Shipment(Base):
    """A parcel that has left."""

    __tablename__ = "shipments"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), index=True)
    carrier: Mapped[str] = mapped_column(String(80), default="")
    tracking_number: Mapped[str] = mapped_column(String(80))
    tracking_url: Mapped[str] = mapped_column(String(500), default="")
    actor: Mapped[str] = mapped_column(String(120), default="")
    shipped_at: Mapped[datetime] = mapped_column(default=now)
