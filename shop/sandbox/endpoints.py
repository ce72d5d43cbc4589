"""Where events go: the endpoint that the settings or a control gave, and those that a shop registers by the API."""

import json
from dataclasses import dataclass

from shop.sandbox.metadata import change_metadata, check_metadata, stored_metadata
from shop.sandbox.refusals import Body, Refusal, not_played
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction
from shop.sandbox.texts import check_length, check_url

KIND = "webhook_endpoint"
MOST = 16


@dataclass(frozen=True)
class Endpoint:
    """Where events go. Each of the `secrets` signs: while one is rolled there are two."""

    url: str
    secrets: tuple[str, ...]


def targets_of(tx: Transaction, event_type: str) -> list[str | None]:
    """Whom an event of this type is owed to: ids of registered endpoints, and None for the configured one."""
    registered = [endpoint for endpoint in _enabled(tx) if {"*", event_type} & set(endpoint["enabled_events"])]
    return [*([None] if configured(tx) else []), *(str(endpoint["id"]) for endpoint in registered)]


def registered(tx: Transaction, key: str) -> Endpoint:
    """Where a delivery to a registered endpoint is to be sent; without an address once it is gone or disabled."""
    endpoint = tx.find(KIND, key)
    if endpoint is None or endpoint["status"] != "enabled":
        return Endpoint("", ())
    return Endpoint(endpoint["url"], (tx.private(key)["secret"],))


def configured(tx: Transaction) -> Endpoint | None:
    """The endpoint that the settings or `set_webhook` gave."""
    kept = json.loads(tx.meta("webhook") or "{}")
    return Endpoint(kept["url"], tuple(kept["secrets"])) if kept.get("url") else None


def configure(tx: Transaction, endpoint: Endpoint, given: list[str] | None = None) -> Endpoint:
    """Keeps the endpoint. `given` is what the settings say at a start: if they say what they said before, what was set
    since is not forgotten. Returns the one that counts."""
    kept = json.loads(tx.meta("webhook") or "{}")
    if given is not None and kept.get("given") == given:
        return Endpoint(kept["url"], tuple(kept["secrets"]))
    given = kept.get("given") if given is None else given
    tx.set_meta("webhook", json.dumps({"given": given, "url": endpoint.url, "secrets": endpoint.secrets}))
    return endpoint


def create(tx: Transaction, params: Body) -> Body:
    """A registered endpoint, with the secret that only this answer tells. Raises Refusal for a seventeenth."""
    if params.get("connect"):
        raise not_played("connect")
    ((count,),) = tx.rows("SELECT count(*) FROM objects WHERE object = ?", (KIND,))
    if count >= MOST:
        raise Refusal(f"You have reached the maximum of {MOST} test webhook endpoints.", executed=True)
    _check(params)
    secret = tx.new_id("whsec_", 32)
    endpoint = completed(
        {
            "id": tx.new_id("we_"),
            "object": KIND,
            "api_version": params.get("api_version"),
            "created": tx.now,
            "description": params.get("description") or None,
            "enabled_events": params["enabled_events"],
            "livemode": False,
            "metadata": stored_metadata(params.get("metadata")),
            "status": "enabled",
            "url": params["url"],
        }
    )
    return tx.insert(endpoint, {"secret": secret}) | {"secret": secret}


def update(tx: Transaction, key: str, params: Body) -> Body:
    endpoint = tx.get(KIND, key, "webhook_endpoint")
    _check(params)
    change_metadata(endpoint, params)
    endpoint |= {name: params[name] for name in ("enabled_events", "url") if name in params}
    if "description" in params:
        endpoint["description"] = params["description"] or None
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
        if params["disabled"]:
            _give_up(tx, key)
    return tx.update(endpoint)


def delete(tx: Transaction, key: str) -> Body:
    """The endpoint is gone, and what was owed to it is owed to nobody."""
    tx.get(KIND, key, "webhook_endpoint")
    _give_up(tx, key)
    tx.sql.execute("DELETE FROM objects WHERE id = ?", (key,))
    return {"id": key, "object": KIND, "deleted": True}


def _enabled(tx: Transaction) -> list[Body]:
    rows = tx.rows(
        "SELECT body FROM objects WHERE object = ? AND json_extract(body, '$.status') = 'enabled' ORDER BY seq", (KIND,)
    )
    return [json.loads(body) for (body,) in rows]


def _give_up(tx: Transaction, key: str) -> None:
    tx.sql.execute("UPDATE deliveries SET state = 'given_up' WHERE endpoint = ? AND state = 'pending'", (key,))


def _check(params: Body) -> None:
    check_url(params.get("url"), "url")
    check_length(params.get("description"), 5000, "description")
    check_metadata(params.get("metadata"))
    if params.get("enabled_events") == []:
        raise Refusal("You must subscribe to at least one event.", param="enabled_events")
