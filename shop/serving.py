"""The servers: the shop under granian, the demo newsroom under the same, and the queue's worker.

Granian's main process holds the socket and minds the workers; each worker process builds its own app once, from the
environment that the main process has checked before.
"""

import gc
import logging
import multiprocessing
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog
from flask import Flask
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer

from shop import __version__, logs
from shop.config import Settings, public_settings
from shop.processes import Household, Part, Stopped, require_free_port, shop_command
from shop.stopping import follow_parent, heed_aside, stop_asked

log = structlog.get_logger(__name__)

# Longer than the slowest answer that a request waits for: Stripe's time-outs with retries.
KILL_AFTER = 45


def build() -> Flask:
    """The shop, as a server's worker process builds it."""
    from shop.app import create_app  # noqa: PLC0415  the main process never needs these
    from shop.insights.keeping import keep_writing  # noqa: PLC0415

    app = create_app(_settled())
    keep_writing(app.extensions["understory"].counters, app.extensions["understory"].database)
    # What the app is made of stays for as long as the process; the collector need not look through it over and over.
    gc.collect()
    gc.freeze()
    return app


def build_newsroom() -> Flask:
    """The demo newsroom, told where the shop is and where its mail lies while it has no mail server."""
    from shop.demo.newsroom import NewsroomSettings, create_newsroom  # noqa: PLC0415

    settings = _settled()
    kind, _, folder = settings.mail_url.partition(":")
    return create_newsroom(
        NewsroomSettings(
            public_url=f"http://{settings.shop_host}:{settings.newsroom_port}",
            shop_url=settings.shop_url,
            mail_folder=Path(folder) if kind == "folder" else None,
        )
    )


def _settled() -> Settings:
    if multiprocessing.parent_process():
        follow_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the fork brought its parent's handler along
        heed_aside(signal.SIGTERM)
    settings = Settings.load()
    logs.set_up(settings.shop_log_level, settings.shop_log_format)
    return settings


def serve(settings: Settings) -> None:
    """Serve the shop until SIGTERM or SIGINT; requests under way are answered first.

    Raises CannotRun for a port in use. That the database is there and migrated is for the caller to see to.
    """
    require_free_port(settings.shop_host, settings.shop_port, "SHOP_PORT")
    log.info("serving", version=__version__, **public_settings(settings))
    _run(
        server_for(
            "shop.serving:build", settings.shop_host, settings.shop_port, settings.shop_workers, settings.shop_threads
        )
    )


def serve_newsroom(settings: Settings) -> None:
    """Serve the demo newsroom until SIGTERM or SIGINT. Raises CannotRun for a port in use."""
    require_free_port(settings.shop_host, settings.newsroom_port, "NEWSROOM_PORT")
    _run(server_for("shop.serving:build_newsroom", settings.shop_host, settings.newsroom_port, workers=1, threads=4))


def _run(server: MPServer) -> None:
    try:
        server.serve()
    except SystemExit:
        # Asked to stop together with its workers, as systemd asks: one that ended first is no failure then.
        if not server.interrupt_signal:
            raise


def serve_with_worker(settings: Settings) -> None:
    """Serve the shop with the queue's worker beside it, in a process of its own; when one of them ends, so does the other."""
    require_free_port(settings.shop_host, settings.shop_port, "SHOP_PORT")
    parts = (
        Part("storefront", shop_command("serve"), answers_at=local_address(settings.shop_host, settings.shop_port)),
        Part("worker", shop_command("worker")),
    )
    with stop_asked() as asked, suppress(Stopped), Household(parts, asked, grace=KILL_AFTER + 5) as household:
        household.start()
        household.watch()


def local_address(host: str, port: int) -> str:
    """Where a server that listens on `host` answers its own machine."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{reached}:{port}/healthz"


def server_for(target: str, host: str, port: int, workers: int, threads: int) -> MPServer:
    """A server of the app that the factory `target` builds, not yet serving; the benchmark measures under the same."""
    server = MPServer(
        target,
        factory=True,
        interface=Interfaces.WSGI,
        address=host,
        port=port,
        workers=workers,
        blocking_threads=threads,
        websockets=False,
        log_access=False,
        log_level=LogLevels.warning,
        log_dictconfig={
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"worth_saying": {"()": _worth_saying}},
            "loggers": {"_granian": {"filters": ["worth_saying"], "propagate": True}},  # into our own log
        },
        # A worker that crashes is replaced; one that crashes again at once ends the server.
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_AFTER,
    )
    # The workers inherit what is held back here: Ctrl-C in a terminal reaches the main process alone, which then asks them.
    server.on_startup(lambda: heed_aside(signal.SIGTERM, signal.SIGINT))
    return server


def _worth_saying() -> Callable[[logging.LogRecord], bool]:
    """Lets through what granian says, but for its doubts about more threads than cores: ours wait for Stripe and the disk."""
    return lambda record: not record.getMessage().startswith("Configuration allows spawning up to")
