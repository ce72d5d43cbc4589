"""What is owed to the shop: a row for each delivery of an event, from when it happened to when it was taken or given up."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shop.sandbox import endpoints, faults
from shop.sandbox.refusals import Body
from shop.sandbox.store import Transaction

PATIENCE = 2.0
"""Seconds that a delivery waits for the next one to overtake it, or for the call that it should come before."""

# What has not been tried yet may wait on purpose. Of a swapped pair the second goes first, whatever became of it.
_READY = f"""
    due + CASE WHEN attempts > 0 THEN 0 WHEN fault = 'delay' THEN :delay
               WHEN fault IN ('reorder', 'deliver_before_answer') THEN {PATIENCE} ELSE 0 END
"""
_OVERTAKEN = """
    fault = 'reorder' AND EXISTS (SELECT 1 FROM deliveries AS later WHERE later.id > deliveries.id AND later.attempts > 0)
"""
_CLAIM = f"""
    UPDATE deliveries SET state = 'sending'
    WHERE state = 'pending' AND (endpoint IS NOT NULL OR :configured) AND (:everything OR {_READY} <= :now OR ({_OVERTAKEN})) RETURNING id
"""  # noqa: S608
_NEXT = f"""
    SELECT min({_READY}) FROM deliveries WHERE state = 'pending' AND (endpoint IS NOT NULL OR :configured)
"""  # noqa: S608
_CHOSEN = "(?1 IS NULL OR event IN (SELECT value FROM json_each(?1)))"
_LISTED = f"SELECT id, event, type, endpoint, state, due, fault FROM deliveries WHERE {_CHOSEN} ORDER BY id"  # noqa: S608
_ATTEMPTS = f"""
    SELECT delivery, at, url, status, error FROM attempts
    WHERE delivery IN (SELECT id FROM deliveries WHERE {_CHOSEN}) ORDER BY id
"""  # noqa: S608


@dataclass(frozen=True)
class Job:
    """One delivery that is about to be attempted."""

    payload: bytes
    attempts: int
    fault: str | None
    target: str | None
    """The registered endpoint, or None for the configured one."""


def owe(tx: Transaction, event: Body, *, faulty: bool = True, only: str | None = None) -> None:
    """Owes a delivery to each endpoint that wants it, or to the `only` one; what is sent by hand is not `faulty`."""
    for target in [only] if only else endpoints.targets_of(tx, event["type"]):
        fault = faults.take(tx, faults.DELIVERY, event["type"]) if faulty else None
        for _ in range(2 if fault == "duplicate" else 1):
            tx.sql.execute(
                "INSERT INTO deliveries (event, type, payload, state, due, fault, endpoint) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    event["id"],
                    event["type"],
                    json.dumps(event, indent=2).encode(),
                    "given_up" if fault == "drop" else "pending",
                    tx.due_clock,
                    fault,
                    target,
                ),
            )


def claim(tx: Transaction, delay: float, *, everything: bool = False) -> list[int]:
    """Takes what is due, or everything that is pending, to be attempted by the caller. Ids, oldest first."""
    configured = endpoints.configured(tx) is not None
    given = {"everything": everything, "now": tx.due_clock, "delay": delay, "configured": configured}
    claimed = tx.rows(_CLAIM, given)
    return sorted(delivery for (delivery,) in claimed)


def claim_first(tx: Transaction, request: str | None) -> list[int]:
    """Takes what is to be delivered before the call `request` is answered, or before a page is, if that is None."""
    claimed = tx.rows(
        "UPDATE deliveries SET state = 'sending' WHERE state = 'pending' AND fault = 'deliver_before_answer'"
        " AND attempts = 0 AND (SELECT json_extract(body, '$.request.id') FROM objects WHERE id = event) IS ? RETURNING id",
        (request,),
    )
    return sorted(delivery for (delivery,) in claimed)


def next_due(tx: Transaction, delay: float) -> float | None:
    """When the next pending delivery falls due by the sandbox's clock."""
    ((due,),) = tx.rows(_NEXT, {"delay": delay, "configured": endpoints.configured(tx) is not None})
    return None if due is None else float(due)


def count(tx: Transaction, state: str) -> int:
    ((found,),) = tx.rows("SELECT count(*) FROM deliveries WHERE state = ?", (state,))
    return int(found)


def job(tx: Transaction, delivery: int) -> Job:
    (row,) = tx.rows("SELECT payload, attempts, fault, endpoint FROM deliveries WHERE id = ?", (delivery,))
    return Job(*row)


def note(
    tx: Transaction, delivery: int, url: str, status: int | None, error: str | None, again_in: float | None
) -> None:
    """Writes down an attempt. One that failed is repeated `again_in` seconds, or given up if that is None."""
    taken = status is not None and 200 <= status < 300
    tx.sql.execute(
        "INSERT INTO attempts (delivery, at, url, status, error) VALUES (?, ?, ?, ?, ?)",
        (delivery, time.time(), url, status, error),
    )
    state = "delivered" if taken else "given_up" if again_in is None else "pending"
    tx.sql.execute(
        "UPDATE deliveries SET state = ?, attempts = attempts + 1, due = ? WHERE id = ?",
        (state, tx.due_clock + (again_in or 0), delivery),
    )


def forgive(tx: Transaction) -> None:
    """What is still owed is sent as it should be."""
    tx.sql.execute("UPDATE deliveries SET fault = NULL WHERE state = 'pending' AND attempts = 0")


def listed(tx: Transaction, of: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The deliveries of events, or every one, with their attempts, oldest first."""
    given = (None if of is None else json.dumps(list(of)),)
    names = ("id", "event", "type", "endpoint", "state", "due", "fault")
    deliveries = {row[0]: dict(zip(names, row, strict=True)) | {"attempts": []} for row in tx.rows(_LISTED, given)}
    for delivery, at, url, status, error in tx.rows(_ATTEMPTS, given):
        deliveries[delivery]["attempts"].append({"at": at, "url": url, "status": status, "error": error})
    return list(deliveries.values())
