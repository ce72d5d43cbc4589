"""Ship: a paid order's parcel has left."""

from urllib.parse import urlsplit

from shop.checkout.owed import is_given_back, take_owed
from shop.db import Database
from shop.errors import InvalidChange, OutOfStock
from shop.fulfilment.models import Shipment
from shop.mail.outbox import post
from shop.orders.facts import record
from shop.orders.locking import lock_by_number
from shop.staff import audit

DISPUTED = {
    "open": "The buyer's bank disputes this payment. Nothing must leave before that has ended.",
    "lost": "The buyer's bank has taken this payment back. Nothing must leave for it.",
}


def ship(
    database: Database, number: str, *, carrier: str, tracking_number: str, tracking_url: str = "", actor: str
) -> None:
    """Record that an order's parcel has left, in the audit trail too, and tell the buyer. One transaction.

    Goods that the order is owed (`shop.checkout.owed`) are taken off the shelf first. Raises NotFound, and InvalidChange for an order
    that is not paid, has been refunded, is disputed, has shipped already, waits for staff to look at it or for its goods, or
    for a tracking address that is no web address.
    """
    tracking_number = tracking_number.strip()
    if not tracking_number:
        raise InvalidChange("tracking_number", "Write the parcel's tracking number.")
    if tracking_url and (urlsplit(tracking_url).scheme not in {"http", "https"} or not urlsplit(tracking_url).hostname):
        raise InvalidChange("tracking_url", "Write a web address that begins with https://.")
    with database.transaction() as session:
        order = lock_by_number(session, number)
        if order.paid_at is None:
            raise InvalidChange("tracking_number", "This order has not been paid; nothing must leave for it.")
        if order.attention:
            raise InvalidChange("tracking_number", "This order needs a look first; see what is said at its top.")
        if is_given_back(order):
            raise InvalidChange("tracking_number", "This order has been refunded.")
        if order.dispute_state in {"open", "lost"}:
            raise InvalidChange("tracking_number", DISPUTED[order.dispute_state])
        if order.shipped_at is not None:
            raise InvalidChange("tracking_number", "This order has shipped already.")
        try:
            take_owed(session, order, actor)
        except OutOfStock as refusal:
            raise InvalidChange("tracking_number", f"This order waits for its goods: {refusal}") from refusal
        parcel = f"{carrier} {tracking_number}".strip()
        record(session, order, "shipped", actor, note=parcel)
        session.add(
            Shipment(
                order_id=order.id,
                carrier=carrier.strip(),
                tracking_number=tracking_number,
                tracking_url=tracking_url.strip(),
                actor=actor,
            )
        )
        audit.record(session, actor, "order.ship", f"order {order.number}", {"shipped": (None, parcel)})
        if order.email:
            post(session, "shipped", order.email, f"shipped:{order.number}", order_id=order.id)
