"""API keys: any test key opens the one account, and no live key does."""

import base64
import binascii

from shop.sandbox.refusals import unauthenticated


def authenticate(header: str | None) -> None:
    """Bearer or Basic, with a test key. Raises Refusal, 401, for anything else."""
    scheme, _, rest = (header or "").partition(" ")
    key = rest.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    elif scheme.lower() != "bearer":
        key = ""
    if not key:
        raise unauthenticated(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if key.startswith(("sk_live_", "rk_live_")):
        raise unauthenticated("This is the local Stripe: it refuses live keys. Use one that begins with sk_test_.")
    if not key.startswith(("sk_test_", "rk_test_")):
        shown = key[:8] + "*" * max(0, len(key) - 12) + key[-4:] if len(key) > 12 else "*" * len(key)
        raise unauthenticated(f"Invalid API Key provided: {shown}")
