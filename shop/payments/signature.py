"""Whether what came to the webhook's door is Stripe's, and an event at all."""

import json
from typing import Any

import stripe

from shop.errors import BadSignature

MAX_BODY = 512 * 1024
# How old a signature may be, in seconds: docs.stripe.com/webhooks#replay-attacks.
TOLERANCE = 300
# Year 9999 in Unix seconds: what lies beyond is no moment.
LAST_MOMENT = 253_402_300_800


def verify(body: bytes, signature: str, secrets: tuple[str, ...]) -> dict[str, Any]:
    """The event in `body`, as plain JSON values, if one of `secrets` signed these very bytes within the last five minutes.

    Two secrets are valid while one is being rolled. Raises BadSignature for everything else: forged, stale, empty, not
    UTF-8, not JSON, a signed body that is no event. Source: docs.stripe.com/webhooks#verify-official-libraries; the SDK
    checks, and the JSON is left as it is: making the SDK's objects of it takes longer than all the rest.
    """
    if not body or len(body) > MAX_BODY:
        raise BadSignature("the body is empty or too large")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSignature("the body is not an event") from None
    if not any(_signed(text, signature, secret) for secret in secrets):
        raise BadSignature("the signature does not match")
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        raise BadSignature("the body is not an event") from None
    if not _is_event(event):
        raise BadSignature("the body is not an event")
    return event  # type: ignore[no-any-return]


def _signed(text: str, signature: str, secret: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(text, signature, secret, TOLERANCE))
    except (stripe.SignatureVerificationError, ValueError, OverflowError, TypeError):
        # The SDK stumbles over some headers that no Stripe ever sent; they match nothing either.
        return False


def _is_event(event: Any) -> bool:
    try:
        return bool(
            event["object"] == "event"
            and _is_name(event["id"])
            and _is_name(event["type"])
            and isinstance(event["created"], int)
            and 0 <= event["created"] < LAST_MOMENT
            and isinstance(event["livemode"], bool)
            and _is_name(str(event["data"]["object"]["id"]))
        )
    except (KeyError, TypeError, IndexError):
        return False


def _is_name(value: Any) -> bool:
    """Whether both databases can store it as an id: PostgreSQL takes no NUL, and neither takes half a character."""
    return isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable()
