"""Finding a cart by its handle, opening one, and locking it. Verbs take a session and never commit.

A handle is an unguessable text that the reader's browser (or the publisher's page, for an embed) keeps.
"""

import hashlib
import secrets

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.cart.models import Cart
from shop.db import insert_once, now

LONGEST_HANDLE = 100


def digest_of(handle: str) -> str:
    """What is stored of a handle or ticket."""
    return hashlib.sha256(handle.encode()).hexdigest()


def new_handle() -> str:
    """A fresh handle with 192 random bits."""
    return secrets.token_urlsafe(24)


def find_cart(session: Session, handle: str | None) -> int | None:
    """The id of the cart with this handle, or None: an unknown or tampered handle is no cart."""
    if not handle or len(handle) > LONGEST_HANDLE:
        return None
    return session.scalar(select(Cart.id).where(Cart.handle_digest == digest_of(handle)))


def open_cart(session: Session, handle: str) -> int:
    """The id of the cart with this handle, which is made if it is not there."""
    insert_once(session, Cart, {"handle_digest": digest_of(handle)})
    return session.scalars(select(Cart.id).where(Cart.handle_digest == digest_of(handle))).one()


def express_cart(session: Session, key: str, handle: str) -> int:
    """The cart of one press of "Buy now". The same `key` finds the same cart, so a double click buys once.

    `handle` is the handle of the cart if it is new; pass one derived from `key`, so that both presses know it.
    """
    insert_once(session, Cart, {"handle_digest": digest_of(handle), "express_key": digest_of(key)})
    return session.scalars(select(Cart.id).where(Cart.express_key == digest_of(key))).one()


def enter_or_open(
    session: Session, handle: str | None, country: str | None, *, country_if_new: str | None = None
) -> tuple[int, str]:
    """As `enter`; a handle that opens no cart gets a new one with a new handle. Returns the cart's id and its handle.

    `country` is remembered by either cart, `country_if_new` by a new one alone.
    """
    cart_id = enter(session, handle, country)
    if cart_id is not None and handle is not None:
        return cart_id, handle
    handle = new_handle()
    cart = Cart(handle_digest=digest_of(handle), country=country or country_if_new)
    session.add(cart)
    session.flush()
    return cart.id, handle


def is_express(session: Session, cart_id: int) -> bool:
    """Whether the cart was made by a press of "Buy now"."""
    return session.scalar(select(Cart.express_key).where(Cart.id == cart_id)) is not None


def lock(session: Session, cart_id: int) -> None:
    """Writers of one cart take turns; this also keeps the cart from being swept as abandoned."""
    session.execute(update(Cart).where(Cart.id == cart_id).values(updated_at=now()))


def enter(session: Session, handle: str | None, country: str | None) -> int | None:
    """Find a cart by its handle and lock it, as `lock` does, in one statement."""
    if not handle or len(handle) > LONGEST_HANDLE:
        return None
    noted = {"updated_at": now()} | ({"country": country} if country else {})
    return session.scalar(
        update(Cart)
        .where(Cart.handle_digest == digest_of(handle))
        .values(noted)
        .returning(Cart.id)
        .execution_options(synchronize_session=False)
    )
