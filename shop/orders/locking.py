"""Taking an order in hand so that nobody else changes it until the transaction ends. The first of the locks: see
`shop.catalog.stock` for those that come after it.
"""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from shop.errors import NotFound
from shop.orders.models import Order


def lock_where(session: Session, condition: ColumnElement[bool]) -> Order | None:
    """The one order of which `condition` is true, locked, as it is now, whatever the session has read of it before."""
    return session.scalars(
        select(Order).where(condition).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()


def lock_by_number(session: Session, number: str) -> Order:
    """The order with this number, as `lock_where`. Raises NotFound."""
    order = lock_where(session, Order.number == number)
    if order is None:
        raise NotFound("order")
    return order


def lock_by_id(session: Session, order_id: int) -> Order:
    """The order with this id, which is known to be there, as `lock_where`."""
    order = lock_where(session, Order.id == order_id)
    assert order is not None
    return order
