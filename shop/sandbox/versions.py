"""API versions: which a request may name, and what an older one sent that the SDK's own version does not know.

A request without a version gets that of the account, which is an older one here: Stripe's command line names none, and
some of what it sends is older than the SDK.
"""

import re
from datetime import date

import stripe

from shop.sandbox.refusals import Refusal
from shop.sandbox.wire import Tree

_SHAPE = re.compile(r"(20\d\d-\d\d-\d\d)(?:\.[a-z]+)?((?:; ?[a-z0-9_]+=v\d+)*)", re.ASCII)
_FIRST = date(2011, 1, 1)
# From this one on payment methods are not named any more, but left to the account and only narrowed.
_DYNAMIC_METHODS = "2026-10-28"
_MAY_NAME_METHODS = ("/v1/checkout/sessions", "/v1/payment_intents")


def named(header: str | None) -> str | None:
    """The version that a request asks for, or None. Raises Refusal for what is none."""
    if header is None:
        return None
    match = _SHAPE.fullmatch(header.strip())
    try:
        if match is None or date.fromisoformat(match[1]) < _FIRST:
            raise ValueError
    except ValueError:
        raise Refusal(f"Invalid Stripe API version: {header}") from None
    return header.strip()


def as_sent_today(version: str | None, path: str, tree: dict[str, Tree]) -> dict[str, Tree]:
    """The parameters as the SDK's version sends them."""
    older = (version or "") < _DYNAMIC_METHODS <= stripe.api_version
    if not older or path not in _MAY_NAME_METHODS or "payment_method_types" not in tree:
        return tree
    return {
        "allowed_payment_method_types" if name == "payment_method_types" else name: value
        for name, value in tree.items()
    }
