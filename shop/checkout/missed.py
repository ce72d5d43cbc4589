"""Payments of which no event told: what Stripe says of sessions and payment intents is settled where the shop does not know it.

A page of either costs one statement; only what is news costs more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from shop.checkout.books import SOURCE, Books, Compared, added, address_of
from shop.checkout.settle import Settled, settle
from shop.orders.facts import tell
from shop.orders.locking import lock_by_id
from shop.orders.models import Order
from shop.payments.listing import IntentTold, ListedSession
from shop.payments.models import PaymentAttempt
from shop.payments.told import CheckoutSession


@dataclass(frozen=True, slots=True)
class _Known:
    """An order as far as its payment goes."""

    id: int
    number: str
    session_id: str | None
    unmatched: bool
    processing_at: datetime | None
    paid_at: datetime | None
    payment_failed_at: datetime | None
    closed_at: datetime | None


def compare_sessions(books: Books, page: Sequence[ListedSession]) -> Compared:
    """Settle what is news, and close pages that a buyer could still pay on for an order that is over.

    Owns its transactions, one for each session that is news; none is open while Stripe is called.
    """
    books.seen.update(listed.told.id for listed in page)
    with books.database.reading() as session:
        known = _orders(session, [listed.told for listed in page])
    done = []
    for listed in page:
        told = listed.told
        order = known.get(told.id)
        if order is None:
            if told.is_paid and told.payment_intent and address_of(listed.success_url) == books.own_address:
                books.orphans.add(told.payment_intent)
        elif told.status == "open" and (order.closed_at is not None or order.session_id not in {None, told.id}):
            done.append(_close(books, order, told))
        elif _is_news(order, told):
            done.append(books.apply(told.id, order.id, lambda session, told=told: settle(session, told, SOURCE)))  # type: ignore[misc]
    return added(done)


def _orders(session: Session, page: Sequence[CheckoutSession]) -> dict[str, _Known]:
    """The orders of sessions by the sessions' ids, as `settle` knows whose they are. One statement."""
    rows = session.execute(
        select(
            Order.id,
            Order.number,
            PaymentAttempt.session_id,
            Order.unmatched_minor.is_not(None),
            Order.processing_at,
            Order.paid_at,
            Order.payment_failed_at,
            Order.closed_at,
        )
        .join(PaymentAttempt, PaymentAttempt.order_id == Order.id)
        .where(
            or_(
                PaymentAttempt.session_id.in_([told.id for told in page]),
                Order.id.in_([told.order_id for told in page if told.order_id is not None]),
            )
        )
    )
    orders = [_Known(*row) for row in rows]
    by_session = {order.session_id: order for order in orders}
    by_name = {(order.id, order.number): order for order in orders}
    found = {told.id: by_session.get(told.id) or by_name.get((told.order_id or 0, told.order_number)) for told in page}
    return {session_id: order for session_id, order in found.items() if order is not None}


def _is_news(order: _Known, told: CheckoutSession) -> bool:
    """Whether settling may change anything; it decides for itself, so asking once too often costs a statement."""
    if order.paid_at is not None:
        return False
    if told.status == "complete" and told.is_paid:
        return not order.unmatched
    if order.closed_at is not None:
        return False
    if told.status == "complete":
        return told.payment_failed or order.processing_at is None
    return told.status == "expired" or order.session_id is None


def _close(books: Books, order: _Known, told: CheckoutSession) -> Compared:
    """Nobody is to pay for an order that is over, or on a second page of one. Paid after all, it is settled as paid."""
    ended = books.gateway.expire_session(told.id)

    def note(session: Session) -> Settled:
        locked = lock_by_id(session, order.id)
        if ended.status != "expired" or order.session_id in {None, told.id}:
            settle(session, ended, SOURCE)
        tell(session, locked, "payment_page_closed", SOURCE, note=f"{told.id} could still be paid")
        return Settled(order.id, changed=True)

    return books.apply(told.id, order.id, note)


def compare_intents(books: Books, page: Sequence[IntentTold]) -> Compared:
    """Look at the session of each order that Stripe has taken money for and the shop waits for. Raises as the gateway does.

    Owns its transactions, one for each such order.
    """
    books.seen.update(told.id for told in page)
    named = {told.order_id: told.order_number for told in page if told.status == "succeeded" and told.order_id}
    with books.database.reading() as session:
        rows = session.execute(
            select(Order.id, Order.number, PaymentAttempt.session_id)
            .join(PaymentAttempt, PaymentAttempt.order_id == Order.id)
            .where(Order.id.in_(list(named)), Order.paid_at.is_(None), Order.unmatched_minor.is_(None))
        ).all()
    return added(
        [
            look_at(books, session_id, order_id)
            for order_id, number, session_id in rows
            if number == named[order_id] and session_id is not None
        ]
    )


def look_at(books: Books, session_id: str, order_id: int | None) -> Compared:
    """Ask Stripe how a session stands now, and settle it. One transaction. Raises as the gateway does."""
    told = books.gateway.get_session(session_id)
    return books.apply(session_id, order_id, lambda session: settle(session, told, SOURCE))
