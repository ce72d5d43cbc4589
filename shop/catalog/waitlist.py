"""Who wants to be told when something is back: asked for without an account, told once, forgotten then.

An address is kept for that one message and nothing else. It is kept once for a product (or one variant of it), and whoever asks
is never told whether it was there already. The link that takes a request back belongs to whoever made it first: a stranger who
writes somebody's address a second time gets one that opens nothing.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session

from shop.catalog.models import Product, Variant, Waiting
from shop.db import changed_rows, insert_once
from shop.errors import BadAddress, NotFound

LONGEST_EMAIL = 254  # RFC 5321, 4.5.3.1.3: a path has 256 octets, two of them its brackets
LONGEST_TICKET = 100
MOST_TOLD = 200


@dataclass(frozen=True, slots=True)
class Due:
    """Somebody to be told now: what is back, and how they asked. `price_minor` is the lowest of what is there."""

    id: int
    email: str
    locale: str
    story_url: str
    ticket_digest: str
    slug: str
    title: str
    variant_title: str
    price_minor: int
    currency: str


def address_written(text: str) -> str:
    """The e-mail address that somebody wrote, its host in lower case. Raises BadAddress for what is none.

    Only what can never be an address is refused here; whether mail reaches it the mail server says.
    """
    text = text.strip()
    local, _, host = text.rpartition("@")
    if not (0 < len(local) <= 64 and len(host) >= 3 and len(text.encode()) <= LONGEST_EMAIL):
        raise BadAddress()
    if (
        not text.isprintable()
        or any(character in text for character in ' "(),:;<>[\\]@'.replace("@", ""))
        or "@" in local
    ):
        raise BadAddress()
    labels = host.split(".")
    if len(labels) < 2 or not all(label and label.strip("-") == label for label in labels):
        raise BadAddress()
    return f"{local}@{host.lower()}"


def ask(
    session: Session,
    product_id: int,
    email: str,
    *,
    variant_id: int | None = None,
    locale: str = "",
    story_url: str = "",
) -> str:
    """Keep that `email` is to be told when the product (or this variant) is back. Returns the ticket that takes it back.

    Asking twice keeps it once; the second ticket then opens nothing, and looks just like the first. `locale` is Babel's form,
    empty for the shop's own. Raises BadAddress, and NotFound for a variant that is not the product's. Never commits.
    """
    email = address_written(email)
    if variant_id is not None and not session.scalar(
        select(Variant.id).where(Variant.id == variant_id, Variant.product_id == product_id, Variant.active)
    ):
        raise NotFound("variant")
    ticket = secrets.token_urlsafe(24)
    insert_once(
        session,
        Waiting,
        {
            "product_id": product_id,
            "variant_id": variant_id,
            "variant_key": variant_id or 0,
            "email": email,
            "locale": locale,
            "story_url": story_url,
            "ticket_digest": digest_of(ticket),
        },
    )
    return ticket


def take_back(session: Session, ticket: str) -> bool:
    """Forget the request of this ticket. True if there was one. Never commits."""
    if not 0 < len(ticket) <= LONGEST_TICKET:
        return False
    return changed_rows(session, delete(Waiting).where(Waiting.ticket_digest == digest_of(ticket))) == 1


def due(session: Session, moment: datetime, limit: int = MOST_TOLD) -> list[Due]:
    """Who is to be told at `moment`, the longest waiting first. One statement.

    Of each product at most as many as there are pieces to promise: the others are told when those have had their turn, if
    something is left. Somebody who waits for one variant is due when that very one is back.
    """
    available = Variant.on_hand - Variant.reserved
    there = and_(
        Variant.product_id == Waiting.product_id,
        Variant.active,
        available > 0,
        or_(Waiting.variant_id.is_(None), Variant.id == Waiting.variant_id),
    )
    pieces = func.sum(available)
    place = func.row_number().over(partition_by=Waiting.product_id, order_by=Waiting.id)
    found = (
        select(
            *(getattr(Waiting, name) for name in ("id", "email", "locale", "story_url", "ticket_digest", "variant_id")),
            Product.slug,
            Product.title,
            Product.currency,
            func.min(Variant.price_minor).label("price_minor"),
            func.max(Variant.title).label("variant_title"),
            (place <= pieces).label("has_a_turn"),
        )
        .join(Product, Product.id == Waiting.product_id)
        .join(Variant, there)
        .where(
            Product.status == "active",
            or_(Product.publish_at.is_(None), Product.publish_at <= moment),
            or_(Product.unpublish_at.is_(None), Product.unpublish_at > moment),
        )
        .group_by(Waiting.id, Product.id)
        .subquery()
    )
    rows = session.execute(select(found).where(found.c.has_a_turn).order_by(found.c.id).limit(limit)).all()
    return [
        Due(
            id=row.id,
            email=row.email,
            locale=row.locale,
            story_url=row.story_url,
            ticket_digest=row.ticket_digest,
            slug=row.slug,
            title=row.title,
            variant_title=row.variant_title if row.variant_id is not None else "",
            price_minor=row.price_minor,
            currency=row.currency,
        )
        for row in rows
    ]


def forget(session: Session, waiting_id: int) -> bool:
    """Forget a request that is being answered. True for the one who did it, so that of several workers one writes."""
    return changed_rows(session, delete(Waiting).where(Waiting.id == waiting_id)) == 1


def digest_of(ticket: str) -> str:
    """What is stored of a ticket."""
    return hashlib.sha256(ticket.encode()).hexdigest()
