"""Asking a publisher's server for a feed or a page, so that nobody can point the shop at anything else.

Only the publisher's hosts are asked, at each redirect anew. A host's name is looked up once and the connection goes to that
very address, so that a name which means something else a moment later leads nowhere; addresses inside the network are refused.
An answer may be late, endless, or small and huge once unpacked: time and size have an end that the server cannot move.
"""

import re
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from shop import __version__
from shop.articles.addresses import HOST, is_publisher
from shop.config import Settings
from shop.db import now
from shop.errors import ShopError

MOST_REDIRECTS = 3
SECONDS_TO_CONNECT = 5.0
SECONDS_IN_ALL = 20.0
AT_ONCE = 64 * 1024
ADDRESS = re.compile(r"https?://[^\s\\]+")
LONGEST_ADDRESS = 2000


class NotFetched(ShopError):
    """The publisher's server gave no answer that the shop can use. The message says why; `retry_after` is in seconds, where the
    server asked for that much patience.
    """

    code = "not_fetched"
    status = 502

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: 200 with a body, or 304 without. `url` is where it came from in the end, `max_age` in seconds."""

    url: str
    status: int
    body: bytes = b""
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""
    max_age: int | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom the shop may ask: the publisher's `hosts`, any if there are none. With `neighbours` a host that is named there with
    its port may lie on this machine, as the demo's newsroom does; nothing else inside the network ever may.
    """

    hosts: tuple[str, ...]
    neighbours: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "Reach":
        return cls(settings.shop_publisher_hosts, neighbours=not settings.is_production)

    def names(self, netloc: str) -> bool:
        """Whether a host is named with its port."""
        return netloc in self.hosts


def fetch(url: str, reach: Reach, *, most_bytes: int, etag: str = "", last_modified: str = "") -> Fetched:
    """What stands at `url`, or 304 if it is what `etag` and `last_modified` came with.

    Follows at most three redirects. Raises NotFetched. Never call it inside a transaction: it takes up to 20 seconds.
    """
    asked = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    headers = {name: value for name, value in asked.items() if value} | {
        "User-Agent": f"Understory/{__version__}",
        "Accept-Encoding": "gzip",
        "Accept": "*/*",
    }
    with _deadline(SECONDS_IN_ALL) as deadline:
        for _ in range(MOST_REDIRECTS + 1):
            with deadline.failures_named():
                onwards, fetched = _ask(url, headers, reach, most_bytes, deadline)
            if fetched is not None:
                return fetched
            url = onwards
    raise NotFetched("It leads from one address to the next without end.")


class _Deadline:
    """The moment at which an exchange ends, however busily the other side goes on sending: its socket is shut down."""

    def __init__(self, seconds: float) -> None:
        self._ends = monotonic() + seconds
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def over(self) -> bool:
        return monotonic() >= self._ends

    @property
    def left(self) -> float:
        return max(self._ends - monotonic(), 0.01)

    def watch(self, connected: socket.socket | None) -> None:
        with self._lock:
            self._socket = connected
        if self.over:  # while its name was looked up, say
            self.cut()

    def cut(self) -> None:
        with self._lock:
            if self._socket is not None:
                # Not the TLS socket's own method, which would let the rest be read as if it had come in the clear.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    @contextmanager
    def failures_named(self) -> Iterator[None]:
        """What the libraries raise becomes a refusal with a reason."""
        try:
            yield
        except InvalidIPAddress as error:
            raise NotFetched("Its name leads to an address inside the network.") from error
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            if self.over or isinstance(error, requests.Timeout):
                raise NotFetched("It took too long to answer.") from error
            if isinstance(error, requests.exceptions.SSLError):
                raise NotFetched("Its certificate is not good for its name.") from error
            raise NotFetched("It could not be reached, or its answer broke off.") from error


@contextmanager
def _deadline(seconds: float) -> Iterator[_Deadline]:
    deadline = _Deadline(seconds)
    timer = threading.Timer(seconds, deadline.cut)
    timer.daemon = True
    timer.start()
    try:
        yield deadline
    finally:
        timer.cancel()


class _Adapter(IPFilterAdapter):  # type: ignore[misc]
    """Looks a name up once, refuses addresses inside the network, and connects to the one that it has looked at."""

    def __init__(self, scheme: str, deadline: _Deadline, *, neighbours: bool) -> None:
        super().__init__(is_https_proto=scheme == "https", allow_loopback=neighbours)

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                deadline.watch(self.sock)

        class Encrypted(HTTPSConnection):
            def connect(self) -> None:
                super().connect()  # whose handshake has a deadline of its own
                deadline.watch(self.sock)

        plain = type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": Plain})
        encrypted = type("EncryptedPool", (HTTPSConnectionPool,), {"ConnectionCls": Encrypted})
        self.poolmanager.pool_classes_by_scheme = {"http": plain, "https": encrypted}


