"""How often one address may do what is costly or worth guessing. Counted in memory, or in Redis for several machines."""

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from shop.config import Settings


class ViewLimiter(Limiter):
    """Limits that views declare, and no others."""

    def _check_request_limit(self, callable_name: str | None = None, in_middleware: bool = True) -> None:
        # The library also looks before every request, for limits that hold everywhere: there are none, and looking in vain
        # costs as much as a page that is kept ready.
        if not in_middleware:
            super()._check_request_limit(callable_name, in_middleware)


limiter = ViewLimiter(get_remote_address, strategy="moving-window", headers_enabled=False)


def protect(app: Flask, settings: Settings) -> None:
    """Attach the limiter; views say their own limits with `@limiter.limit(...)`."""
    app.config["RATELIMIT_STORAGE_URI"] = settings.shop_limits_url.get_secret_value()
    app.config["RATELIMIT_SWALLOW_ERRORS"] = True
    limiter.init_app(app)
