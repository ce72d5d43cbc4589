"""An answer held against the SDK's resource class: no key missing, none too many, and each value of the type that the
class's annotations give it, at every depth."""

from collections.abc import Iterator
from decimal import Decimal
from types import UnionType
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import stripe
from stripe._stripe_object import UntypedStripeObject

from shop.sandbox.resources import INCLUDABLE, TYPES

# Stripe itself leaves these out unless they apply.
LEFT_OUT = {
    "refund": {"description", "instructions_email", "next_action", "presentment_details"},
    "product": {"deleted"},
    "price": {"deleted", "currency_options"},
    "webhook_endpoint": {"deleted"},
    "coupon": {"deleted", "currency_options"},
}
# One key for each kind of payment method, of which only that of the kind is sent.
_ONE_OF_MANY = {"payment_method"}


def annotated(kind: type) -> set[str]:
    return {name for name in kind.__annotations__ if name.islower() and not name.startswith("_")}


def mistakes(body: Any, kind: type | None = None) -> list[str]:
    """What is wrong with an answer, as sentences; of the class that its own `object` names unless `kind` is given."""
    return list(_of_object(body, kind or TYPES[body["object"]], body["object"]))


def _of_object(body: Any, kind: type, path: str) -> Iterator[str]:
    if not isinstance(body, dict):
        yield f"{path} is {body!r}, not an object"
        return
    if issubclass(kind, UntypedStripeObject) or not annotated(kind):
        return
    name = body.get("object", "") if kind in TYPES.values() else ""
    for key in sorted(annotated(kind)):
        hint = kind.__annotations__[key]
        if key in body:
            yield from _of_value(body[key], hint, f"{path}.{key}")
        elif not _may_lack(kind, name, key, hint):
            yield f"{path}.{key} is missing"
    for key in sorted(body.keys() - annotated(kind)):
        yield f"{path}.{key} is not known to the SDK"


def _may_lack(kind: type, name: str, key: str, hint: Any) -> bool:
    if key in INCLUDABLE.get(name, set()) | LEFT_OUT.get(name, set()):
        return True
    is_nullable = type(None) in get_args(hint)
    # A part may lack what is null; a whole object may not, or reading it raises AttributeError.
    return is_nullable and (not name or name in _ONE_OF_MANY)


def _of_value(value: Any, hint: Any, path: str) -> Iterator[str]:
    members = list(_members(hint))
    literals = {choice for member in members if get_origin(member) is Literal for choice in get_args(member)}
    if value is None:
        if type(None) not in members:
            yield f"{path} is null"
    elif isinstance(value, str) and literals:
        if value not in literals:
            yield f"{path} is {value!r}, none of the values that the SDK names"
    elif isinstance(value, dict):
        yield from _of_dict(value, members, path)
    elif isinstance(value, list):
        inner = [get_args(member)[0] for member in members if get_origin(member) is list]
        if not inner:
            yield f"{path} is a list"
        for number, element in enumerate(value):
            yield from _of_value(element, inner[0], f"{path}[{number}]") if inner else ()
    elif not any(_is_plain(value, member) for member in members):
        yield f"{path} is {value!r}, which is no {hint}"


def _of_dict(value: Any, members: list[Any], path: str) -> Iterator[str]:
    named = {member.__forward_arg__.rpartition(".")[2] for member in members if isinstance(member, ForwardRef)}
    classes = [member for member in members if isinstance(member, type) and issubclass(member, stripe.StripeObject)]
    lists = [member for member in members if get_origin(member) is stripe.ListObject]
    if isinstance(value.get("object"), str) and value["object"] in TYPES:
        kind = TYPES[value["object"]]
        anything = any(UntypedStripeObject in (member, get_origin(member)) for member in members)
        if not anything and kind.__name__ not in named | {member.__name__ for member in classes}:
            yield f"{path} is a {kind.__name__}"
        yield from _of_object(value, kind, path)
    elif lists and value.get("object") == "list":
        for number, element in enumerate(value["data"]):
            yield from _of_dict(element, list(get_args(lists[0])), f"{path}.data[{number}]")
    elif classes:
        yield from _of_object(value, classes[0], path)
    elif not any(UntypedStripeObject in (member, get_origin(member)) for member in members):
        yield f"{path} is an object"


def _members(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, UnionType):
        for member in get_args(hint):
            yield from _members(member)
    else:
        yield hint


def _is_plain(value: Any, hint: Any) -> bool:
    if hint is Decimal:
        return isinstance(value, str)
    if hint in (str, int, bool, float):
        return type(value) is hint
    return get_origin(hint) is Literal and value in get_args(hint)
