"""Processes that live and die together: started side by side, waited for, watched, and stopped to the last one.

Each child leads a process group of its own. Ctrl-C in a terminal therefore reaches the parent alone, which asks every
child to stop in its own good order; a group that has not gone after a grace is killed, grandchildren included.
"""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from shop.errors import ShopError
from shop.stopping import PARENT

POLL = 0.05
GRACE = 10.0


class CannotRun(ShopError):
    """Something on this machine keeps a command from running. The message says what, and what to do about it."""

    code = "cannot_run"


class Stopped(Exception):  # it is no error
    """Somebody asked to stop while the processes were still starting."""


@dataclass(frozen=True)
class Part:
    """One process. `answers_at` is an address that answers once it serves; empty when it says so itself (`tell_ready`)."""

    name: str
    command: Sequence[str]
    answers_at: str = ""


def shop_command(*words: str) -> list[str]:
    """The command line that runs `shop WORDS` with this very Python."""
    return [sys.executable, "-P", "-m", "shop", *words]  # -P: whatever lies in the present folder is not meant


def require_free_port(host: str, port: int, variable: str) -> None:
    """Raise CannotRun when something listens on `port` already, naming the variable to change."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still fading counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise CannotRun(f"port {port} needs more rights than you have: set {variable} to one above 1023") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotRun(f"port {port} is in use: set {variable} to another one") from None
            raise CannotRun(f"{host} cannot be listened on: {error.strerror}; see SHOP_HOST") from None


def tell_ready() -> None:
    """Tell whoever started this process that it does its work now, by systemd's own protocol (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect("\0" + address[1:] if address.startswith("@") else address)
            notify.sendall(b"READY=1")


@dataclass
class _Child:
    part: Part
    process: "subprocess.Popen[bytes]"
    ready: socket.socket


@dataclass
class Household:
    """The parts that run together. Use it as a context manager: whatever happens inside, nothing is left running."""

    parts: Sequence[Part]
    asked: threading.Event
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    grace: float = GRACE
    _children: list[_Child] = field(default_factory=list)

    def __enter__(self) -> "Household":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, timeout: float = 60.0) -> None:
        """Start every part and wait until each of them works.

        Raises CannotRun naming the part that ended or took longer than `timeout` seconds, Stopped when that was asked for.
        """
        for part in self.parts:
            self._children.append(self._spawn(part))
        deadline = time.monotonic() + timeout
        waiting = list(self._children)
        while waiting:
            if self.asked.is_set():
                raise Stopped
            ended = self.ended()
            if ended:
                raise CannotRun(f"{ended[0]} did not start: {ended[1]}")
            if time.monotonic() > deadline:
                names = ", ".join(child.part.name for child in waiting)
                raise CannotRun(f"{names} did not answer within {timeout:.0f} seconds")
            waiting = [child for child in waiting if not _works(child)]
            if waiting:
                self.asked.wait(POLL)

    def _spawn(self, part: Part) -> _Child:
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.bind("")  # Linux picks a free abstract name, which no file outlives
        ready.setblocking(False)
        address = ready.getsockname()
        told = {"NOTIFY_SOCKET": "@" + address[1:].decode(), PARENT: str(os.getpid())}
        process = subprocess.Popen(  # noqa: S603  our own command line
            part.command, env={**self.environment, **told}, stdin=subprocess.DEVNULL, start_new_session=True
        )
        return _Child(part, process, ready)

    def ended(self) -> tuple[str, str] | None:
        """The first part that is no longer running and how it ended, or None while all run."""
        for child in self._children:
            status = child.process.poll()
            if status is not None:
                how = f"stopped by signal {-status}" if status < 0 else f"exit status {status}"
                return child.part.name, how
        return None

    def watch(self) -> None:
        """Return when asked to stop. Raises CannotRun when a part ends by itself; leaving the block stops the others."""
        while not self.asked.wait(POLL * 4):
            ended = self.ended()
            if ended:
                raise CannotRun(f"{ended[0]} ended ({ended[1]}), so the others were stopped")

    def stop(self) -> None:
        """Ask every part to stop, wait, and kill what has not gone after the grace."""
        for child in self._children:
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + self.grace
        for child in self._children:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(deadline - time.monotonic(), 0))
            # The group outlives its leader when a grandchild did not hear it.
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
            child.ready.close()
        self._children.clear()


def _works(child: _Child) -> bool:
    if not child.part.answers_at:
        try:
            return b"READY=1" in child.ready.recv(4096)
        except BlockingIOError:
            return False
    try:
        # Our own address, on this machine, whatever proxy the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(child.part.answers_at, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
