"""Forgetting carts that nobody came back for, and the tickets that could have handed them over."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from shop.cart.models import Cart, CartHandover
from shop.db import changed_rows


def forget_carts(session: Session, before: datetime, spare: Select[Any], *, limit: int = 500) -> int:
    """Delete at most `limit` carts that nobody has touched since `before`, the oldest first. Returns how many there were.

    `spare` selects the ids of carts that must stay, those of orders that can still be paid; carts know no orders, so the
    caller brings it. A cart that is touched at the same moment stays too: the DELETE looks at it again. In the caller's
    transaction, which should hold one call only, so that a great clearing keeps no buyer waiting.
    """
    untouched = (Cart.updated_at < before, Cart.id.not_in(spare))
    oldest = select(Cart.id).where(*untouched).order_by(Cart.updated_at, Cart.id).limit(limit)
    return changed_rows(
        session,
        delete(Cart).where(Cart.id.in_(oldest), *untouched).execution_options(synchronize_session=False),
    )


def forget_tickets(session: Session, before: datetime) -> int:
    """Delete tickets that ran out before `before`. Returns how many there were. In the caller's transaction."""
    return changed_rows(
        session,
        delete(CartHandover).where(CartHandover.expires_at < before).execution_options(synchronize_session=False),
    )
