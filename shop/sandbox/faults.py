"""What goes wrong on demand: the next calls are refused, fail, hang, or lose their answer."""

import threading
from collections import deque

KINDS = ("429", "500", "timeout", "slow", "drop_after")
"""429 and 500: answered so, nothing done. timeout: hangs, nothing done. slow: done, but the answer waits.
drop_after: done, then the connection is closed without an answer."""


class Faults:
    """The queue of faults for the next API calls, and the calls that wait."""

    def __init__(self, hang_seconds: float) -> None:
        self._hang_seconds = hang_seconds
        self._lock = threading.Lock()
        self._next: deque[str] = deque()
        self._waiting = 0
        self._released = threading.Event()

    def plan(self, calls: int, kind: str) -> None:
        """Raises ValueError for a kind that there is not."""
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        with self._lock:
            self._next.extend([kind] * calls)

    def take(self) -> str | None:
        with self._lock:
            return self._next.popleft() if self._next else None

    def clear(self) -> None:
        with self._lock:
            self._next.clear()
        self.release()

    def wait(self) -> None:
        """Until released, or until the hanging has lasted as long as it may."""
        with self._lock:
            self._waiting += 1
            released = self._released
        released.wait(self._hang_seconds)
        with self._lock:
            self._waiting -= 1

    @property
    def waiting(self) -> int:
        """How many calls hang at this moment."""
        return self._waiting

    def release(self) -> None:
        """Lets every call go on that hangs now."""
        with self._lock:
            released, self._released = self._released, threading.Event()
        released.set()
