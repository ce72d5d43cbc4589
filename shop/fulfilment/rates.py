"""Which ways of shipping lead to a country, and what they cost."""

from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from shop.errors import CannotShipThere
from shop.fulfilment.models import ShippingRate, ZoneCountry

STRIPE_OPTION_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Rate:
    """A way of shipping at its price for one order, in minor units; days are business days."""

    id: int
    name: str
    amount_minor: int
    currency: str
    min_days: int
    max_days: int


# Columns instead of objects, and built once: it is asked whenever somebody pays.
_RATES = (
    select(
        ShippingRate.id,
        ShippingRate.name,
        ShippingRate.amount_minor,
        ShippingRate.currency,
        ShippingRate.min_days,
        ShippingRate.max_days,
        ShippingRate.free_from_minor,
    )
    .join(ZoneCountry, ZoneCountry.zone_id == ShippingRate.zone_id)
    .where(ZoneCountry.country == bindparam("country"), ShippingRate.currency == bindparam("currency"))
    .order_by(ShippingRate.position, ShippingRate.id)
    .limit(STRIPE_OPTION_LIMIT)
)


def rates_for(session: Session, country: str, subtotal_minor: int, currency: str) -> tuple[Rate, ...]:
    """The ways to ship goods worth `subtotal_minor` to `country`, in the staff's order; at most five, as Stripe takes.

    Raises CannotShipThere when there is none.
    """
    session.flush()
    rows = session.connection().execute(_RATES, {"country": country.upper(), "currency": currency}).all()
    if not rows:
        raise CannotShipThere(country)
    return tuple(
        Rate(
            row.id,
            row.name,
            0 if row.free_from_minor is not None and subtotal_minor >= row.free_from_minor else row.amount_minor,
            row.currency,
            row.min_days,
            row.max_days,
        )
        for row in rows
    )


def countries_served(session: Session) -> tuple[str, ...]:
    """Every country some rate leads to, as ISO codes in alphabetical order."""
    return tuple(
        session.scalars(
            select(ZoneCountry.country)
            .where(ZoneCountry.zone_id.in_(select(ShippingRate.zone_id)))
            .order_by(ZoneCountry.country)
        ).all()
    )
