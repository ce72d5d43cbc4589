"""The load: a process of its own that sends requests over kept-open connections and holds every answer to its status.

Each connection comes from another address of this machine (127.0.0.0/8) and is replaced after a few requests, so that the
shop's limit for one address is counted, as it is for real visitors, but never reached.
"""

import http.client
import itertools
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

# The shop allows 60 a minute to one address.
REQUESTS_A_CONNECTION = 50
TIME_OUT = 20.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, and the status that its answer must have."""

    method: str
    path: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


class Wrong(RuntimeError):
    """An answer that is not the one that was to be measured."""


class Load:
    """The process that sends."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.shutdown(cancel_futures=True)

    def send(self, port: int, asks: Sequence[Ask]) -> None:
        """Send each of `asks` once and return when all are answered. Raises Wrong for an unexpected answer."""
        shares = [asks[start :: self._connections] for start in range(self._connections)]
        self._process.submit(_send_all, port, shares).result()


# In the sending process: never the same address twice within one run.
_addresses = itertools.count(2)


def _send_all(port: int, shares: Sequence[Sequence[Ask]]) -> None:
    with ThreadPoolExecutor(len(shares)) as senders:
        for _ in senders.map(lambda share: _send(port, share), shares):
            pass


def _send(port: int, asks: Sequence[Ask]) -> None:
    for start in range(0, len(asks), REQUESTS_A_CONNECTION):
        number = next(_addresses)
        source = f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIME_OUT, source_address=(source, 0))
        for ask in asks[start : start + REQUESTS_A_CONNECTION]:
            connection.request(ask.method, ask.path, ask.body, ask.headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != ask.status:
                raise Wrong(f"{ask.method} {ask.path}: {answer.status} instead of {ask.status}: {body[:400]!r}")
        connection.close()
