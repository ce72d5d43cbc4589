"""A bare Flask app and the shop, each under granian with the shop's own settings, and the CPU time that they use."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from bench.floors import add_webhook

START_WITHIN = 30.0
STOP_WITHIN = 10.0
TARGETS = {"bare": "bench.servers:bare", "shop": "shop.serving:build"}


def bare() -> Flask:
    """The measure of all things: one view of one line, and one that takes in an event and does nothing about it."""
    app = Flask("bare")

    @app.get("/")
    def hello() -> str:
        return "<!doctype html><title>Bare</title><p>Hello"

    add_webhook(app)
    return app


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers on `port`; its workers are children of the process `pid`."""

    name: str
    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of user and system time that its processes have used since they began.

        Linux has a clock for the CPU time of any process (clock_getcpuclockid), exact where /proc counts hundredths.
        """
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in _family(self.pid))


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(one for child in children for one in _family(int(child)))]


@contextmanager
def running(name: str, environment: Mapping[str, str], log: Path) -> Iterator[Server]:
    """The server `name` of TARGETS on a free port of 127.0.0.1, in processes of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.servers", name, str(port)],
            env={**os.environ, **environment},
            stdout=written,
            stderr=written,
        )
        try:
            _wait(process, port, log)
            yield Server(name, port, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")


def main() -> None:
    """`python -m bench.servers NAME PORT`: serve until SIGTERM, in this process' own environment."""
    from shop.config import Settings
    from shop.serving import server_for

    name, port = sys.argv[1:]
    settings = Settings.load()
    server_for(TARGETS[name], "127.0.0.1", int(port), settings.shop_workers, settings.shop_threads).serve()


if __name__ == "__main__":
    main()
