"""The inbox of Stripe's events as staff read it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from shop.db import cursor_id
from shop.payments.models import PaymentAttempt, StripeEvent


@dataclass(frozen=True, slots=True)
class EventView:
    """An event as staff see it. `due_at` is when the shop tries it again by itself. Moments in UTC."""

    id: int
    stripe_id: str
    type: str
    api_version: str
    object_id: str
    order_id: int | None
    state: str
    reason: str
    attempts: int
    created_at: datetime
    received_at: datetime
    applied_at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of the inbox, newest first, and the cursor of the next."""

    events: tuple[EventView, ...]
    next_cursor: str | None


# An event about a session is about the order of that session, whether it names it or not.
_EVENTS = select(StripeEvent, func.coalesce(StripeEvent.order_id, PaymentAttempt.order_id)).outerjoin(
    PaymentAttempt, PaymentAttempt.session_id == StripeEvent.object_id
)


def events_of_order(session: Session, order_id: int) -> tuple[EventView, ...]:
    """The events behind an order, in the order in which they came. One statement."""
    about = select(PaymentAttempt.session_id).where(PaymentAttempt.order_id == order_id)
    rows = session.execute(
        _EVENTS.where(or_(StripeEvent.order_id == order_id, StripeEvent.object_id.in_(about))).order_by(StripeEvent.id)
    )
    return tuple(_view(*row) for row in rows)


def list_events(session: Session, state: str | None = None, after: str | None = None, limit: int = 50) -> EventPage:
    """The inbox, newest first, of one state or all; `after` is the cursor of the page before. One statement."""
    wanted = _EVENTS.order_by(StripeEvent.id.desc()).limit(limit + 1)
    if state:
        wanted = wanted.where(StripeEvent.state == state)
    last = cursor_id(after)
    if last is not None:
        wanted = wanted.where(StripeEvent.id < last)
    rows = session.execute(wanted).all()
    shown = tuple(_view(*row) for row in rows[:limit])
    return EventPage(shown, str(shown[-1].id) if len(rows) > limit else None)


def count_events(session: Session) -> dict[str, int]:
    """How many events are in each state. One statement."""
    counted = session.execute(select(StripeEvent.state, func.count()).group_by(StripeEvent.state))
    return {state: count for state, count in counted}  # noqa: C416  rows are no pairs to the type checker


def find_event(session: Session, stripe_id: str) -> EventView | None:
    """One event by Stripe's id. One statement."""
    row = session.execute(_EVENTS.where(StripeEvent.stripe_id == stripe_id)).one_or_none()
    return None if row is None else _view(*row)


def _view(row: StripeEvent, order_id: int | None) -> EventView:
    shown = {name: getattr(row, name) for name in EventView.__slots__}
    return EventView(**(shown | {"order_id": order_id}))
