"""Every promise of docs/invariants.md that rows can show, checked on the rows as they are, and against Stripe's books."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.catalog.models import StockMovement, Variant
from shop.mail.models import OutboxMessage
from shop.orders.facts import status_of
from shop.orders.models import Order, OrderEntry, OrderLine
from shop.payments.models import StripeEvent


def broken(session: Session) -> list[str]:
    """The promises that do not hold now, each in words; an empty list is good."""
    wrong: list[str] = []
    reserved: dict[int, int] = {}
    sold: dict[tuple[int, str], int] = {}
    # Goods that were taken from the shelf after the payment: without the pieces that had been refunded by then.
    taken_late = set(session.scalars(select(OrderEntry.order_id).where(OrderEntry.what == "goods_taken")))
    paid_back: dict[tuple[int, str], int] = {}
    orders = session.scalars(select(Order).execution_options(populate_existing=True)).all()
    by_id = {order.id: order for order in orders}
    for line in session.scalars(select(OrderLine)):
        order = by_id[line.order_id]
        assert line.variant_id is not None
        if order.stock_state == "reserved":
            reserved[line.variant_id] = reserved.get(line.variant_id, 0) + line.quantity
        if order.stock_state == "sold":
            key = (line.variant_id, order.number)
            sold[key] = sold.get(key, 0) + line.quantity
            if order.id in taken_late:
                paid_back[key] = paid_back.get(key, 0) + line.refunded_quantity
    sums = select(StockMovement.variant_id, func.sum(StockMovement.pieces)).group_by(StockMovement.variant_id)
    ledger = {row[0]: row[1] for row in session.execute(sums)}
    for variant in session.scalars(select(Variant).execution_options(populate_existing=True)):
        if variant.on_hand != ledger.get(variant.id, 0):
            wrong.append(f"{variant.sku}: on_hand {variant.on_hand}, ledger {ledger.get(variant.id, 0)}")
        if variant.reserved != reserved.get(variant.id, 0):
            wrong.append(f"{variant.sku}: reserved {variant.reserved}, open orders {reserved.get(variant.id, 0)}")
        if not 0 <= variant.reserved <= variant.on_hand:
            wrong.append(f"{variant.sku}: counters out of bounds")
    moved = {
        (row.variant_id, row.reference): -row.pieces
        for row in session.scalars(select(StockMovement).where(StockMovement.kind == "sale"))
        # Sold once more after a refund that came to nothing had put it back.
        if not str(row.reference).endswith("-again")
    }
    if any(
        not sold.get(key, 0) - paid_back.get(key, 0) <= moved.get(key, 0) <= sold.get(key, 0) for key in moved | sold
    ):
        wrong.append(f"sales in the ledger {moved} are not those of paid orders {sold}")
    receipts = {
        message.order_id for message in session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "receipt"))
    }
    carts: set[int] = set()
    for order in orders:
        name = order.number
        if order.status != status_of(order):
            wrong.append(f"{name}: status {order.status}, its facts say {status_of(order)}")
        if order.paid_at is not None and order.stock_state not in {"sold", "owed"}:
            wrong.append(f"{name}: paid, its goods are {order.stock_state}")
        if order.paid_at is None and order.stock_state == "sold":
            wrong.append(f"{name}: sold without being paid")
        if (order.paid_at is not None) != (order.id in receipts):
            wrong.append(f"{name}: paid and receipt do not go together")
        if order.paid_at is not None and order.paid_minor != order.subtotal_minor + order.shipping_minor:
            wrong.append(f"{name}: paid {order.paid_minor}")
        if order.open_cart_id not in {None, order.cart_id}:
            wrong.append(f"{name}: can be paid, and its cart is gone")
        if order.open_cart_id is not None:
            if order.open_cart_id in carts:
                wrong.append(f"cart {order.open_cart_id} has two open orders")
            carts.add(order.open_cart_id)
        if order.paid_at is not None and order.closed_at is None:
            wrong.append(f"{name}: paid, and still open")
        # Whose payment did not match keeps its goods until staff have decided.
        if order.closed_at is not None and order.stock_state == "reserved" and order.unmatched_minor is None:
            wrong.append(f"{name}: closed, goods still held")
    twice = session.execute(
        select(StripeEvent.stripe_id).group_by(StripeEvent.stripe_id).having(func.count() > 1)
    ).all()
    if twice:
        wrong.append(f"events stored twice: {twice}")
    return wrong


def disagreements(
    session: Session, told: Sequence[Any], events: Sequence[Any], *, everything_told: bool = False
) -> list[str]:
    """Where the shop's orders and Stripe's own sessions contradict each other, in words; an empty list is good.

    `told` are all Checkout Sessions and `events` all events at Stripe, in its own form. Until an event has been received
    the shop may not know yet; `everything_told` says that it had every chance to, and then both must say the same.
    """
    wrong: list[str] = []
    orders = {order.id: order for order in session.scalars(select(Order).execution_options(populate_existing=True))}
    received = set(session.scalars(select(StripeEvent.stripe_id).where(StripeEvent.state != "failed")))
    failed = {e["data"]["object"]["id"] for e in events if e["type"] == "checkout.session.async_payment_failed"}
    untold = {
        event["data"]["object"]["id"]
        for event in events
        if event["id"] not in received and event["data"]["object"]["object"] == "checkout.session"
    }
    at_stripe: dict[int, str] = {}
    payable: dict[int, str] = {}
    for known in told:
        order = orders.get(int(known["metadata"]["order_id"]))
        if order is None:
            wrong.append(f"{known['id']}: a session of no order")
            continue
        name = f"{order.number} ({order.status}, {order.stock_state})"
        if order.id in at_stripe:
            wrong.append(f"{name}: two sessions")
        stands = _stands(known, failed)
        at_stripe[order.id] = stands
        may_not_know = known["id"] in untold and not everything_told
        if stands in {"payable", "processing"} and order.stock_state != "reserved":
            wrong.append(f"{name}: its goods are not held, its session is {stands}")
        if stands == "payable" and order.cart_id is not None:
            if order.cart_id in payable:
                wrong.append(f"{name}: its cart has another payable session, of {payable[order.cart_id]}")
            payable[order.cart_id] = order.number
        # What was paid and is not what the order costs is noted apart.
        if stands == "paid" and order.paid_at is None and order.unmatched_minor is None and not may_not_know:
            wrong.append(f"{name}: paid at Stripe, and no event is left that would say so")
        taken = (known["amount_total"], known["currency"])
        if stands == "paid" and order.paid_at is not None and (order.paid_minor, order.currency) != taken:
            wrong.append(f"{name}: paid {order.paid_minor}, Stripe took {taken}")
        if everything_told and stands != _thinks(order):
            wrong.append(f"{name}: its session is {stands}, the shop thinks {_thinks(order)}")
    for order in orders.values():
        stands = at_stripe.get(order.id, "nothing")
        # Expired: the answer that named the session was lost, and so was the key that would have found it again.
        if order.cancelled_at is not None and order.unmatched_minor is None and stands not in {"nothing", "expired"}:
            wrong.append(f"{order.number}: cancelled, its session is {stands}")
        for fact, needed in (("paid_at", "paid"), ("expired_at", "expired"), ("payment_failed_at", "failed")):
            if getattr(order, fact) is not None and stands != needed:
                wrong.append(f"{order.number}: {fact} is set, its session is {stands}")
        if everything_told and stands == "nothing" and order.cancelled_at is None:
            wrong.append(f"{order.number}: {order.status}, and Stripe has no session of it")
        if everything_told and stands in {"paid", "expired", "failed"} and order.closed_at is None:
            wrong.append(f"{order.number}: {stands}, and the shop waits for it")
    return wrong


def _stands(known: Any, failed: set[str]) -> str:
    if known["status"] != "complete":
        return "payable" if known["status"] == "open" else "expired"
    if known["payment_status"] != "unpaid":
        return "paid"
    return "failed" if known["id"] in failed else "processing"


def _thinks(order: Order) -> str:
    facts = {
        "paid": order.paid_at or order.unmatched_minor,
        "failed": order.payment_failed_at,
        "expired": order.expired_at or order.cancelled_at,
        "processing": order.processing_at,
    }
    return next((name for name, at in facts.items() if at is not None), "payable")
