"""The local Stripe's memory: one SQLite file, written under one lock, so that a restart loses nothing."""

import hashlib
import hmac
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop.sandbox.refusals import Body, no_such

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, object TEXT NOT NULL,
    body TEXT NOT NULL, private TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_in_order ON objects (object, seq);
CREATE INDEX IF NOT EXISTS objects_by_intent ON objects (object, json_extract(body, '$.payment_intent'));
CREATE INDEX IF NOT EXISTS objects_by_status ON objects (object, json_extract(body, '$.status'));
CREATE INDEX IF NOT EXISTS objects_by_charge ON objects (object, json_extract(body, '$.charge'));
CREATE INDEX IF NOT EXISTS objects_due ON objects (object, json_extract(private, '$.deadline'));
CREATE TABLE IF NOT EXISTS idempotency_keys (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, request TEXT NOT NULL, status INTEGER, body TEXT,
    first_used REAL NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, type TEXT NOT NULL, payload BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'given_up')),
    attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL, fault TEXT, endpoint TEXT);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, due);
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, delivery INTEGER NOT NULL REFERENCES deliveries (id),
    at REAL NOT NULL, url TEXT NOT NULL, status INTEGER, error TEXT);
CREATE INDEX IF NOT EXISTS attempts_by_delivery ON attempts (delivery);
CREATE TABLE IF NOT EXISTS planned_faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, kind TEXT NOT NULL, pattern TEXT NOT NULL,
    remaining INTEGER NOT NULL CHECK (remaining > 0));
"""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Origin:
    """The request that an event came from; empty for what happens by itself or on the payment page."""

    request_id: str | None = None
    idempotency_key: str | None = None


class Transaction:
    """One piece of work on the store: all of it is kept, or none."""

    def __init__(self, connection: sqlite3.Connection, origin: Origin, due_clock: float) -> None:
        self.sql = connection
        self.origin = origin
        self.now = int(time.time())
        """Unix seconds by the wall clock: what `created` says."""
        self.due_clock = due_clock
        """Seconds by the sandbox's own clock, which `advance` moves: what falls due is measured by it."""

    def new_id(self, prefix: str, length: int = 24) -> str:
        """An id in Stripe's form, unguessable unless the sandbox has a seed."""
        number = int(self.meta("ids_made") or 0) + 1
        self.set_meta("ids_made", str(number))
        salt = self.meta("salt") or ""
        digest = hmac.new(salt.encode(), f"{prefix}{number}".encode(), hashlib.sha512).digest()
        return prefix + "".join(_ALPHABET[byte % 62] for byte in digest[:length])

    def meta(self, name: str) -> str | None:
        row = self.sql.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def set_meta(self, name: str, value: str) -> None:
        self.sql.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (name, value)
        )

    def find(self, kind: str, key: str) -> Body | None:
        row = self.sql.execute("SELECT body FROM objects WHERE id = ? AND object = ?", (key, kind)).fetchone()
        return None if row is None else json.loads(row[0])

    def get(self, kind: str, key: str, param: str = "id") -> Body:
        """Raises Refusal, 404, when there is no such object."""
        body = self.find(kind, key)
        if body is None:
            raise no_such(kind, key, param)
        return body

    def of_charge(self, kind: str, charge_id: str) -> list[Body]:
        """A charge's refunds or disputes, newest first."""
        query = "SELECT body FROM objects WHERE object = ? AND json_extract(body, '$.charge') = ? ORDER BY seq DESC"
        return [json.loads(body) for (body,) in self.rows(query, (kind, charge_id))]

    def due(self, kind: str) -> list[str]:
        """The ids of what should have happened by now, by the sandbox's clock: the earliest deadline first."""
        deadline = "json_extract(private, '$.deadline')"
        query = f"SELECT id FROM objects WHERE object = ? AND {deadline} <= ? ORDER BY {deadline}, seq"  # noqa: S608
        return [key for (key,) in self.rows(query, (kind, self.due_clock))]

    def private(self, key: str) -> Body:
        """What the local Stripe itself remembers about an object and never sends."""
        row = self.sql.execute("SELECT private FROM objects WHERE id = ?", (key,)).fetchone()
        remembered: Body = json.loads(row[0])
        return remembered

    def insert(self, body: Body, private: Body | None = None) -> Body:
        self.sql.execute(
            "INSERT INTO objects (id, object, body, private) VALUES (?, ?, ?, ?)",
            (body["id"], body["object"], json.dumps(body), json.dumps(private or {})),
        )
        return body

    def update(self, body: Body) -> Body:
        self.sql.execute("UPDATE objects SET body = ? WHERE id = ?", (json.dumps(body), body["id"]))
        return body

    def remember(self, key: str, private: Body) -> None:
        self.sql.execute("UPDATE objects SET private = ? WHERE id = ?", (json.dumps(private), key))

    def rows(self, query: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        return self.sql.execute(query, values).fetchall()


class Store:
    """One connection for all threads, used by one at a time: a transaction takes well under a millisecond."""

    def __init__(self, path: Path, seed: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        made = {column[1] for column in self._connection.execute("PRAGMA table_info(deliveries)")}
        for column in ("fault", "endpoint"):
            if column not in made:
                # Made by a release that had no faults to choose, or one endpoint only.
                self._connection.execute(f"ALTER TABLE deliveries ADD COLUMN {column} TEXT")
        with self.transaction() as tx:
            if tx.meta("salt") is None:
                tx.set_meta("salt", str(seed) if seed else secrets.token_hex(32))
                tx.set_meta("clock_offset", "0")
            # Whatever was under way when the process died is taken up again.
            tx.sql.execute("DELETE FROM idempotency_keys WHERE status IS NULL")
            tx.sql.execute("UPDATE deliveries SET state = 'pending' WHERE state = 'sending'")
            self._offset = float(tx.meta("clock_offset") or 0)

    @contextmanager
    def transaction(self, origin: Origin | None = None) -> Iterator[Transaction]:
        """Begins at once as a writer, commits at the end, and rolls back whatever is raised."""
        with self._lock:
            offset = getattr(self, "_offset", 0.0)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(self._connection, origin or Origin(), time.time() + offset)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @property
    def offset(self) -> float:
        """How many seconds the sandbox's clock is ahead of the wall's."""
        return self._offset

    def due_clock(self) -> float:
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        with self.transaction() as tx:
            tx.set_meta("clock_offset", str(self._offset + seconds))
        self._offset += seconds

    def close(self) -> None:
        with self._lock:
            self._connection.close()
