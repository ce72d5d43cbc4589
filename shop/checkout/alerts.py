"""Telling the staff: an order that must not go on by itself is flagged, and whoever looks after money gets a mail."""

import hashlib

import structlog
from sqlalchemy.orm import Session

from shop.mail.outbox import post
from shop.orders.facts import flag
from shop.orders.models import Order
from shop.staff.accounts import addresses_to_alert

log = structlog.get_logger(__name__)


def raise_flag(session: Session, order: Order, reason: str, source: str) -> bool:
    """Flag a locked `order` for staff, with a mail to each of them. The same reason is said once. Never commits."""
    if not flag(session, order, reason, source):
        return False
    log.error("needs_attention", order=order.number, reason=reason)
    alert(session, order, reason)
    return True


def alert(session: Session, order: Order, reason: str, kind: str = "staff_attention") -> None:
    """Mail `reason`, one sentence, to the staff who look after money; the same one to each of them once. Never commits."""
    for user_id, address in addresses_to_alert(session):
        said = hashlib.sha256(reason.encode()).hexdigest()[:16]
        post(
            session,
            kind,
            address,
            f"{kind}:{order.number}:{said}:{user_id}",
            order_id=order.id,
            context={"reason": reason},
        )