def _ask(
    url: str, headers: dict[str, str], reach: Reach, most_bytes: int, deadline: _Deadline
) -> tuple[str, Fetched | None]:
    """Where to ask next, or an answer."""
    request = requests.Request("GET", _well_formed(url), headers=headers).prepare()
    # What is looked at is the address that is asked for, not the one from which it was made.
    scheme, neighbours = _allowed(str(request.url), reach)
    adapter = _Adapter(scheme, deadline, neighbours=neighbours)
    try:
        # The adapter itself: a session would read the body of a redirect, however long, and heed a proxy's variables.
        response = adapter.send(
            request, stream=True, timeout=(min(SECONDS_TO_CONNECT, deadline.left), deadline.left), verify=True
        )
        with response:
            if response.is_redirect:
                return _onwards(str(request.url), response.headers["Location"]), None
            return "", _answered(str(request.url), response, headers, most_bytes, deadline)
    finally:
        adapter.close()


def _onwards(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise NotFetched("That is no address of a page.") from error


def _well_formed(url: str) -> str:
    if len(url) > LONGEST_ADDRESS or not ADDRESS.fullmatch(url) or not url.isprintable():
        raise NotFetched("That is no address of a page.")
    return url


def _allowed(url: str, reach: Reach) -> tuple[str, bool]:
    """The scheme, and whether the host may be on this machine. Raises NotFetched for what is not the publisher's."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.username is not None or not HOST.fullmatch(host) or not is_publisher(url, reach.hosts):
        raise NotFetched("It is not on one of the publisher's hosts.")
    named = reach.names(parts.netloc)
    if not named and parts.port not in {None, {"http": 80, "https": 443}[parts.scheme]}:
        raise NotFetched("Its port is none of a web server of the publisher's.")
    return parts.scheme, named and reach.neighbours and parts.port is not None


def _answered(
    url: str, response: requests.Response, asked: dict[str, str], most_bytes: int, deadline: _Deadline
) -> Fetched:
    headers = response.headers
    if response.status_code == 304 and {"If-None-Match", "If-Modified-Since"} & asked.keys():
        body = b""
    elif response.status_code == 200:
        body = b"".join(_pieces(response, most_bytes, deadline))
    else:
        raise NotFetched(f"It answered {response.status_code}.", _patience(headers.get("Retry-After", "")))
    return Fetched(
        url=url,
        status=response.status_code,
        body=body,
        content_type=headers.get("Content-Type", ""),
        etag=_validator(headers.get("ETag", ""), 200),
        last_modified=_validator(headers.get("Last-Modified", ""), 60),
        max_age=_max_age(headers.get("Cache-Control", "")),
    )


def _pieces(response: requests.Response, most_bytes: int, deadline: _Deadline) -> Iterator[bytes]:
    """The body, unpacked. Read as it came and unpacked here: what a small packet unfolds into has no other limit."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in {"", "identity", "gzip", "x-gzip"}:
        raise NotFetched("Its answer is packed in a way that was not asked for.")
    unpacker = zlib.decompressobj(wbits=31) if "gzip" in coding else None
    received = given = 0
    while piece := response.raw.read(AT_ONCE, decode_content=False):
        received += len(piece)
        if unpacker is not None:
            piece = _unpacked(unpacker, piece, most_bytes - given + 1)
        given += len(piece)
        if max(received, given) > most_bytes:
            raise NotFetched(f"It is larger than {most_bytes // 1_000_000} MB.")
        yield piece
    if deadline.over:
        raise NotFetched("It took too long to answer.")
    if unpacker is not None and not unpacker.eof:
        raise NotFetched("It could not be reached, or its answer broke off.")


def _unpacked(unpacker: Any, piece: bytes, most: int) -> bytes:
    try:
        return bytes(unpacker.decompress(piece, most))
    except zlib.error as error:
        raise NotFetched("Its answer cannot be unpacked.") from error


def _validator(value: str, longest: int) -> str:
    """What may be sent back at the next request; a longer one would not fit its column, and half of one says nothing."""
    return value if len(value) <= longest and value.isascii() and value.isprintable() else ""


def _max_age(cache_control: str) -> int | None:
    found = re.search(r"(?:^|[\s,])max-age=\"?(\d{1,9})(?!\d)", cache_control, re.IGNORECASE)
    return int(found[1]) if found else None


def _patience(retry_after: str) -> int | None:
    """Seconds, whether the server has written seconds or a date."""
    if re.fullmatch(r"\d{1,9}", retry_after.strip()):
        return int(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError, OverflowError):
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(int((moment - now()).total_seconds()), 0)
