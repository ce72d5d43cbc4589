"""Puts the house together, and does nothing else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from shop.articles.curious import Curious
from shop.articles.placement import PlacementSigner
from shop.config import Settings
from shop.db import Database, engine_options, prepare
from shop.payments.gateway import Gateway
from shop.schema import resource_folder
from shop.tasks import asking_worker
from shop.web import (
    admin,
    csrf,
    embed,
    errors,
    headers,
    health,
    limits,
    naming,
    pages,
    sessions,
    sizes,
    storefront,
    webhooks,
)
from shop.web.assets import OTHERWISE, STATIC, is_current
from shop.web.embed.keeping import KEPT_PATHS
from shop.web.house import House, db
from shop.web.kept_answers import KeptAnswers, Pulse


class Shop(Flask):
    """Flask, but for two things that it cannot know of this app."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """It would ask on every call whether a view or a hook is a coroutine: none of ours is."""
        return func

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """A file of another release is not kept for ever under this one's address: processes of both answer for a while."""
        if request.endpoint == "static" and not is_current(filename or "", request.args.get("v")):
            return OTHERWISE
        return super().get_send_file_max_age(filename)


def create_app(settings: Settings, gateway: Gateway | None = None) -> Flask:
    """The shop as a WSGI app. `gateway` replaces the one that the settings describe (other time-outs in tests)."""
    app = Shop("shop", template_folder=str(resource_folder("templates")), static_folder=str(STATIC))
    app.config.update(_flask_config(settings))
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.json.sort_keys = False  # type: ignore[attr-defined]

    db.init_app(app)
    with app.app_context():
        database = Database(prepare(db.engine))
    app.extensions["understory"] = House(
        settings=settings,
        database=database,
        gateway=gateway or Gateway(settings),
        placements=PlacementSigner(settings.secret_keys, settings.shop_publisher_hosts),
        curious=Curious(asking_worker(settings), settings.shop_publisher_hosts),
    )

    sessions.keep(app)
    naming.register(app)
    headers.protect(app, settings)
    sizes.protect(app)
    csrf.protect(app)
    limits.protect(app, settings)
    errors.register(app)
    pages.register(app, settings)
    health.register(app)
    for door in (storefront, embed, admin, webhooks):
        door.register(app)
    pulse = app.extensions["understory.pulse"] = Pulse(database.engine)
    app.wsgi_app = KeptAnswers(app.wsgi_app, pulse, KEPT_PATHS)  # type: ignore[method-assign]
    if settings.shop_proxies:
        hops = settings.shop_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def _flask_config(settings: Settings) -> dict[str, object]:
    secure = settings.is_https
    return {
        "SECRET_KEY": settings.secret_keys[0],
        "SECRET_KEY_FALLBACKS": list(settings.secret_keys[1:]),
        "SQLALCHEMY_ENGINES": {"default": engine_options(settings.database_url)},
        # __Host- cookies exist over https only: bound to this very host, path / and no other.
        "SESSION_COOKIE_NAME": "__Host-session" if secure else "session",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": "/",
        # What forms are checked with lies in the session, which is signed when it begins: one that ended sooner would end
        # under a reader's open page. A form's own time is WTF_CSRF_TIME_LIMIT, a login's is in shop.web.admin.gate.
        "PERMANENT_SESSION_LIFETIME": timedelta(days=365),
        "SEND_FILE_MAX_AGE_DEFAULT": timedelta(days=365),
        "MAX_CONTENT_LENGTH": 64 * 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 1024 * 1024,
        "MAX_FORM_PARTS": 2000,
        "WTF_CSRF_TIME_LIMIT": 12 * 3600,
        "WTF_CSRF_SSL_STRICT": False,
        "PROPAGATE_EXCEPTIONS": False,
    }
