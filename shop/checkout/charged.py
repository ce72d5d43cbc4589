"""The charges that Stripe has made against the orders that the shop holds for paid. Nothing is mended here by a guess.

A page costs three statements; what differs is asked about once more before anybody is told.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from shop.checkout.books import Books, Compared, added
from shop.checkout.missed import look_at
from shop.checkout.returned import SKEW, compare_disputes, compare_refunds
from shop.errors import PaymentRefused
from shop.money import spoken
from shop.orders.models import Order
from shop.payments.discrepancies import Found
from shop.payments.listing import ChargeTold
from shop.payments.models import Dispute, PaymentAttempt, Refund
from shop.payments.refunds import TAKEN


@dataclass(frozen=True, slots=True)
class _Paid:
    """An order as far as its money goes. `given_back` are its refunds that Stripe knows and that have not failed; `asking`
    says that one is being asked for at this moment, `disputes` how many there are."""

    id: int
    number: str
    livemode: bool
    currency: str
    paid_minor: int
    is_paid: bool
    is_unmatched: bool
    payment_intent: str | None
    attention: str | None
    session_id: str | None
    given_back: int = 0
    asking: bool = False
    disputes: int = 0


def compare_charges(books: Books, page: Sequence[ChargeTold]) -> Compared:
    """Where charges and orders differ. Owns its transactions; raises as the gateway does.

    Before that is said, Stripe is asked how the payment, its refunds and the charge stand now: an event may be on its way,
    and what has been missed is mended.
    """
    books.seen.update(told.id for told in page)
    taken = [told for told in page if told.status == "succeeded"]
    books.taken.update(told.payment_intent for told in taken if told.payment_intent)
    suspect = _differences(books, taken)
    if not suspect:
        return Compared()
    mended = []
    for told, order, _ in suspect:
        if order is not None and not order.is_paid and not order.is_unmatched and order.session_id:
            mended.append(look_at(books, order.session_id, order.id))
        if order is not None and told.payment_intent and order.payment_intent == told.payment_intent:
            mended.append(compare_refunds(books, books.gateway.refunds_of(told.payment_intent)))
            mended += [compare_disputes(books, page) for page in books.listing.disputes_of(told.payment_intent)]
    again = [books.listing.charge(told.id) for told, _, _ in suspect]
    return added([*mended, Compared(found=tuple(found for _, _, found in _differences(books, again)))])


def _differences(books: Books, page: Sequence[ChargeTold]) -> list[tuple[ChargeTold, _Paid | None, Found]]:
    with books.database.reading() as session:
        orders = _orders(session, page)
    by_intent = {order.payment_intent: order for order in orders if order.payment_intent}
    by_name = {(order.id, order.number): order for order in orders}
    found = []
    for told in page:
        order = by_intent.get(told.payment_intent or "") or by_name.get((told.order_id or 0, told.order_number))
        sentences = _of_order(told, order) if order is not None else _of_nobody(books, told)
        order_id = order.id if order is not None else None
        found += [(told, order, Found(kind, told.id, order_id, cause)) for kind, cause in sentences]
    return found


def _orders(session: Session, page: Sequence[ChargeTold]) -> list[_Paid]:
    rows = session.execute(
        select(
            Order.id,
            Order.number,
            Order.livemode,
            Order.currency,
            Order.paid_minor,
            Order.paid_at.is_not(None),
            Order.unmatched_minor.is_not(None),
            Order.payment_intent,
            Order.attention,
            PaymentAttempt.session_id,
        )
        .outerjoin(PaymentAttempt, PaymentAttempt.order_id == Order.id)
        .where(
            or_(
                Order.payment_intent.in_([told.payment_intent for told in page if told.payment_intent]),
                Order.id.in_([told.order_id for told in page if told.order_id is not None]),
            )
        )
    )
    orders = [_Paid(*row) for row in rows]
    ids = [order.id for order in orders]
    counted = Refund.status.in_(TAKEN)
    sums: Mapping[int, tuple[int, int]] = {
        order_id: (given_back, asking)
        for order_id, given_back, asking in session.execute(
            select(
                Refund.order_id,
                func.sum(case((counted, Refund.amount_minor), else_=0)),
                func.sum(case((Refund.status == "creating", 1), else_=0)),
            )
            .where(Refund.order_id.in_(ids))
            .group_by(Refund.order_id)
        )
    }
    disputes: Counter[int] = Counter(session.scalars(select(Dispute.order_id).where(Dispute.order_id.in_(ids))))
    return [
        replace(
            order,
            given_back=int(sums.get(order.id, (0, 0))[0]),
            asking=bool(sums.get(order.id, (0, 0))[1]),
            disputes=disputes[order.id],
        )
        for order in orders
    ]


def _of_order(told: ChargeTold, order: _Paid) -> Iterator[tuple[str, str]]:
    amount = spoken(told.amount_minor, told.currency)
    given_back = told.refunded_minor >= told.amount_minor
    if told.livemode != order.livemode:
        modes = ("live", "test") if told.livemode else ("test", "live")
        yield (
            "wrong_mode",
            f"The charge {told.id} of {amount} was made in {modes[0]} mode, the order in {modes[1]} mode.",
        )
        return
    if not order.is_paid:
        if not given_back:
            why = (order.attention or "").splitlines()
            because = f": {why[-1]}" if why else ", and its payment page says nothing of it"
            yield (
                "unsettled",
                f"Stripe has taken {amount} ({told.id}), which does not count as the order's payment{because}.",
            )
        return
    if told.payment_intent != order.payment_intent:
        if not given_back:
            yield (
                "paid_twice",
                f"Stripe has taken {amount} ({told.id}) beside the payment of this order: give it back there.",
            )
        return
    if (told.amount_minor, told.currency) != (order.paid_minor, order.currency):
        here = spoken(order.paid_minor, order.currency)
        yield (
            "charge_differs",
            f"The order was paid with {here} by the shop's books and with {amount} by Stripe's ({told.id}).",
        )
    if told.refunded_minor != order.given_back and not order.asking:
        here, there = spoken(order.given_back, order.currency), spoken(told.refunded_minor, told.currency)
        yield (
            "refunds_differ",
            f"{here} of this order is given back by the shop's books and {there} by Stripe's ({told.id}).",
        )
    if told.disputed and not order.disputes:
        yield (
            "disputes_differ",
            f"Stripe says that the charge {told.id} is disputed, and the shop knows no dispute of it.",
        )


def _of_nobody(books: Books, told: ChargeTold) -> Iterator[tuple[str, str]]:
    """Another shop on the account has charges, too; what came from a payment page of this shop is no other's."""
    if told.payment_intent in books.orphans and told.refunded_minor < told.amount_minor:
        amount = spoken(told.amount_minor, told.currency)
        yield "no_order", f"Stripe has taken {amount} ({told.id}) for order {told.order_number}, which is not here."


