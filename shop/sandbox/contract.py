"""Requests held against the SDK's own parameter types, which are generated from Stripe's OpenAPI spec.

A request that names a parameter which the types do not, at any depth, is refused in Stripe's words; the same
goes for a missing one, a wrong type and a value outside an enum. So the contract is that of the very SDK in use.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from types import UnionType
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin

from stripe import RequestOptions
from typing_extensions import get_type_hints, is_typeddict

from shop.sandbox.refusals import (
    Refusal,
    empty_parameter,
    missing_parameter,
    not_one_of,
    unknown_parameters,
)
from shop.sandbox.wire import Tree, path_of

# Options of the SDK's call, which never travel as parameters.
_OPTIONS = frozenset(RequestOptions.__annotations__)
_INDEX = re.compile(r"[0-9]{1,6}")
_MARKS: tuple[Any, ...] = (NotRequired, Required)
# Names in the types of the SDK's call options, which the parameters' own modules do not know.
_UNNAMED = {"StripeContext": object, "Mapping": Mapping}


def held_against(params: type, tree: Mapping[str, Tree]) -> dict[str, Any]:
    """The request's parameters with the types that `params` (a TypedDict of the SDK) gives them.

    Raises Refusal: unknown parameters first, all of them named; then the first other mistake.
    """
    reading = _Reading()
    typed = reading.structure(params, tree, "")
    if reading.unknown:
        raise unknown_parameters(reading.unknown)
    if reading.mistakes:
        raise reading.mistakes[0]
    return typed


@cache
def _fields(params: type) -> dict[str, tuple[Any, bool]]:
    """Each parameter's type, and whether it must be given."""
    fields = {}
    required: frozenset[str] = getattr(params, "__required_keys__", frozenset())
    for name, hint in get_type_hints(params, localns=_UNNAMED, include_extras=True).items():
        if name in _OPTIONS:
            continue
        origin: Any = get_origin(hint)
        if origin in _MARKS:
            (inner,) = get_args(hint)
            fields[name] = (inner, origin is Required)
        else:
            fields[name] = (hint, name in required)
    return fields


@cache
def _choices(hint: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """A union's literal values, and its other members."""
    literals: list[str] = []
    others: list[Any] = []
    for member in get_args(hint):
        if get_origin(member) is Literal:
            literals += get_args(member)
        elif get_origin(member) in (Union, UnionType):
            inner_literals, inner_others = _choices(member)
            literals += inner_literals
            others += inner_others
        elif "UntypedStripeObject" not in repr(member):
            others.append(member)
    return tuple(literals), tuple(others)


class _Reading:
    """One walk through a request: what it found wrong, and the typed value of what was right."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.mistakes: list[Refusal] = []

    def structure(self, params: type, tree: Mapping[str, Tree], path: str) -> dict[str, Any]:
        fields = _fields(params)
        typed: dict[str, Any] = {}
        for name, value in tree.items():
            if name in fields:
                typed[name] = self.value(fields[name][0], value, path_of(path, name))
            else:
                self.unknown.append(path_of(path, name))
        for name, (_, required) in fields.items():
            if required and name not in tree:
                self.mistakes.append(missing_parameter(path_of(path, name)))
        return typed

    def value(self, hint: Any, value: Tree, path: str) -> Any:
        origin = get_origin(hint)
        if origin in (Union, UnionType):
            return self._union(hint, value, path)
        if origin is Literal:
            return self._enum(get_args(hint), value, path)
        if is_typeddict(hint):
            if isinstance(value, dict):
                return self.structure(hint, value, path)
            return self._mistake("Invalid object", path)
        if origin is list:
            return self._array(get_args(hint)[0], value, path)
        if origin is dict:
            if not isinstance(value, dict):
                return self._mistake("Invalid object", path)
            inner = get_args(hint)[1]
            return {k: v if v == "" else self.value(inner, v, path_of(path, k)) for k, v in value.items()}
        if not isinstance(value, str):
            return self._mistake("Invalid string: an object was given", path)
        if value == "":
            self.mistakes.append(empty_parameter(path))
            return value
        return self._scalar(hint, value, path)

    def _union(self, hint: Any, value: Tree, path: str) -> Any:
        literals, others = _choices(hint)
        if value == "" and "" in literals:
            return ""
        named = tuple(choice for choice in literals if choice != "")
        if named and all(other is str for other in others):
            return self._enum(named, value, path)
        shaped = [o for o in others if is_typeddict(o) or get_origin(o) in (list, dict)]
        if isinstance(value, dict) and shaped:
            return self.value(shaped[0], value, path)
        plain = [o for o in others if o not in shaped]
        return self.value((plain or shaped or [str])[0], value, path)

    def _enum(self, choices: tuple[str, ...], value: Tree, path: str) -> Any:
        if value not in choices:
            self.mistakes.append(not_one_of(path, choices))
        return value

    def _array(self, inner: Any, value: Tree, path: str) -> Any:
        if not isinstance(value, dict) or not all(_INDEX.fullmatch(step) for step in value):
            return self._mistake("Invalid array", path)
        return [self.value(inner, value[step], path_of(path, step)) for step in sorted(value, key=int)]

    def _scalar(self, hint: Any, value: str, path: str) -> Any:
        if hint is bool:
            if value not in ("true", "false"):
                return self._mistake(f"Invalid boolean: {value}", path)
            return value == "true"
        if hint is int:
            if not re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
                return self._mistake(f"Invalid integer: {value}", path, "parameter_invalid_integer")
            return int(value)
        if hint in (float, Decimal):
            try:
                number = Decimal(value)
            except InvalidOperation:
                return self._mistake(f"Invalid decimal: {value}", path)
            return number if number.is_finite() else self._mistake(f"Invalid decimal: {value}", path)
        return value

    def _mistake(self, message: str, path: str, code: str | None = None) -> None:
        self.mistakes.append(Refusal(message, param=path, code=code))
