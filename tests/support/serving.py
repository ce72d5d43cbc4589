"""A WSGI app answering over real HTTP for as long as a test needs it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
        pass


@contextmanager
def serving(app: Any = None) -> Iterator["Served"]:
    """`app` on a free port of 127.0.0.1. The app may be set later, once the port is known."""
    served = Served(app)
    server = ThreadedWSGIServer("127.0.0.1", 0, served, handler=_Quiet)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        served.wait_until_idle()


class Served:
    """An app, its address, and how many requests it is working on."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.url = ""
        self._busy = 0
        self._changed = threading.Condition()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._changed:
            self._busy += 1
        try:
            # Read to the end here: the request's session is closed with its answer.
            answer = self.app(environ, start_response)
            with closing(answer) if hasattr(answer, "close") else nullcontext():
                return list(answer)
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def wait_until_idle(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._busy == 0, timeout=10)


def eventually(condition: Callable[[], Any], within: float = 15.0) -> Any:
    """Wait until `condition` is true and return what it said; fail after `within` seconds."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while True:
        said = condition()
        if said:
            return said
        if time.monotonic() > deadline:
            raise AssertionError(f"did not become true within {within} s: {condition}")
        pause.wait(0.02)
