"""Telling the caches in front of the shop what to forget. Any number of workers may do it at once.

Rows are taken by one UPDATE that also says when they may be taken again; then the cache is told with no transaction open; then
they are deleted. A worker that dies in between loses nothing: the cache is told a second time, which changes nothing.
"""

from dataclasses import dataclass
from datetime import timedelta

import requests
import structlog
from sqlalchemy import delete, select, update

from shop.catalog.models import Purge
from shop.config import Settings
from shop.db import Database, in_batches, now

log = structlog.get_logger(__name__)

# Rows that one request tells of, and keys that its header holds.
ROWS_AT_ONCE = 50
KEYS_AT_ONCE = 100
PATIENCE = 5
LEASE = timedelta(seconds=30)
FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=5)
# Whatever the caches hold is gone by itself after SHOP_CDN_SECONDS, a day at most.
GIVEN_UP_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Purged:
    """What one run did: keys that the cache was told of, and rows put off because it did not take them."""

    keys: int = 0
    later: int = 0


def has_due(database: Database) -> bool:
    """Whether a cache waits to be told something. One statement."""
    with database.reading() as session:
        return session.scalar(select(Purge.id).where(Purge.due_at <= now()).limit(1)) is not None


def purge_due(database: Database, settings: Settings) -> Purged:
    """Tell the cache at SHOP_PURGE_URL of all that is due. Without one, what was written down for it is thrown away.

    Each batch is two short transactions with the request between them. A cache that does not answer is told again after two
    seconds, then after twice as long each time, at most five minutes, for a day.
    """
    if not settings.shop_purge_url:
        with database.transaction() as session:
            session.execute(delete(Purge).where(Purge.due_at <= now()))
        return Purged()
    told = later = 0
    while rows := _take(database):
        keys = list(dict.fromkeys(key for _, found, _ in rows for key in found))
        error = _tell(settings, keys)
        _conclude(database, rows, error)
        if error:
            return Purged(told, later + len(rows))
        told += len(keys)
    return Purged(told, later)


def _take(database: Database) -> list[tuple[int, list[str], int]]:
    """Id, keys and attempts of some rows that are due, which nobody else takes for now."""
    with database.transaction() as session:
        due = (
            select(Purge.id)
            .where(Purge.due_at <= now())
            .order_by(Purge.id)
            .limit(ROWS_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        ids = session.scalars(due).all()
        taken = session.execute(
            update(Purge)
            .where(Purge.id.in_(ids))
            .values(due_at=now() + LEASE, attempts=Purge.attempts + 1)
            .returning(Purge.id, Purge.keys, Purge.attempts)
        )
        return [(row[0], [str(key) for key in row[1]], row[2]) for row in taken]


def _tell(settings: Settings, keys: list[str]) -> str:
    """Why the cache did not take it; empty if it did."""
    name, _, value = settings.shop_purge_header.get_secret_value().partition(":")
    headers = {name.strip(): value.strip()} if name else {}
    try:
        for few in in_batches(keys, KEYS_AT_ONCE):
            some = headers | {"Surrogate-Key": " ".join(few)}
            answer = requests.request(
                settings.shop_purge_method,
                settings.shop_purge_url,
                headers=some,
                timeout=PATIENCE,
                allow_redirects=False,
            )
            if not 200 <= answer.status_code < 300:
                return f"it answered {answer.status_code}"
    except requests.RequestException as error:
        return type(error).__name__
    return ""


def _conclude(database: Database, rows: list[tuple[int, list[str], int]], error: str) -> None:
    if error:
        log.warning("purge_refused", reason=error, rows=len(rows))
    with database.transaction() as session:
        if not error:
            session.execute(delete(Purge).where(Purge.id.in_([number for number, _, _ in rows])))
            return
        for number, _, attempts in rows:
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 20))
            session.execute(update(Purge).where(Purge.id == number).values(due_at=now() + wait, error=error))
        session.execute(delete(Purge).where(Purge.created_at < now() - GIVEN_UP_AFTER))
