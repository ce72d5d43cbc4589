"""Every promise of docs/invariants.md that the database alone can show, checked on the rows as they are."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.catalog.models import StockMovement, Variant
from shop.mail.models import OutboxMessage
from shop.orders.facts import status_of
from shop.orders.models import Order, OrderLine
from shop.payments.models import PaymentAttempt, StripeEvent


def broken(session: Session) -> list[str]:
    """The promises that do not hold now, each in words; an empty list is good."""
    wrong: list[str] = []
    reserved: dict[int, int] = {}
    sold: dict[tuple[int, str], int] = {}
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
    }
    if moved != sold:
        wrong.append(f"sales in the ledger {moved} are not those of paid orders {sold}")
    receipts = {
        message.order_id for message in session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "receipt"))
    }
    attempts = {attempt.order_id: attempt for attempt in session.scalars(select(PaymentAttempt))}
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
        if order.open_cart_id is not None:
            if order.open_cart_id in carts:
                wrong.append(f"cart {order.open_cart_id} has two open orders")
            carts.add(order.open_cart_id)
        if attempts[order.id].state == "closed" and order.closed_at is None:
            wrong.append(f"{name}: attempt closed, order open")
        if order.closed_at is not None and order.stock_state == "reserved":
            wrong.append(f"{name}: closed, goods still held")
    twice = session.execute(
        select(StripeEvent.stripe_id).group_by(StripeEvent.stripe_id).having(func.count() > 1)
    ).all()
    if twice:
        wrong.append(f"events stored twice: {twice}")
    return wrong
