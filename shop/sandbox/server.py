"""The local Stripe as a server: `serve` for the command line, `running` inside a test."""

import logging
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from shop.sandbox.account import Account
from shop.sandbox.app import create_sandbox
from shop.sandbox.control import Control
from shop.sandbox.settings import SandboxSettings, is_loopback

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunningSandbox:
    """A local Stripe that answers at `url`."""

    url: str
    app: Flask
    control: Control


def serve(settings: SandboxSettings, host: str = "127.0.0.1", port: int = 4243, threads: int = 8) -> None:
    """Serves until SIGTERM or SIGINT, then ends its threads and returns. To be called in the main thread.

    At most `threads` requests are worked on at once. Raises ValueError for a host that others could reach, for
    whoever reaches the controls can pay any order; OSError when the port is in use.
    """
    if not is_loopback(host):
        raise ValueError(f"the local Stripe listens on loopback only (127.0.0.1, ::1 or localhost), not on {host}")
    account = Account(settings)
    try:
        requests = _Bounded(create_sandbox(settings, account), threads)
        server = _server(requests, host, port)
    except BaseException:
        account.store.close()
        raise
    stopped = threading.Event()
    former = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox-server")
    try:
        account.start()
        serving.start()
        stopped.wait()
    finally:
        _stop(server, serving, requests, account)
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def running(make_settings: Callable[[str], SandboxSettings] | None = None, **settings: Any) -> Iterator[RunningSandbox]:
    """A local Stripe on a free port of this process, for as long as the block lasts.

    `make_settings` is given the address and returns the settings; or give single settings by name, such as
    `webhook_url=..., webhook_secret=...`. Without a `database` a temporary one is used.
    """
    with TemporaryDirectory(prefix="sandbox-") as folder:
        requests = _Bounded(None, 32)
        server = _server(requests, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            if make_settings is None:
                chosen = SandboxSettings(**{"database": Path(folder) / "stripe.db", "public_url": url, **settings})
            else:
                chosen = replace(make_settings(url), **settings)
            account = Account(chosen)
        except BaseException:
            server.server_close()
            raise
        app = requests.app = create_sandbox(chosen, account)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="sandbox-server")
        account.start()
        serving.start()
        try:
            yield RunningSandbox(url, app, Control(account))
        finally:
            _stop(server, serving, requests, account)


class _Bounded:
    """A WSGI app of which only so many requests run at once, and whose last request can be waited for."""

    def __init__(self, app: Flask | None, threads: int) -> None:
        self.app = app
        self._threads = threads
        self._free = threads
        self._changed = threading.Condition()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0)
            self._free -= 1
        try:
            assert self.app is not None
            return self.app(environ, start_response)
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def wait_until_idle(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._free == self._threads, timeout=10)


class _Handler(WSGIRequestHandler):
    """Says nothing of its own: the app logs what was asked, without what was sent."""

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        # Nothing was sent that said so, and http.server would wait for a next request.
        self.close_connection = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        log.debug(message, *args)


def _server(requests: _Bounded, host: str, port: int) -> ThreadedWSGIServer:
    server = ThreadedWSGIServer(host, port, requests, handler=_Handler)
    # A browser opens connections that it may never use; waiting for those would make stopping hang.
    server.daemon_threads = True
    return server


def _stop(server: ThreadedWSGIServer, serving: threading.Thread, requests: _Bounded, account: Account) -> None:
    account.faults.stop()
    if serving.ident is not None:
        server.shutdown()
        serving.join()
    server.server_close()
    requests.wait_until_idle()
    account.close()