def missing_charges(books: Books) -> Compared:
    """Orders that were placed and paid in the time compared, and of whose charge Stripe has not told. Raises as the gateway does."""
    with books.database.reading() as session:
        intents = session.scalars(
            select(Order.payment_intent).where(
                Order.placed_at >= books.since + SKEW,
                Order.paid_at < books.money_from,
                Order.payment_intent.is_not(None),
                Order.livemode == books.gateway.livemode,
            )
        ).all()
    return added([look_for(books, intent) for intent in intents if intent and intent not in books.taken])


def look_for(books: Books, payment_intent: str) -> Compared:
    """Ask Stripe for the charge of one payment, and compare it. Raises PaymentUnavailable."""
    try:
        pages = [page for page in books.listing.charges_of(payment_intent) if page]
    except PaymentRefused as refusal:
        if refusal.of_key:
            raise
        pages = []  # Stripe does not know the payment at all
    done = [compare_charges(books, page) for page in pages]
    if payment_intent not in books.taken:
        cause = f"The order counts as paid by {payment_intent}, and Stripe has no charge of it that succeeded."
        with books.database.reading() as session:
            orders = session.scalars(
                select(Order.id).where(Order.payment_intent == payment_intent, Order.paid_at.is_not(None))
            ).all()
        done += [Compared(found=(Found("missing_charge", payment_intent, order_id, cause),)) for order_id in orders]
    return added(done)
