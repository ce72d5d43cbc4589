"""Telling those who wait that something is back: one message each, posted in the transaction that forgets them."""

from collections.abc import Sequence

from shop.catalog.waitlist import Due, due, forget
from shop.db import Database, in_batches, now
from shop.mail.outbox import post

# Addresses told in one transaction: on SQLite nobody else writes meanwhile.
AT_ONCE = 50


def tell_waiting(database: Database) -> int:
    """Write to everybody who is due (see `shop.catalog.waitlist.due`), and forget them. Returns how many.

    Owns its transactions: one that reads, then one for each AT_ONCE of them. Of several workers that do it at once, each
    request is answered by the one that forgets it.
    """
    with database.reading() as session:
        found = due(session, now())
    return sum(_tell(database, some) for some in in_batches(found, AT_ONCE))


def _tell(database: Database, some: Sequence[Due]) -> int:
    told = 0
    with database.transaction() as session:
        for who in some:
            if not forget(session, who.id):
                continue
            told += post(
                session,
                "back_in_stock",
                who.email,
                # Not the row's id, which a later request may get again.
                f"back_in_stock:{who.ticket_digest}",
                context={
                    "title": who.title,
                    "variant_title": who.variant_title,
                    "slug": who.slug,
                    "price_minor": who.price_minor,
                    "currency": who.currency,
                    "locale": who.locale,
                    "story_url": who.story_url,
                },
            )
    return told
