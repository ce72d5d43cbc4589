"""Idempotency keys (docs.stripe.com/api/idempotent_requests): the first answer is kept for a day and replayed."""

import hashlib
import json

from shop.sandbox.refusals import Body, key_in_use, key_reused
from shop.sandbox.store import Store, Transaction
from shop.sandbox.wire import Tree

LIFETIME = 24 * 60 * 60


def fingerprint(method: str, path: str, tree: dict[str, Tree]) -> str:
    return hashlib.sha256(json.dumps([method, path, tree], sort_keys=True).encode()).hexdigest()


def begin(store: Store, key: str, print_: str) -> tuple[int, Body] | None:
    """Takes the key, or returns the answer that it stands for.

    Raises Refusal when the key belongs to another request, or to one that is under way. Commits at once, so that
    a second request sees the first.
    """
    with store.transaction() as tx:
        tx.sql.execute("DELETE FROM idempotency WHERE first_used < ?", (tx.due_clock - LIFETIME,))
        taken = tx.sql.execute(
            "INSERT INTO idempotency (key, fingerprint, first_used) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (key, print_, tx.due_clock),
        ).rowcount
        if taken:
            return None
        ((first, status, body),) = tx.rows("SELECT fingerprint, status, body FROM idempotency WHERE key = ?", (key,))
    if first != print_:
        raise key_reused(key)
    if status is None:
        raise key_in_use(key)
    return status, json.loads(body)


def keep(tx: Transaction, key: str, status: int, body: Body) -> None:
    """The answer belongs to the key, from the same transaction as the work itself."""
    tx.sql.execute("UPDATE idempotency SET status = ?, body = ? WHERE key = ?", (status, json.dumps(body), key))


def give_back(store: Store, key: str) -> None:
    """The request never began its work: the key is free."""
    with store.transaction() as tx:
        tx.sql.execute("DELETE FROM idempotency WHERE key = ? AND status IS NULL", (key,))
