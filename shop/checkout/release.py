"""Giving an order's goods back, and cancelling an order that Stripe never took."""

import structlog
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from shop.catalog import stock
from shop.db import Database
from shop.orders.facts import record
from shop.orders.locking import lock_by_id
from shop.orders.models import Order, OrderLine
from shop.payments.models import PaymentAttempt

log = structlog.get_logger(__name__)


def cancel(database: Database, order_id: int, reason: str) -> None:
    """Stripe refused for good, so no session exists: cancel the order and give its goods back. One transaction."""
    with database.transaction() as session:
        order = lock_by_id(session, order_id)
        attempt = session.scalars(
            select(PaymentAttempt).where(PaymentAttempt.order_id == order_id).with_for_update()
        ).one()
        if attempt.session_id is not None or order.closed_at is not None:
            return
        release_stock(session, order)
        record(session, order, "cancelled", "Stripe", note=reason)
    log.warning("order_cancelled", order=order.number, reason=reason)


def release_stock(session: Session, order: Order) -> None:
    """Give a locked order's goods back, once."""
    if order.stock_state != "reserved":
        return
    stock.release(session, pieces_of(session, order))
    order.stock_state = "released"
    session.flush()


def pieces_of(session: Session, order: Order) -> dict[int, int]:
    """Variant id -> pieces of an order."""
    return _pieces(session, order, OrderLine.quantity.expression)


def owed_pieces(session: Session, order: Order) -> dict[int, int]:
    """Variant id -> pieces of an order that have not been paid back."""
    return _pieces(session, order, OrderLine.quantity - OrderLine.refunded_quantity)


def _pieces(session: Session, order: Order, counted: ColumnElement[int]) -> dict[int, int]:
    rows = session.execute(select(OrderLine.variant_id, counted).where(OrderLine.order_id == order.id))
    return stock.summed((variant_id, quantity) for variant_id, quantity in rows)
