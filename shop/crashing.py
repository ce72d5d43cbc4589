"""Dying on purpose: where the tests let this process be killed, to see what the next one makes of what it left behind.

SHOP_DIE_AT names one of POINTS. Nothing but tests sets it, and `shop.config` refuses it in production.
"""

import os
import signal

VARIABLE = "SHOP_DIE_AT"
POINTS = {
    "place.reserved": "goods are reserved and the order is stored, and none of it is committed",
    "place.stored": "the order is committed, and Stripe has not been asked",
    "place.asked": "Stripe has opened the payment page, and the shop has not written that down",
    "place.opened": "it is written down, and the buyer has not been sent there",
    "webhook.stored": "the event's row is there, not applied and not committed",
    "webhook.applied": "the event is applied and not committed",
    "webhook.committed": "the event is committed, and Stripe has not been answered",
    "return.told": "the buyer is back and Stripe has said how the payment stands; it is not settled",
    "close.expired": "Stripe has ended a payment page, and the goods are still held",
    "refund.stored": "a refund is committed, and Stripe has not been asked",
    "refund.made": "Stripe has made the refund, and the shop has not written that down",
    "refund.settled": "it is written down, and nobody has been answered",
    "mail.accepted": "the mail server has taken a message, and the shop has not written that down",
}
_CHOSEN = os.environ.get(VARIABLE, "")


def die_at(point: str) -> None:
    """Kill this very process, as a loss of power would, if it was started to die at `point`, one of POINTS."""
    if point == _CHOSEN:
        os.kill(os.getpid(), signal.SIGKILL)


def refusal(*, production: bool) -> str:
    """Why this process must not be started with the point that it was given; empty if it may be."""
    if not _CHOSEN:
        return ""
    if production:
        return f"{VARIABLE}: kills the shop in the middle of its work, for tests; remove it"
    return "" if _CHOSEN in POINTS else f"{VARIABLE}: write one of {', '.join(POINTS)}, or remove it"
