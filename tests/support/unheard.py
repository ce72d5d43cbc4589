"""A shop that no event of Stripe reaches, and what happens at Stripe meanwhile."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from shop.catalog.models import Variant
from shop.checkout.reconcile import Reconciled, open_discrepancies, reconcile
from shop.db import now
from shop.orders.models import Order
from shop.payments.gateway import Gateway
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop
from tests.support.books import broken_books, money_disagreements, money_held
from tests.support.invariants import broken, disagreements

HOUR = timedelta(hours=1)


def unheard(shop: Shop) -> Shop:
    """With shirts to sell. What the gateway is refused it does not ask for again."""
    shop.stripe.hold_deliveries()
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        a_variant(session, stock=200)
    return replace(shop, gateway=Gateway(shop.settings, time_out=(1.0, 3.0), retries=0))


def ordered(shop: Shop, pieces: int = 1) -> int:
    with shop.database.transaction() as session:
        cart_id, _ = a_cart(session, (session.scalars(select(Variant)).one(), pieces))
    return shop.place(cart_id).order_id


def paid(shop: Shop, **how: Any) -> int:
    """An order that was paid, of which the shop does not know."""
    order_id = ordered(shop)
    shop.stripe.pay(shop.session_of(order_id), **how)
    return order_id


def intent_of(shop: Shop, order_id: int) -> str:
    return str(shop.stripe.session(shop.session_of(order_id))["payment_intent"])


def refunded_at_stripe(shop: Shop, intent: str, **params: Any) -> str:
    """As staff do in Stripe's dashboard. The refund's id."""
    return shop.gateway.create_refund({"payment_intent": intent, **params}, f"dashboard-{now().isoformat()}").id


def compared(shop: Shop, **how: Any) -> Reconciled:
    return reconcile(shop.database, shop.gateway, now() - HOUR, **how)


def differing(shop: Shop) -> list[tuple[str, str]]:
    """Kind and order's number of every discrepancy that is open, in the order of their kinds."""
    with shop.database.reading() as session:
        return sorted((each.kind, each.order_number) for each in open_discrepancies(session))


def written_by_hand(shop: Shop, order_id: int, **values: Any) -> None:
    """Change an order as nobody should."""
    with shop.database.transaction() as session:
        session.execute(update(Order).where(Order.id == order_id).values(**values))


def both_books_agree(shop: Shop) -> None:
    stripe = shop.stripe
    with shop.database.reading() as session:
        assert broken(session) + broken_books(session) == []
        assert disagreements(session, stripe.sessions(), stripe.events(), everything_told=True) == []
        assert money_disagreements(session, stripe.refunds(), stripe.disputes(), everything_told=True) == []
        assert money_held(session) == {
            currency: sums["amount"] for currency, sums in stripe.balance().items() if sums["amount"]
        }
