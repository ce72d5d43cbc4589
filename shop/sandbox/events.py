"""Events: what happened, as Stripe tells it, and the deliveries that are owed for each."""

import json
from typing import Any

import stripe

from shop.sandbox.refusals import Body
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction


def record(tx: Transaction, kind: str, about: Body, previous: Body | None = None) -> Body:
    """Writes the event with a snapshot of `about`, and owes a delivery of it if there is an endpoint.

    `previous` holds the former values of changed attributes, for the `.updated` kind of event.
    """
    contents: Body = {"object": about}
    if previous is not None:
        contents["previous_attributes"] = previous
    has_endpoint = tx.meta("endpoint") == "yes"
    request = {"id": tx.origin.request_id, "idempotency_key": tx.origin.idempotency_key}
    event = completed(
        {
            "id": tx.new_id("evt_"),
            "object": "event",
            "api_version": stripe.api_version,
            "created": tx.now,
            "data": contents,
            "livemode": False,
            "pending_webhooks": int(has_endpoint),
            "request": request,
            "type": kind,
        }
    )
    tx.insert(event)
    if has_endpoint:
        owe_delivery(tx, event)
    return event


def owe_delivery(tx: Transaction, event: Body) -> None:
    tx.sql.execute(
        "INSERT INTO deliveries (event, type, payload, state, due) VALUES (?, ?, ?, 'pending', ?)",
        (event["id"], event["type"], json.dumps(event, indent=2).encode(), tx.due_clock),
    )


def as_sent_now(tx: Transaction, event: Body) -> Body:
    """The event with the deliveries that are still owed counted anew."""
    ((owed,),) = tx.rows(
        "SELECT count(*) FROM deliveries WHERE event = ? AND state IN ('pending', 'sending')", (event["id"],)
    )
    return event | {"pending_webhooks": owed}


def deliveries_of(tx: Transaction, event: str | None = None) -> list[dict[str, Any]]:
    """Every delivery with its attempts, oldest first."""
    deliveries: list[dict[str, Any]] = [
        {"id": number, "event": of, "type": kind, "state": state, "due": due, "attempts": []}
        for number, of, kind, state, due in tx.rows(
            "SELECT id, event, type, state, due FROM deliveries WHERE ?1 IS NULL OR event = ?1 ORDER BY id", (event,)
        )
    ]
    by_id = {delivery["id"]: delivery for delivery in deliveries}
    for of, at, url, status, error in tx.rows("SELECT delivery, at, url, status, error FROM attempts ORDER BY id"):
        if of in by_id:
            by_id[of]["attempts"].append({"at": at, "url": url, "status": status, "error": error})
    return deliveries
