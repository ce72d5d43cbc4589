"""Sweep: unpaid orders whose time is over, and refunds that nobody has heard the end of.

Every process may run it at any time; running it twice does no harm.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, nulls_first, select, update

from shop.checkout.closing import close_attempt, look_at_payment
from shop.checkout.refunding import finish_refunds
from shop.checkout.suppressing import orders_under
from shop.db import Database, now
from shop.errors import PaymentRefused, PaymentUnavailable
from shop.orders.models import Order
from shop.payments.gateway import Gateway
from shop.payments.models import PaymentAttempt

log = structlog.get_logger(__name__)

# A create call may still be on its way for this long: the SDK's time-outs and retries together.
CREATE_LIFE = timedelta(minutes=2)
# Delayed methods tell by event, days later; asking once an hour finds what a lost event would have said.
PROCESSING_LOOK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many orders were closed and looked at, how many refunds were, and how much Stripe did not answer for."""

    closed: int = 0
    looked_at: int = 0
    postponed: int = 0
    refunds: int = 0


def sweep(database: Database, gateway: Gateway, limit: int = 200) -> Swept:
    """Close unpaid orders that are past their session's expiry, were never opened, or hold what was taken away; look at delayed
    payments and refunds.

    Stripe is asked first, always: what it calls paid is settled as paid. What was looked at longest ago comes first, so that
    `limit` orders which Stripe does not answer for never keep the others waiting. Owns its transactions, one order at a
    time.
    """
    moment = now()
    with database.reading() as session:
        rows = session.execute(
            select(Order.id, Order.processing_at)
            .join(PaymentAttempt, PaymentAttempt.order_id == Order.id)
            .where(
                Order.closed_at.is_(None),
                (
                    Order.processing_at.is_(None)
                    & (
                        (PaymentAttempt.expires_at <= moment)
                        | (PaymentAttempt.session_id.is_(None) & (PaymentAttempt.created_at <= moment - CREATE_LIFE))
                    )
                )
                | (func.coalesce(PaymentAttempt.looked_at, Order.processing_at) <= moment - PROCESSING_LOOK)
                & Order.processing_at.is_not(None),
            )
            .order_by(nulls_first(PaymentAttempt.looked_at), Order.id)
            .limit(limit)
        ).all()
        # At once, for it is not to be sold any more: those which `take_away` had no answer for.
        stopped = dict.fromkeys(orders_under(session, limit=limit))
    due: dict[int, datetime | None] = stopped | {
        order_id: processing_at for order_id, processing_at in rows if order_id not in stopped
    }
    if due:
        _note_look(database, list(due), moment)
    closed = looked_at = postponed = 0
    for order_id, processing_at in due.items():
        try:
            if processing_at is not None:
                look_at_payment(database, gateway, order_id, source="sweep")
                looked_at += 1
            else:
                close_attempt(database, gateway, order_id, source="sweep")
                closed += 1
        except (PaymentUnavailable, PaymentRefused) as error:
            postponed += 1
            log.warning("sweep_postponed", order_id=order_id, code=error.code)
    finished = finish_refunds(database, gateway, limit)
    return Swept(closed, looked_at, postponed + finished.postponed, finished.looked_at)


def _note_look(database: Database, order_ids: list[int], moment: datetime) -> None:
    with database.transaction() as session:
        session.execute(
            update(PaymentAttempt)
            .where(PaymentAttempt.order_id.in_(order_ids))
            .values(looked_at=moment)
            .execution_options(synchronize_session=False)
        )
