"""Learning from Stripe how an attempt stands, and closing one for good.

Stock is given back only after Stripe has said that the session can no longer be paid: a timer of our own would sell goods
that somebody is paying for at this moment.
"""

from dataclasses import dataclass

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from shop.checkout.release import cancel
from shop.checkout.settle import settle
from shop.crashing import die_at
from shop.db import Database
from shop.errors import PaymentRefused, PaymentUnavailable
from shop.orders.models import Order
from shop.payments.gateway import Gateway
from shop.payments.models import PaymentAttempt
from shop.payments.told import CheckoutSession

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Attempt:
    id: int
    closed: bool
    session_id: str | None
    key: str
    params: dict[str, object]


_OPENING = (
    select(PaymentAttempt.session_id, PaymentAttempt.session_url, Order.closed_at)
    .join(Order, Order.id == PaymentAttempt.order_id)
    .where(PaymentAttempt.id == bindparam("attempt"))
    .with_for_update(of=(Order, PaymentAttempt))
)
_OPENED = update(PaymentAttempt).where(PaymentAttempt.id == bindparam("attempt"))


def note_session(session: Session, attempt_id: int, opened: CheckoutSession) -> str | None:
    """Store what Stripe made of an attempt. Returns the payment page's address, None if its order is closed by now."""
    connection = session.connection()
    known = connection.execute(_OPENING, {"attempt": attempt_id}).one()
    if known.session_id is None:
        connection.execute(_OPENED, {"attempt": attempt_id, "session_id": opened.id, "session_url": opened.url})
    payment_url = opened.url if known.session_id is None else known.session_url
    return payment_url if known.closed_at is None else None


def _read_attempt(database: Database, order_id: int) -> _Attempt:
    with database.reading() as session:
        row, closed_at = session.execute(
            select(PaymentAttempt, Order.closed_at)
            .join(Order, Order.id == PaymentAttempt.order_id)
            .where(PaymentAttempt.order_id == order_id)
        ).one()
        return _Attempt(row.id, closed_at is not None, row.session_id, row.idempotency_key, row.params)


def _find_session(database: Database, gateway: Gateway, order_id: int, attempt: _Attempt) -> str | None:
    """The attempt's session at Stripe; None if Stripe has never made one, in which case the order is cancelled.

    A create call that timed out may have worked. Sending the same key and parameters again gives the session it made, or
    makes it now; a definite refusal proves that there is none. A refused key proves nothing: it may have been rolled since.
    """
    if attempt.session_id is not None:
        return attempt.session_id
    try:
        opened = gateway.open_session(attempt.params, attempt.key)
    except PaymentRefused as refusal:
        if refusal.of_key:
            raise PaymentUnavailable from refusal
        cancel(database, order_id, refusal.reason)
        return None
    with database.transaction() as session:
        note_session(session, attempt.id, opened)
    return opened.id


def close_attempt(database: Database, gateway: Gateway, order_id: int, source: str) -> None:
    """Make sure that an order's session can no longer be paid, and settle what Stripe says of it: expired, or paid.

    Owns its transactions, none of them open while Stripe is called. Raises PaymentUnavailable when Stripe does not answer:
    then nothing has changed and the stock stays held.
    """
    attempt = _read_attempt(database, order_id)
    if attempt.closed:
        return
    session_id = _find_session(database, gateway, order_id, attempt)
    if session_id is None:
        return
    ended = gateway.expire_session(session_id)
    die_at("close.expired")
    with database.transaction() as session:
        settle(session, ended, source)


def look_at_payment(database: Database, gateway: Gateway, order_id: int, source: str = "return page") -> None:
    """Ask Stripe how an order's payment stands and settle it: the buyer is back, perhaps before the webhook.

    Owns its transactions. Raises PaymentUnavailable when Stripe does not answer; the webhook will tell then.
    """
    attempt = _read_attempt(database, order_id)
    if attempt.closed or attempt.session_id is None:
        return
    known = gateway.get_session(attempt.session_id)
    die_at("return.told")
    with database.transaction() as session:
        settle(session, known, source)


def abandon(database: Database, gateway: Gateway, order_id: int) -> None:
    """The buyer came back from the payment page without paying: close the session, so that the goods are free again.

    An order that was paid after all stays paid. Raises as `close_attempt`.
    """
    close_attempt(database, gateway, order_id, source="cancelled by the buyer")
