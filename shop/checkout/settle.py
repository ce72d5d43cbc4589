"""Settle: what Stripe says of a session becomes facts of its order. The one place where an order is paid.

Called by the webhook, the return page, the sweep and a newer checkout, in any order, as often as they like.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.cart.lines import source_key, take_out
from shop.catalog import stock
from shop.checkout.alerts import raise_flag
from shop.checkout.params import offered_shipping
from shop.checkout.release import pieces_of, release_stock
from shop.errors import OutOfStock
from shop.mail.outbox import post
from shop.orders.facts import record
from shop.orders.models import Order, OrderLine
from shop.payments.gateway import CheckoutSession
from shop.payments.models import PaymentAttempt


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of it: the order (None for a session that is not ours), whether anything changed, and a word on why not."""

    order_id: int | None
    changed: bool
    reason: str = ""


def settle(session: Session, told: CheckoutSession, source: str, *, async_failed: bool = False) -> Settled:
    """Record what `told` says about its order. Never commits; running it twice equals running it once.

    `async_failed` is what the event checkout.session.async_payment_failed says by its name alone: its session stays complete
    and unpaid. Money that does not match the order is never fulfilled: the order is flagged for staff.
    """
    found = _lock_order(session, told)
    if found is None:
        return Settled(None, changed=False, reason="no order of this shop")
    order, attempt = found
    if attempt.session_id is None:
        # The webhook was faster than the answer to the call that created the session.
        attempt.session_id = told.id
        attempt.session_url = attempt.session_url or told.url
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
    _note_buyer(order, told)
    if not told.is_paid and (async_failed or told.payment_failed):
        return _failed(session, order, source)
    if not told.is_paid:
        return _processing(session, order, source)
    return _paid(session, order, attempt, told, source)


def _lock_order(session: Session, told: CheckoutSession) -> tuple[Order, PaymentAttempt] | None:
    """The order of a session, locked, so that events that arrive together take turns. Its attempt is locked by it.

    A session that no attempt knows is ours if it names both the id and the number of an order: another shop on the same
    account counts its orders, too, and its sessions must not touch ours.
    """
    known = session.scalar(select(PaymentAttempt.order_id).where(PaymentAttempt.session_id == told.id))
    ours = Order.id == known if known is not None else (Order.id == told.order_id) & (Order.number == told.order_number)
    order = session.scalars(
        select(Order).where(ours).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if order is None:
        return None
    attempt = session.scalars(
        select(PaymentAttempt).where(PaymentAttempt.order_id == order.id).execution_options(populate_existing=True)
    ).one()
    return order, attempt


def _expired(session: Session, order: Order, source: str) -> Settled:
    if order.paid_at is not None or order.processing_at is not None:
        return Settled(order.id, changed=False, reason="paid before it expired")
    release_stock(session, order)
    return Settled(order.id, record(session, order, "expired", source))


def _failed(session: Session, order: Order, source: str) -> Settled:
    if order.paid_at is not None:
        return Settled(order.id, changed=False, reason="paid already")
    release_stock(session, order)
    changed = record(session, order, "payment_failed", source)
    if changed and order.email:
        post(session, "payment_failed", order.email, f"payment_failed:{order.number}", order_id=order.id)
    return Settled(order.id, changed)


def _processing(session: Session, order: Order, source: str) -> Settled:
    """Completed but unpaid: a delayed method. The goods stay held until the money came or failed."""
    if order.paid_at is not None or order.payment_failed_at is not None:
        return Settled(order.id, changed=False, reason="its payment has ended already")
    changed = record(session, order, "processing", source)
    if changed:
        _take_from_cart(session, order)
    return Settled(order.id, changed)


def _paid(session: Session, order: Order, attempt: PaymentAttempt, told: CheckoutSession, source: str) -> Settled:
    if order.paid_at is not None:
        return Settled(order.id, changed=False, reason="paid already")
    wrong = _mismatch(order, attempt, told)
    if wrong:
        changed = raise_flag(session, order, wrong, source)
        return Settled(order.id, changed, wrong)
    order.shipping_minor = told.shipping_minor
    order.shipping_method = offered_shipping(attempt.params).get(told.shipping_minor, "")
    order.total_minor = told.amount_total
    order.paid_minor = told.amount_total
    order.payment_intent = told.payment_intent
    record(session, order, "paid", source, amount_minor=told.amount_total)
    if order.processing_at is None:
        # A delayed payment took them when it began; what is in the cart by now is another purchase. The cart is locked
        # before the variants, as `place` does it, or the two could wait for each other.
        _take_from_cart(session, order)
    _hand_over_stock(session, order, source)
    if order.email:
        post(session, "receipt", order.email, f"receipt:{order.number}", order_id=order.id)
    return Settled(order.id, changed=True)


def _mismatch(order: Order, attempt: PaymentAttempt, told: CheckoutSession) -> str:
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


def _hand_over_stock(session: Session, order: Order, source: str) -> None:
    """Reserved goods become sold ones. Goods that were given back meanwhile are taken again if they are still there."""
    pieces = pieces_of(session, order)
    if order.stock_state == "released":
        try:
            with session.begin_nested():
                stock.reserve(session, pieces)
        except OutOfStock as refusal:
            order.stock_state = "owed"
            raise_flag(session, order, f"paid for what is gone: {refusal}", source)
            return
        order.stock_state = "reserved"
    if order.stock_state == "reserved":
        stock.sell(session, pieces, order.number)
        order.stock_state = "sold"
        session.flush()


def _take_from_cart(session: Session, order: Order) -> None:
    if order.cart_id is None:
        return
    rows = session.execute(
        select(OrderLine.variant_id, OrderLine.article_id, OrderLine.quantity).where(OrderLine.order_id == order.id)
    )
    take_out(
        session,
        order.cart_id,
        {source_key(variant_id, article_id): quantity for variant_id, article_id, quantity in rows if variant_id},
    )


def _note_buyer(order: Order, told: CheckoutSession) -> None:
    """Who bought and where it goes; Stripe asked for it on its page."""
    order.email = order.email or told.email[:320]
    order.buyer_name = order.buyer_name or told.name[:200]
    if told.address and not order.address:
        order.address = dict(told.address)
