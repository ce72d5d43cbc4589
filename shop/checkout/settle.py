"""Settle: what Stripe says of a session becomes facts of its order. The one place where an order is paid.

Called by the webhook, the return page, the sweep and a newer checkout, in any order, as often as they like.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from sqlalchemy import Select, Table, bindparam, select, update
from sqlalchemy.orm import Session

from shop.cart.lines import source_key, take_out
from shop.catalog import stock
from shop.checkout.alerts import raise_flag
from shop.checkout.params import offered_shipping
from shop.checkout.release import release_stock
from shop.errors import OutOfStock
from shop.mail.outbox import post
from shop.orders.facts import close, record
from shop.orders.in_hand import COLUMNS, ORDERS, take_in_hand, write_back
from shop.orders.models import Order, OrderLine
from shop.payments.models import PaymentAttempt
from shop.payments.told import CheckoutSession

# How the reason begins for an order whose goods somebody else had by the time that it was paid.
GONE = "paid for what is gone"
# Said of money whose payment no order knows yet; the caller keeps the event that told of it.
WAITS = "waits for its payment"


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of it: the order (None for a session that is not ours), whether anything changed, and a word on why not."""

    order_id: int | None
    changed: bool
    reason: str = ""


class _Attempt(NamedTuple):
    id: int
    params: dict[str, Any]
    session_id: str | None
    session_url: str | None


class _Line(NamedTuple):
    variant_id: int | None
    article_id: int | None
    quantity: int


@dataclass(frozen=True, slots=True)
class _Locked:
    """An order in hand that nobody else changes until this transaction ends, its attempt, and what was ordered."""

    order: Order
    attempt: _Attempt
    lines: Sequence[_Line]


def settle(session: Session, told: CheckoutSession, source: str, *, async_failed: bool = False) -> Settled:
    """Record what `told` says about its order. Never commits; running it twice equals running it once.

    `async_failed` is what the event checkout.session.async_payment_failed says by its name alone: its session stays complete
    and unpaid. Money that does not match the order is never fulfilled: the order is closed and flagged for staff, its goods
    stay held, and what was paid is noted, to be given back. A later telling that does match still makes it paid.
    """
    found = _lock_order(session, told)
    if found is None:
        return Settled(None, changed=False, reason="no order of this shop")
    settled = _tell(session, found, told, source, async_failed=async_failed)
    # The order's row is written once, with all that has changed about it.
    write_back(session, found.order)
    return settled


def _tell(session: Session, found: _Locked, told: CheckoutSession, source: str, *, async_failed: bool) -> Settled:
    order, attempt = found.order, found.attempt
    if attempt.session_id is None:
        # The webhook was faster than the answer to the call that created the session.
        session.execute(
            update(PaymentAttempt)
            .where(PaymentAttempt.id == attempt.id)
            .values(session_id=told.id, session_url=attempt.session_url or told.url)
        )
    elif attempt.session_id != told.id:
        changed = raise_flag(session, order, f"another session ({told.id}) claims this order", source)
        return Settled(order.id, changed, "not the session of this order")
    if told.livemode != order.livemode:
        changed = raise_flag(session, order, "paid in the wrong mode (test and live do not match)", source)
        return Settled(order.id, changed, "livemode does not match")
    if told.status == "expired":
        return _expired(session, order, source)
    if told.status != "complete":
        return Settled(order.id, changed=False, reason="the session is still open")
    if not told.is_paid and (async_failed or told.payment_failed):
        return _failed(session, order, told, source)
    if not told.is_paid:
        return _processing(session, found, told, source)
    return _paid(session, found, told, source)


_ATTEMPTS = cast("Table", PaymentAttempt.__table__)
_LINES = cast("Table", OrderLine.__table__)
_OF_ORDER, _OF_ATTEMPT = len(COLUMNS), len(COLUMNS) + len(_Attempt._fields)
_TOGETHER: Select[Any] = (
    select(
        *COLUMNS,
        *(_ATTEMPTS.c[name].label(f"attempt_{name}") for name in _Attempt._fields),
        *(_LINES.c[name].label(f"line_{name}") for name in _Line._fields),
    )
    .select_from(ORDERS.join(_ATTEMPTS, _ATTEMPTS.c.order_id == ORDERS.c.id))
    .outerjoin(_LINES, _LINES.c.order_id == ORDERS.c.id)
    .order_by(_LINES.c.id)
    .with_for_update(of=(ORDERS, _ATTEMPTS))
)
_BY_SESSION = _TOGETHER.where(_ATTEMPTS.c.session_id == bindparam("told"))
_BY_NAME = _TOGETHER.where(ORDERS.c.id == bindparam("told"), ORDERS.c.number == bindparam("told_number"))


def _lock_order(session: Session, told: CheckoutSession) -> _Locked | None:
    """The order of a session, locked with its attempt, so that events that arrive together take turns. One statement.

    A session that no attempt knows (a second statement) is ours if it names both the id and the number of an order: another
    shop on the same account counts its orders, too, and its sessions must not touch ours.
    """
    session.flush()  # what the caller has not sent yet would not be found
    connection = session.connection()
    rows = connection.execute(_BY_SESSION, {"told": told.id}).all()
    if not rows and told.order_id is not None:
        rows = connection.execute(_BY_NAME, {"told": told.order_id, "told_number": told.order_number}).all()
    if not rows:
        return None
    return _Locked(
        take_in_hand(rows[0][:_OF_ORDER]),
        _Attempt(*rows[0][_OF_ORDER:_OF_ATTEMPT]),
        [_Line(*row[_OF_ATTEMPT:]) for row in rows if row.line_quantity is not None],
    )


