"""Metadata: what may be written into it, and Stripe's way of changing it."""

from typing import Any

from shop.sandbox.refusals import Body, Refusal


def check_metadata(metadata: Any, path: str = "metadata") -> None:
    """At most 50 keys of at most 40 characters, with values of at most 500."""
    if not metadata:
        return
    if len(metadata) > 50:
        raise Refusal(f"You can have up to 50 metadata keys, but you passed in {len(metadata)}.", param=path)
    for key, value in metadata.items():
        if len(key) > 40:
            message = (
                f"Metadata keys can have up to 40 characters, but you passed in a key that is {len(key)} characters."
            )
            raise Refusal(f"{message} Invalid key: {key}", param=path)
        if len(value) > 500:
            message = (
                f"Metadata values can have up to 500 characters, but you passed in a value that is {len(value)} "
                f"characters. Invalid value: {value}"
            )
            raise Refusal(message, param=f"{path}[{key}]")


def stored_metadata(given: Any) -> Body:
    """What a new object keeps of the metadata that it is given."""
    return {key: value for key, value in (given or {}).items() if value != ""}


def change_metadata(body: Body, params: Body) -> bool:
    """Given keys are set, empty ones removed, the empty string removes all. Returns whether anything changed."""
    if "metadata" not in params:
        return False
    check_metadata(params["metadata"])
    before, change = body["metadata"], params["metadata"]
    body["metadata"] = {} if change == "" else stored_metadata(before | change)
    return bool(body["metadata"] != before)
