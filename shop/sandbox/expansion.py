"""`expand`: ids in an answer replaced by the objects that they name, along dotted paths."""

from typing import Any

from shop.sandbox import lists
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.resources import TYPES, expandable
from shop.sandbox.store import Transaction

DEEPEST = 4
_BY_PREFIX = {
    "cs": "checkout.session",
    "pi": "payment_intent",
    "pm": "payment_method",
    "ch": "charge",
    "py": "charge",
    "re": "refund",
    "pyr": "refund",
    "du": "dispute",
    "txn": "balance_transaction",
    "prod": "product",
    "price": "price",
    "shr": "shipping_rate",
    "coupon": "coupon",
    "promo": "promotion_code",
}


def expanded(tx: Transaction, body: Body, paths: list[str]) -> Body:
    """`body` with each path of `expand` followed. Raises Refusal for a property that cannot be expanded."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEEPEST:
            message = f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}"
            raise Refusal(message, param="expand")
        body = _follow(tx, body, steps, path, body.get("object", ""))
    return body


def _follow(tx: Transaction, node: Any, steps: list[str], path: str, kind: str) -> Any:
    if isinstance(node, list):
        return [_follow(tx, element, steps, path, kind) for element in node]
    if not steps or not isinstance(node, dict):
        return node
    step, rest = steps[0], steps[1:]
    own = node.get("object")
    is_object = own in TYPES
    if is_object and step in expandable(str(own)):
        value = _object_for(tx, node, step)
    elif step in node and (rest or _names_object(node[step])):
        # A list's data, an embedded object, or a part of one (`shipping_cost.shipping_rate`).
        value = _load(tx, node[step])
    else:
        raise Refusal(f"This property cannot be expanded ({path}).", param="expand")
    return node | {step: _follow(tx, value, rest, path, kind)}


def _object_for(tx: Transaction, node: Body, step: str) -> Any:
    if node["object"] == "checkout.session" and step == "line_items":
        if isinstance(node.get(step), dict):
            return node[step]
        items = tx.private(node["id"])["line_items"]
        return lists.of_items(items, {}, f"/v1/checkout/sessions/{node['id']}/line_items").body()
    if node["object"] == "charge" and step == "refunds":
        if isinstance(node.get(step), dict):
            return node[step]
        return lists.of_items(tx.of_charge("refund", node["id"]), {}, f"/v1/charges/{node['id']}/refunds").body()
    return _load(tx, node.get(step))


def _names_object(value: Any) -> bool:
    return value is None or isinstance(value, dict) or (isinstance(value, str) and value.split("_")[0] in _BY_PREFIX)


def _load(tx: Transaction, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    kind = _BY_PREFIX.get(value.split("_")[0])
    return (tx.find(kind, value) if kind else None) or value
