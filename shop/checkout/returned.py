"""Refunds and disputes of which no event told, or which the shop knows otherwise than Stripe.

A page of either costs two statements; only what is news costs more.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.checkout.books import SOURCE, Books, Compared, added
from shop.checkout.disputes import settle_dispute
from shop.checkout.given_back import settle_refund
from shop.checkout.settle import Settled
from shop.db import now
from shop.errors import PaymentRefused
from shop.money import spoken
from shop.orders.models import Order
from shop.payments.discrepancies import Found
from shop.payments.models import Dispute, Refund
from shop.payments.told import DisputeTold, RefundTold

# Stripe's clock and ours may differ by so much.
SKEW = timedelta(minutes=5)


class _Told(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def payment_intent(self) -> str | None: ...


T = TypeVar("T", bound=_Told)


def compare_refunds(books: Books, page: Sequence[RefundTold]) -> Compared:
    """Settle refunds that the shop does not know, or not as they are now. Owns its transactions; raises as the gateway does."""

    def differs(told: RefundTold, row: Refund | None) -> str:
        if row is None:
            return f"The refund {told.id} of {spoken(told.amount_minor, told.currency)} is at Stripe and not here."
        if (row.amount_minor, row.currency) != (told.amount_minor, told.currency):
            here = spoken(row.amount_minor, row.currency)
            return (
                f"The refund {told.id} is of {here} here and of {spoken(told.amount_minor, told.currency)} at Stripe."
            )
        if row.status != told.status:
            return f"The refund {told.id} is {row.status} here and {told.status} at Stripe."
        return ""

    def settle_one(session: Session, told: RefundTold, at: datetime) -> Settled:
        return settle_refund(session, told, SOURCE, at)

    return _compare(books, page, Refund, differs, settle_one, books.gateway.get_refund, "refund_differs")


def compare_disputes(books: Books, page: Sequence[DisputeTold]) -> Compared:
    """Settle disputes that the shop does not know, or not as they are now. Owns its transactions; raises as the gateway does."""

    def differs(told: DisputeTold, row: Dispute | None) -> str:
        if row is None:
            return f"The dispute {told.id} of {spoken(told.amount_minor, told.currency)} is at Stripe and not here."
        if (row.withdrawn_minor, row.reinstated_minor) != (told.withdrawn_minor, told.reinstated_minor):
            here = spoken(row.withdrawn_minor - row.reinstated_minor, row.currency)
            there = spoken(told.withdrawn_minor - told.reinstated_minor, told.currency)
            return f"The dispute {told.id} has taken {here} by the shop's books and {there} by Stripe's."
        if (row.status, row.amount_minor) != (told.status, told.amount_minor):
            here = f"{row.status}, {spoken(row.amount_minor, row.currency)}"
            return f"The dispute {told.id} is {here} here and {told.status}, {spoken(told.amount_minor, told.currency)} there."
        return ""

    def settle_one(session: Session, told: DisputeTold, at: datetime) -> Settled:
        return settle_dispute(session, told, SOURCE, at)

    return _compare(books, page, Dispute, differs, settle_one, books.gateway.get_dispute, "dispute_differs")


def _compare(
    books: Books,
    page: Sequence[T],
    table: type[Any],
    differs: Callable[[T, Any], str],
    settle_one: Callable[[Session, T, datetime], Settled],
    ask: Callable[[str], T],
    kind: str,
) -> Compared:
    """Settle what differs, then ask Stripe again about what still does: meanwhile an event may have told more than the page."""
    books.seen.update(told.id for told in page)
    with books.database.reading() as session:
        orders, rows = _known(session, page, table)
    news = [(told, order) for told, order in _ours(page, orders) if differs(told, rows.get(told.id))]
    if not news:
        return Compared()
    done = []
    for told, order in news:
        fresh, at = ask(told.id), now()
        done.append(
            books.apply(
                told.id,
                order,
                lambda session, fresh=fresh, at=at: settle_one(session, fresh, at),  # type: ignore[misc]
            )
        )
        with books.database.reading() as session:
            row = session.scalars(select(table).where(table.stripe_id == told.id)).one_or_none()
        if (cause := differs(fresh, row)) and not done[-1].found:
            done.append(Compared(found=(Found(kind, told.id, order, cause),)))
    return added(done)


def _known(session: Session, page: Sequence[_Told], table: type[Any]) -> tuple[Mapping[str, int], Mapping[str, Any]]:
    """The orders of these payments by payment intent, and the rows of these refunds or disputes by Stripe's id."""
    intents = {told.payment_intent for told in page if told.payment_intent}
    orders = session.execute(select(Order.payment_intent, Order.id).where(Order.payment_intent.in_(intents)))
    rows = session.scalars(select(table).where(table.stripe_id.in_([told.id for told in page])))
    return {intent: order_id for intent, order_id in orders if intent}, {row.stripe_id: row for row in rows}


def _ours(page: Sequence[T], orders: Mapping[str, int]) -> list[tuple[T, int]]:
    found = [(told, orders.get(told.payment_intent or "")) for told in page]
    return [(told, order_id) for told, order_id in found if order_id is not None]


def missing_at_stripe(books: Books) -> Compared:
    """Refunds and disputes of the time compared that the shop has and Stripe has not listed. Raises as the gateway does."""
    done = []
    for table, made in ((Refund, Refund.created_at), (Dispute, Dispute.opened_at)):
        with books.database.reading() as session:
            keys = session.scalars(
                select(table.stripe_id)
                .join(Order, Order.id == table.order_id)
                .where(
                    table.stripe_id.is_not(None),
                    made >= books.since + SKEW,
                    made < books.money_from,
                    Order.livemode == books.gateway.livemode,
                )
            ).all()
        done += [look_again(books, table, key) for key in keys if key and key not in books.seen]
    return added(done)


def look_again(books: Books, table: type[Refund] | type[Dispute], key: str) -> Compared:
    """Ask Stripe about one refund or dispute, and compare it. Raises PaymentUnavailable."""
    try:
        if table is Refund:
            return compare_refunds(books, [books.gateway.get_refund(key)])
        return compare_disputes(books, [books.gateway.get_dispute(key)])
    except PaymentRefused as refusal:
        if refusal.of_key:
            raise
    books.seen.add(key)
    what = "refund" if table is Refund else "dispute"
    cause = f"The shop has the {what} {key}, and Stripe does not know it."
    with books.database.reading() as session:
        orders = session.scalars(select(table.order_id).where(table.stripe_id == key)).all()
    return Compared(found=tuple(Found(f"missing_{what}", key, order_id, cause) for order_id in orders))
