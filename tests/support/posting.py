"""Stripe's webhook as a test posts it: signed as Stripe signs."""

import time

import requests
import stripe

from tests.conftest import TEST_WEBHOOK_SECRET, Shop


def post(shop: Shop, body: bytes, secret: str = TEST_WEBHOOK_SECRET, at: int | None = None) -> requests.Response:
    """Hand `body` in at the shop's door, signed with `secret` at the moment `at` (Unix seconds; now)."""
    stamp = int(time.time()) if at is None else at
    mac = stripe.WebhookSignature._compute_signature(f"{stamp}.{body.decode('latin-1')}", secret)
    return requests.post(
        f"{shop.url}/webhooks/stripe", data=body, headers={"Stripe-Signature": f"t={stamp},v1={mac}"}, timeout=30
    )
