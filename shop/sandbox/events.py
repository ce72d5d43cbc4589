"""Events: what happened, as Stripe tells it, and the deliveries that are owed for each."""

import stripe

from shop.sandbox import endpoints, owed
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
    request = {"id": tx.origin.request_id, "idempotency_key": tx.origin.idempotency_key}
    event = completed(
        {
            "id": tx.new_id("evt_"),
            "object": "event",
            "api_version": stripe.api_version,
            "created": tx.now,
            "data": contents,
            "livemode": False,
            "pending_webhooks": len(endpoints.targets_of(tx, kind)),
            "request": request,
            "type": kind,
        }
    )
    tx.insert(event)
    owed.owe(tx, event)
    return event


def as_sent_now(tx: Transaction, event: Body) -> Body:
    """The event with the deliveries that are still owed counted anew."""
    ((still_owed,),) = tx.rows(
        "SELECT count(*) FROM deliveries WHERE event = ? AND state IN ('pending', 'sending')", (event["id"],)
    )
    return event | {"pending_webhooks": still_owed}


def retry(tx: Transaction, key: str, params: Body) -> Body:
    """Owes the event once more, as `stripe events resend` asks; to one registered endpoint if it is named."""
    event = tx.get("event", key)
    endpoint = params.get("webhook_endpoint")
    owed.owe(tx, event, faulty=False, only=endpoint and tx.get(endpoints.KIND, endpoint, "webhook_endpoint")["id"])
    return as_sent_now(tx, event)
