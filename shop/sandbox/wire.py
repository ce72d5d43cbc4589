"""Stripe's request encoding: `line_items[0][price_data][currency]=sgd`, and `expand[]=customer`."""

import itertools
import re
from collections.abc import Iterable

Tree = str | dict[str, "Tree"]
"""A decoded request: leaves are text, arrays are dicts keyed `0`, `1`, ... until the contract says which they are."""

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def decoded(pairs: Iterable[tuple[str, str]]) -> dict[str, Tree]:
    """The tree that the pairs of a query or form body spell. A key with broken brackets stays one odd key."""
    root: dict[str, Tree] = {}
    for key, value in pairs:
        match = _KEY.match(key)
        if match is None:
            root[key] = value
            continue
        steps = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        _plant(root, steps, value)
    return root


def _plant(node: dict[str, Tree], steps: list[str], value: str) -> None:
    for step, following in itertools.pairwise(steps):
        place = step or _open_element(node, following)
        child = node.get(place)
        if not isinstance(child, dict):
            child = node[place] = {}
        node = child
    last = steps[-1] if steps[-1] != "" else str(len(node))
    node[last] = value


def _open_element(node: dict[str, Tree], following: str) -> str:
    """The element that `a[][b]` goes on with: a repeated `b` begins the next one, as Stripe's own CLI writes it."""
    if node:
        last = str(len(node) - 1)
        element = node.get(last)
        if isinstance(element, dict) and following not in element:
            return last
    return str(len(node))


def path_of(parent: str, step: str) -> str:
    return f"{parent}[{step}]" if parent else step
