"""Answers that are the same for every reader, given without asking Flask or the database again.

Under a story that everybody reads, every process is asked for the same few frames over and over. A view says that its answer
may be kept (`shop.web.embed.keeping.keep`); from then on it is given from memory, until the clocks of the catalogue and of the
stories say that something has changed, or its time is over. Nothing of a reader is in it: no cookie is read or set, and an
answer that tries is not kept.
"""

import gzip
import hashlib
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.http import is_resource_modified, parse_accept_header

from shop.catalog.models import CatalogueClock
from shop.db import now

log = structlog.get_logger(__name__)

KEPT = "understory.kept"
# Seconds between two looks at the clocks: how long a process may not know of a change.
LOOK_EVERY = 1.0
# Seconds after which an answer is made anew though no clock has moved: the stock that it tells of has none, and what is sold
# out shall be seen as soon as what was taken away.
LONGEST = 2.0
MOST_ANSWERS = 1024
MOST_BYTES = 32 * 1024 * 1024
# An address is kept once it was asked for twice, so that invented ones push nothing out.
REMEMBERED_ONCE = 8192
LONGEST_ADDRESS = 4096
# What belongs to one request, or to the server.
NOT_KEPT = frozenset({"x-request-id", "date", "content-length", "connection"})
_CLOCKS = select(CatalogueClock.version, CatalogueClock.stories)

Told = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a view says of its answer: when it ends by itself, and what is counted each time that it is given."""

    until: datetime | None = None
    told: Told | None = None


class Pulse:
    """The clocks of the catalogue and of the stories, read at most once in LOOK_EVERY seconds. Safe between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._read: tuple[int, int] | None = None
        self._due = 0.0

    def read(self) -> tuple[int, int] | None:
        """The clocks as they were at most LOOK_EVERY seconds ago; None while the database cannot say.

        One statement, by one thread at a time: the others go on with what was read last.
        """
        if time.monotonic() < self._due or not self._lock.acquire(blocking=self._read is None):
            return self._read
        try:
            if time.monotonic() >= self._due:
                self._read = self._ask()
                self._due = time.monotonic() + LOOK_EVERY
        finally:
            self._lock.release()
        return self._read

    def look_again(self) -> None:
        """Read them anew the next time: for who has just changed something and wants to see it."""
        self._due = 0.0

    def _ask(self) -> tuple[int, int] | None:
        try:
            with self._engine.connect() as connection:
                row = connection.execute(_CLOCKS).one_or_none()
        except SQLAlchemyError as error:
            log.warning("clocks_unread", error=type(error).__name__)
            return None
        return (row[0], row[1]) if row is not None else None


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer as it is given: plain and packed, each with a strong tag of its own."""

    status: str
    headers: tuple[tuple[str, str], ...]
    plain: bytes
    packed: bytes
    tag: str
    clocks: tuple[int, int]
    until: float
    told: Told | None

    @property
    def size(self) -> int:
        return len(self.plain) + len(self.packed) + 2048

    def give(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Send it in the form that the browser takes, or 304 if it has it."""
        if self.told is not None:
            self.told()
        packs = "gzip" in (accepted := environ.get("HTTP_ACCEPT_ENCODING", "")) and _takes_gzip(accepted)
        tag = f'"{self.tag}-gzip"' if packs else f'"{self.tag}"'
        headers = [*self.headers, ("ETag", tag)]
        if "HTTP_IF_NONE_MATCH" in environ and not is_resource_modified(environ, etag=tag[1:-1]):
            start_response("304 Not Modified", [pair for pair in headers if pair[0] != "Content-Type"])
            return []
        body = self.packed if packs else self.plain
        headers.append(("Content-Length", str(len(body))))
        if packs:
            headers.append(("Content-Encoding", "gzip"))
        start_response(self.status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _write_nothing(data: bytes) -> object:
    """WSGI's old way to answer, which no view of ours uses."""
    raise NotImplementedError


def _takes_gzip(accepted: str) -> bool:
    return accepted == "gzip" or parse_accept_header(accepted).quality("gzip") > 0


class KeptAnswers:
    """The app behind, and what it has said that may be said again. Safe between threads."""

    def __init__(self, app: WSGIApplication, pulse: Pulse, paths: Iterable[str]) -> None:
        self._app = app
        self._pulse = pulse
        self._paths = frozenset(paths)
        self._lock = threading.Lock()
        # In the order in which they were made: each is made anew after LONGEST, so those that are asked for stay.
        self._kept: OrderedDict[tuple[str, str], _Answer] = OrderedDict()
        self._bytes = 0
        self._once: OrderedDict[int, None] = OrderedDict()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path not in self._paths or environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return self._app(environ, start_response)
        key = (path, environ.get("QUERY_STRING", ""))
        clocks = self._pulse.read()
        kept = self._kept.get(key)
        if kept is not None and kept.clocks == clocks and time.monotonic() < kept.until:
            return kept.give(environ, start_response)
        return self._ask(key, clocks, environ, start_response)

    def _ask(
        self,
        key: tuple[str, str],
        clocks: tuple[int, int] | None,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """What the app says; kept if it may be."""
        method = environ["REQUEST_METHOD"]
        said: list[Any] = []

        def hear(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            said[:] = [status, headers, exc_info]
            return _write_nothing

        # The app answers in full, whatever this reader has or takes: the form is chosen from what is kept.
        asked = environ | {"REQUEST_METHOD": "GET"}
        for name in ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE", "HTTP_COOKIE"):
            asked.pop(name, None)
        chunks = self._app(asked, hear)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        status, headers, exc_info = said
        keeping = asked.get(KEPT)
        if keeping is not None and _is_a_readers_own(headers):
            log.error("answer_not_kept", path=key[0], reason="it has to do with a cookie")
            keeping = None
        if keeping is None:
            start_response(status, headers, exc_info)
            return [] if method == "HEAD" else [body]
        answer = _Answer(
            status,
            (*((name, value) for name, value in headers if name.lower() not in NOT_KEPT), ("Vary", "Accept-Encoding")),
            body,
            gzip.compress(body, 6, mtime=0),
            hashlib.sha256(body).hexdigest()[:24],
            clocks or (0, 0),
            time.monotonic() + _lasts(keeping.until),
            keeping.told,
        )
        if clocks is not None and self._asked_before(key):
            self._keep(key, answer)
        return answer.give(environ, start_response)

    def _asked_before(self, key: tuple[str, str]) -> bool:
        if len(key[1]) > LONGEST_ADDRESS:
            return False
        name = hash(key)
        with self._lock:
            if name in self._once:
                return True
            self._once[name] = None
            while len(self._once) > REMEMBERED_ONCE:
                self._once.popitem(last=False)
        return False

    def _keep(self, key: tuple[str, str], answer: _Answer) -> None:
        key = (sys.intern(key[0]), key[1])
        with self._lock:
            older = self._kept.pop(key, None)
            self._bytes += answer.size - (older.size if older else 0)
            self._kept[key] = answer
            while len(self._kept) > MOST_ANSWERS or self._bytes > MOST_BYTES:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= gone.size

    def __len__(self) -> int:
        return len(self._kept)


def _is_a_readers_own(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether an answer sets a cookie, or was made with a look at one."""
    return any(
        name.lower() == "set-cookie" or (name.lower() == "vary" and "cookie" in value.lower())
        for name, value in headers
    )


def _lasts(until: datetime | None) -> float:
    """Seconds for which an answer may be given that ends at `until` by itself."""
    return LONGEST if until is None else max(0.0, min(LONGEST, (until - now()).total_seconds()))
