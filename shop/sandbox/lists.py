"""Stripe's lists: newest first, from a cursor, with `has_more`."""

from dataclasses import dataclass
from typing import Any

from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.store import Transaction

# The filters of each kind of list and the value of an object that each is compared with.
FILTERS: dict[str, dict[str, str]] = {
    "checkout.session": {
        "customer": "$.customer",
        "payment_intent": "$.payment_intent",
        "payment_link": "$.payment_link",
        "status": "$.status",
        "subscription": "$.subscription",
    },
    "payment_intent": {"customer": "$.customer"},
    "charge": {"customer": "$.customer", "payment_intent": "$.payment_intent", "transfer_group": "$.transfer_group"},
    "refund": {"charge": "$.charge", "payment_intent": "$.payment_intent"},
    "dispute": {"charge": "$.charge", "payment_intent": "$.payment_intent"},
    "balance_transaction": {
        "currency": "$.currency",
        "payout": "$.payout",
        "source": "$.source",
        "type": "$.type",
    },
    "event": {"type": "$.type"},
    "webhook_endpoint": {},
    "payment_method": {"customer": "$.customer", "type": "$.type", "allow_redisplay": "$.allow_redisplay"},
    "product": {"active": "$.active", "shippable": "$.shippable", "url": "$.url"},
    "price": {"active": "$.active", "currency": "$.currency", "product": "$.product", "type": "$.type"},
}


@dataclass(frozen=True)
class Page:
    """Part of a list, as the API answers it."""

    items: list[Body]
    has_more: bool
    url: str

    def body(self) -> Body:
        return {"object": "list", "data": self.items, "has_more": self.has_more, "url": self.url}


def of_kind(tx: Transaction, kind: str, params: Body, url: str) -> Page:
    """One page of all objects of a kind. Raises Refusal for a limit or a cursor that there is not."""
    conditions = ["object = ?"]
    values: list[Any] = [kind]
    for name, path in FILTERS[kind].items():
        if name in params:
            conditions.append("json_extract(body, ?) = ?")
            values += [path, params[name]]
    if details := params.get("customer_details"):
        conditions.append("lower(json_extract(body, '$.customer_details.email')) = lower(?)")
        values.append(details.get("email", ""))
    if kinds := params.get("types"):
        conditions.append(f"json_extract(body, '$.type') IN ({', '.join('?' * len(kinds))})")
        values += kinds
    for name, path in (("ids", "$.id"), ("lookup_keys", "$.lookup_key")):
        if name in params:
            conditions.append(f"json_extract(body, '{path}') IN ({', '.join('?' * len(params[name]))})")
            values += params[name]
    if "delivery_success" in params:
        owed = "id IN (SELECT event FROM deliveries WHERE state <> 'delivered')"
        conditions.append(f"NOT {owed}" if params["delivery_success"] else owed)
    _filter_created(params.get("created"), conditions, values)
    limit = limit_of(params)
    backwards = "ending_before" in params
    if "starting_after" in params and backwards:
        raise Refusal("You can only specify one of these parameters: starting_after, ending_before.")
    for name, comparison in (("starting_after", "<"), ("ending_before", ">")):
        if name in params:
            conditions.append(f"seq {comparison} ?")
            values.append(_place(tx, kind, params[name], name))
    # Every piece of the query is one of the constants above; whatever was sent travels as a value.
    query = (
        f"SELECT id FROM objects WHERE {' AND '.join(conditions)} ORDER BY seq {'ASC' if backwards else 'DESC'} LIMIT ?"  # noqa: S608
    )
    keys = [key for (key,) in tx.rows(query, (*values, limit + 1))]
    has_more = len(keys) > limit
    keys = keys[:limit]
    if backwards:
        keys.reverse()
    return Page([tx.get(kind, key) for key in keys], has_more, url)


def of_items(items: list[Body], params: Body, url: str) -> Page:
    """One page of a short list that is held whole, in its own order."""
    limit = limit_of(params)
    keys = [item["id"] for item in items]
    for name in ("starting_after", "ending_before"):
        if name in params and params[name] not in keys:
            raise Refusal(f"No such item: '{params[name]}'", code="resource_missing", param=name)
    if "starting_after" in params:
        items = items[keys.index(params["starting_after"]) + 1 :]
    if "ending_before" in params:
        before = items[: keys.index(params["ending_before"])]
        return Page(before[-limit:], len(before) > limit, url)
    return Page(items[:limit], len(items) > limit, url)


def limit_of(params: Body) -> int:
    """Between 1 and 100; 10 unless given."""
    limit: int = params.get("limit", 10)
    for bound, wrong in (("less than or equal to 100", limit > 100), ("greater than or equal to 1", limit < 1)):
        if wrong:
            message = f"This value must be {bound} (it currently is '{limit}')."
            raise Refusal(message, code="parameter_invalid_integer", param="limit")
    return limit


def _filter_created(created: Any, conditions: list[str], values: list[Any]) -> None:
    if created is None:
        return
    comparisons = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    bounds = created.items() if isinstance(created, dict) else [("is", created)]
    for name, bound in bounds:
        conditions.append(f"json_extract(body, '$.created') {comparisons.get(name, '=')} ?")
        values.append(bound)


def _place(tx: Transaction, kind: str, key: str, param: str) -> int:
    rows = tx.rows("SELECT seq FROM objects WHERE id = ? AND object = ?", (key, kind))
    if not rows:
        raise Refusal(f"No such {kind}: '{key}'", code="resource_missing", param=param)
    place: int = rows[0][0]
    return place
