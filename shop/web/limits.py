"""How often one address may do what is costly or worth guessing. Counted in memory, or in Redis for several machines."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from redis.backoff import NoBackoff
from redis.retry import Retry

from shop.config import Settings

# Seconds that a reader waits for a Redis that does not answer; then nothing is counted. Its client would wait for ever.
PATIENCE = 0.5


class ViewLimiter(Limiter):
    """Limits that views declare, and no others."""

    def init_app(self, app: Flask) -> None:
        """Attach it to `app`."""
        hooks: list[list[Any]] = [
            of_app[None] for of_app in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
        ]
        ours = [list(called) for called in hooks]
        super().init_app(app)
        # The library's own hooks are for limits that hold everywhere, for headers that tell of them and for counting by the
        # answer. Nothing of that is used, and looking for it in vain on every request costs as much as finding a page.
        for called, before in zip(hooks, ours, strict=True):
            called[:] = before


def counted_as() -> str:
    """What stands for a reader in the counts: their address, and of IPv6 the network, for there everybody has 2**64 of them."""
    given = get_remote_address()
    try:
        address = ip_address(given)
    except ValueError:
        return given
    if not isinstance(address, IPv6Address):
        return given
    return str(address.ipv4_mapped or ip_network((address.packed, 64), strict=False))


limiter = ViewLimiter(counted_as, strategy="moving-window", headers_enabled=False)


def protect(app: Flask, settings: Settings) -> None:
    """Attach the limiter; views say their own limits with `@limiter.limit(...)`."""
    app.config["RATELIMIT_STORAGE_URI"] = settings.shop_limits_url.get_secret_value()
    app.config["RATELIMIT_SWALLOW_ERRORS"] = True
    if settings.shop_limits_url.get_secret_value() != "memory://":
        app.config["RATELIMIT_STORAGE_OPTIONS"] = {
            "socket_connect_timeout": PATIENCE,
            "socket_timeout": PATIENCE,
            "retry": Retry(NoBackoff(), 0),
        }
    limiter.init_app(app)