def _expired(session: Session, order: Order, source: str) -> Settled:
    if order.paid_at is not None or order.processing_at is not None:
        return Settled(order.id, changed=False, reason="paid before it expired")
    release_stock(session, order)
    return Settled(order.id, record(session, order, "expired", source))


def _failed(session: Session, order: Order, told: CheckoutSession, source: str) -> Settled:
    if order.paid_at is not None:
        return Settled(order.id, changed=False, reason="paid already")
    release_stock(session, order)
    _note_buyer(order, told)
    changed = record(session, order, "payment_failed", source)
    if changed and order.email:
        post(session, "payment_failed", order.email, f"payment_failed:{order.number}", order_id=order.id)
    return Settled(order.id, changed)


def _processing(session: Session, found: _Locked, told: CheckoutSession, source: str) -> Settled:
    """Completed but unpaid: a delayed method. The goods stay held until the money came or failed."""
    order = found.order
    if order.paid_at is not None or order.payment_failed_at is not None:
        return Settled(order.id, changed=False, reason="its payment has ended already")
    _note_buyer(order, told)
    changed = record(session, order, "processing", source)
    if changed:
        _take_from_cart(session, found)
    return Settled(order.id, changed)


def _paid(session: Session, found: _Locked, told: CheckoutSession, source: str) -> Settled:
    order = found.order
    if order.paid_at is not None:
        return Settled(order.id, changed=False, reason="paid already")
    wrong = _mismatch(order, found.attempt, told)
    if wrong:
        return _unmatched(session, order, told, wrong, source)
    if order.processing_at is None:
        # A delayed payment took them when it began; what is in the cart by now is another purchase. The cart is locked
        # before the variants, as `place` does it, or the two could wait for each other.
        _take_from_cart(session, found)
    gone = _hand_over_stock(session, found)
    _note_buyer(order, told)
    order.shipping_minor = told.shipping_minor
    order.shipping_method = offered_shipping(found.attempt.params).get(told.shipping_minor, "")
    order.total_minor = order.paid_minor = told.amount_total
    order.payment_intent = told.payment_intent
    order.unmatched_minor = order.unmatched_currency = None
    record(session, order, "paid", source, amount_minor=told.amount_total)
    if gone:
        raise_flag(session, order, gone, source)
    if order.email:
        post(session, "receipt", order.email, f"receipt:{order.number}", order_id=order.id)
    return Settled(order.id, changed=True)


def _unmatched(session: Session, order: Order, told: CheckoutSession, wrong: str, source: str) -> Settled:
    """Staff decide what becomes of the money. Nobody pays for this order again, and its goods are kept until they have."""
    _note_buyer(order, told)
    order.payment_intent = told.payment_intent
    if told.amount_total > 0:
        order.unmatched_minor, order.unmatched_currency = told.amount_total, told.currency[:3]
    else:
        release_stock(session, order)  # nothing was taken, so there is nothing to decide about
    close(order)
    return Settled(order.id, raise_flag(session, order, wrong, source), wrong)


def _mismatch(order: Order, attempt: _Attempt, told: CheckoutSession) -> str:
    """Why this payment is not the one that the order asked for; empty if it is."""
    if told.currency != order.currency:
        return f"paid in {told.currency.upper()} instead of {order.currency.upper()}"
    if told.amount_subtotal != order.subtotal_minor:
        return f"goods for {told.amount_subtotal} instead of {order.subtotal_minor}"
    if told.shipping_minor not in offered_shipping(attempt.params):
        return f"shipping for {told.shipping_minor}, which was not offered"
    if told.amount_total != order.subtotal_minor + told.shipping_minor:
        return f"a total of {told.amount_total} instead of {order.subtotal_minor + told.shipping_minor}"
    return ""


def _hand_over_stock(session: Session, found: _Locked) -> str:
    """Reserved goods become sold ones. Goods that were given back meanwhile are taken again if they are still there; if
    they are not, the sentence for staff is returned.
    """
    order = found.order
    pieces = stock.summed((line.variant_id, line.quantity) for line in found.lines)
    if order.stock_state == "released":
        try:
            with session.begin_nested():
                stock.reserve(session, pieces)
        except OutOfStock as refusal:
            order.stock_state = "owed"
            return f"{GONE}: {refusal}"
        order.stock_state = "reserved"
    if order.stock_state == "reserved":
        stock.sell(session, pieces, order.number)
        order.stock_state = "sold"
    return ""


def _take_from_cart(session: Session, found: _Locked) -> None:
    if found.order.cart_id is None:
        return
    bought = (
        (source_key(line.variant_id, line.article_id), line.quantity)
        for line in found.lines
        if line.variant_id is not None
    )
    take_out(session, found.order.cart_id, stock.summed(bought))


def _note_buyer(order: Order, told: CheckoutSession) -> None:
    """Who bought and where it goes; Stripe asked for it on its page."""
    order.email = order.email or told.email[:320]
    order.buyer_name = order.buyer_name or told.name[:200]
    if told.address and not order.address:
        order.address = dict(told.address)
