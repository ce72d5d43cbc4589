"""A cart that began under a story becomes the reader's own: tickets and adoption. Verbs take a session and never commit."""

import secrets
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session, aliased

from shop.cart.handles import digest_of, lock
from shop.cart.lines import MAX_LINES
from shop.cart.models import Cart, CartHandover, CartLine
from shop.db import changed_rows, now

HANDOVER_LIFE = timedelta(minutes=10)


def offer_handover(session: Session, cart_id: int) -> str:
    """A ticket with which the shop's own page may adopt this cart, once, within ten minutes."""
    ticket = secrets.token_urlsafe(24)
    session.add(CartHandover(ticket_digest=digest_of(ticket), cart_id=cart_id, expires_at=now() + HANDOVER_LIFE))
    session.flush()
    return ticket


def redeem_handover(session: Session, ticket: str) -> int | None:
    """The cart behind a ticket, which this call uses up; None if it was used, is too old, or never was."""
    moment = now()
    used = changed_rows(
        session,
        update(CartHandover)
        .where(
            CartHandover.ticket_digest == digest_of(ticket),
            CartHandover.used_at.is_(None),
            CartHandover.expires_at > moment,
        )
        .values(used_at=moment)
        .execution_options(synchronize_session=False),
    )
    if not used:
        return None
    return session.scalar(select(CartHandover.cart_id).where(CartHandover.ticket_digest == digest_of(ticket)))


def adopt(session: Session, into_cart_id: int, from_cart_id: int, *, limit: int) -> None:
    """Move the lines of one cart into another; what both hold is added up, capped by `limit` a line.

    The country comes along unless the other cart has one.
    """
    if into_cart_id == from_cart_id:
        return
    for cart_id in sorted((into_cart_id, from_cart_id)):
        lock(session, cart_id)
    given = aliased(Cart)
    country = select(given.country).where(given.id == from_cart_id).scalar_subquery()
    session.execute(
        update(Cart)
        .where(Cart.id == into_cart_id, Cart.country.is_(None))
        .values(country=country)
        .execution_options(synchronize_session=False)
    )
    moving = session.scalars(select(CartLine).where(CartLine.cart_id == from_cart_id).order_by(CartLine.id)).all()
    held = {
        line.source_key: line
        for line in session.scalars(select(CartLine).where(CartLine.cart_id == into_cart_id)).all()
    }
    for line in moving:
        twin = held.get(line.source_key)
        if twin is not None:
            twin.quantity = min(twin.quantity + line.quantity, limit)
            session.delete(line)
        elif len(held) < MAX_LINES:
            line.cart_id = into_cart_id
            held[line.source_key] = line
    session.flush()
