"""How a process of the shop learns that it is to end: by a signal, or because the process that started it is gone."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

PARENT = "SHOP_PARENT_PID"
AGAIN = 0.5  # seconds


@contextmanager
def stop_asked() -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM and SIGHUP set, for as long as the block lasts. To be used in the main thread."""
    asked = threading.Event()
    with _heard_by(lambda *_: asked.set()):
        yield asked


@contextmanager
def stop_raises(error: type[Exception]) -> Iterator[None]:
    """Raise `error` inside the block when SIGINT, SIGTERM or SIGHUP comes: for long work that looks at no event."""

    def stop(*_: Any) -> NoReturn:
        raise error

    with _heard_by(stop):
        yield


@contextmanager
def _heard_by(handler: Callable[..., Any]) -> Iterator[None]:
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.signal(number, handler) for number in wanted}
    try:
        yield
    finally:
        for number, earlier in former.items():
            signal.signal(number, earlier)


@contextmanager
def out_of_earshot() -> Iterator[None]:
    """Let processes that start inside the block never hear Ctrl-C: whoever started them does, and tells them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow_parent() -> None:
    """Make this process stop when the one that started it is gone, however it went.

    A household names itself in the environment; a process that multiprocessing made knows its parent. Linux only: elsewhere
    a parent that is killed outright leaves its children. Exits at once when the parent has gone already.
    """
    named = os.environ.pop(PARENT, "")
    made_by = multiprocessing.parent_process()
    parent = made_by.pid if made_by else int(named or 0)
    if not parent or not sys.platform.startswith("linux"):
        return
    import ctypes  # noqa: PLC0415  a child's business only

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it went before the line above
        raise SystemExit(0)


def heed_aside(*numbers: signal.Signals) -> None:
    """Let a thread of its own take these signals and run their handlers there. To be called in the main thread.

    Granian's handlers set a threading.Event for which the main thread waits. Python runs handlers in the main thread, and
    one that comes while that thread holds the event's own lock waits for itself, forever. Processes forked from here on
    begin with these signals held back, so that none is lost before they have handlers of their own.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    threading.Thread(target=_heed, args=numbers, name="signals", daemon=True).start()


def _heed(*numbers: signal.Signals) -> None:
    number = signal.sigwait(numbers)
    # Said again for as long as the process is there: it may have heard it before it was ready to listen.
    while True:
        handler = signal.getsignal(number)
        if not callable(handler):
            os._exit(0)  # nobody is served yet
        handler(number, None)
        threading.Event().wait(AGAIN)
