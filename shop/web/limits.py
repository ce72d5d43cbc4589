"""How often one address may do what is costly or worth guessing. Counted in memory, or in Redis for several machines."""

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from shop.config import Settings

limiter = Limiter(get_remote_address, strategy="moving-window", headers_enabled=False)


def protect(app: Flask, settings: Settings) -> None:
    """Attach the limiter; views say their own limits with `@limiter.limit(...)`."""
    app.config["RATELIMIT_STORAGE_URI"] = settings.shop_limits_url.get_secret_value()
    app.config["RATELIMIT_SWALLOW_ERRORS"] = True
    limiter.init_app(app)
