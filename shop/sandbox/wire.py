"""Stripe's request encoding: `line_items[0][price_data][currency]=sgd`, and `expand[]=customer`."""

import re
from urllib.parse import parse_qsl

Tree = str | dict[str, "Tree"]
"""A decoded request: leaves are text, arrays are dicts keyed `0`, `1`, ... until the contract says which they are."""

_STEP = re.compile(r"\[([^\[\]]*)\]")
# Deeper than any parameter of Stripe's; a key with more steps is not one.
_DEEPEST = 20
_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def decoded(encoded: str) -> dict[str, Tree]:
    """The tree that a query or a form body spells, in its own order. Broken or endless brackets stay one odd key."""
    root: dict[str, Tree] = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        match = _KEY.match(key)
        steps = [match[1], *_STEP.findall(match[2])] if match else [key]
        _plant(root, steps if len(steps) <= _DEEPEST else [key], value)
    return root


def _plant(node: dict[str, Tree], steps: list[str], value: str) -> None:
    for number, step in enumerate(steps[:-1]):
        place = step or _open_element(node, steps[number + 1 :])
        child = node.get(place)
        if not isinstance(child, dict):
            child = node[place] = {}
        node = child
    node[steps[-1] or str(len(node))] = value


def _open_element(node: dict[str, Tree], rest: list[str]) -> str:
    """The element that `a[][b][c]` goes on with: once the last one has a `b` with a `c`, the next one begins."""
    if not node:
        return "0"
    last = str(len(node) - 1)
    inside: Tree | None = node.get(last)
    for step in rest:
        inside = inside.get(step) if isinstance(inside, dict) else None
    return last if inside is None else str(len(node))


def path_of(parent: str, step: str) -> str:
    return f"{parent}[{step}]" if parent else step
