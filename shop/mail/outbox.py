"""Writing a message down in the transaction that causes it. Sending comes after the commit: see `shop.mail.sending`."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from shop.db import insert_once
from shop.mail.models import OutboxMessage

ABOUT_ORDERS = frozenset(
    {
        "receipt",
        "payment_failed",
        "shipped",
        "refunded",
        "order_needs_you",
        "staff_attention",
        "staff_dispute",
        "staff_books",
    }
)
KINDS = ABOUT_ORDERS | {"back_in_stock"}
LONGEST_ADDRESS = 320  # 64 before the @, 255 after it: RFC 5321, 4.5.3.1


def post(
    session: Session,
    kind: str,
    recipient: str,
    dedupe_key: str,
    order_id: int | None = None,
    context: Mapping[str, Any] | None = None,
) -> bool:
    """Put a message into the outbox, once for each `dedupe_key`. True if this call put it there.

    In the caller's transaction, never committed here: a message exists exactly when what it tells of has happened.
    `kind` is one of KINDS. `context` holds what the order itself cannot tell at the time of sending: a `reason`, one sentence,
    which a buyer reads in the order's language if the catalogues have it (`gettext_noop` marks it for them), or the
    `amount_minor` of a refund. Lines, amounts and parcels are read then, through `order_id`. A message about no order holds
    all that it says (see `shop.mail.waiting`).

    A recipient that no mail can reach (empty, too long, with a line break in it) is no reason to undo a payment: the
    message is written down as failed, for staff to see. Raises ValueError for an unknown kind or a malformed key.
    """
    if kind not in KINDS:
        raise ValueError(f"no such kind of message: {kind}")
    if not 1 <= len(dedupe_key) <= 120:
        raise ValueError("a dedupe key has between 1 and 120 characters")
    address = recipient.strip()
    problem = unreachable(address)
    return insert_once(
        session,
        OutboxMessage,
        {
            "kind": kind,
            "recipient": "".join(character for character in address if character.isprintable())[:LONGEST_ADDRESS],
            "dedupe_key": dedupe_key,
            "order_id": order_id,
            "context": dict(context or {}),
            "state": "failed" if problem else "waiting",
            "last_error": problem,
        },
    )


def unreachable(address: str) -> str:
    """Why no mail can go to `address`, or an empty text. The mail server has the last word on all others."""
    if not address:
        return "no address to send to"
    if len(address) > LONGEST_ADDRESS:
        return "the address is too long"
    local, _, domain = address.rpartition("@")
    if not local or not domain or not address.isprintable() or any(character in address for character in ' <>,;"'):
        return "not an address"
    return ""
