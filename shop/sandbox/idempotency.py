"""Idempotency keys (docs.stripe.com/api/idempotent_requests): the first answer is kept for a day and replayed."""

import hashlib
import json
from dataclasses import dataclass

from shop.sandbox.refusals import Body, key_in_use, key_reused, key_too_long
from shop.sandbox.store import Store, Transaction
from shop.sandbox.wire import Tree

LONGEST = 255
LIFETIME = 24 * 60 * 60


def fingerprint(method: str, path: str, tree: dict[str, Tree]) -> str:
    return hashlib.sha256(json.dumps([method, path, tree], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Kept:
    """The answer that a key stands for, and the request that it was first given to."""

    status: int
    body: Body
    request_id: str


def begin(store: Store, key: str, print_: str, request_id: str) -> Kept | None:
    """Takes the key for this request, or returns what it stands for.

    Raises Refusal when the key is too long, and when the key belongs to another request, or to one that is under way. Commits at once, so that
    a second request sees the first.
    """
    if len(key) > LONGEST:
        raise key_too_long(LONGEST)
    with store.transaction() as tx:
        tx.sql.execute("DELETE FROM idempotency_keys WHERE first_used < ?", (tx.due_clock - LIFETIME,))
        taken = tx.sql.execute(
            "INSERT INTO idempotency_keys (key, fingerprint, request, first_used) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (key, print_, request_id, tx.due_clock),
        ).rowcount
        if taken:
            return None
        ((first, first_request, status, body),) = tx.rows(
            "SELECT fingerprint, request, status, body FROM idempotency_keys WHERE key = ?", (key,)
        )
    if first != print_:
        raise key_reused(key)
    if status is None:
        raise key_in_use(key)
    return Kept(status, json.loads(body), first_request)


def keep(tx: Transaction, key: str, status: int, body: Body) -> None:
    """The answer belongs to the key, from the same transaction as the work itself."""
    tx.sql.execute("UPDATE idempotency_keys SET status = ?, body = ? WHERE key = ?", (status, json.dumps(body), key))


def give_back(store: Store, key: str) -> None:
    """The request never began its work: the key is free."""
    with store.transaction() as tx:
        tx.sql.execute("DELETE FROM idempotency_keys WHERE key = ? AND status IS NULL", (key,))
