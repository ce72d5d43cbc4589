"""The thread of a process that writes down, now and then and at the end, what has been counted in it."""

import threading
import time

from shop.db import Database
from shop.insights.counting import EVERY, Counters

TICK = 1.0  # seconds between two looks at whether the counters fill up


def keep_writing(
    counters: Counters, database: Database, *, every: float = EVERY, tick: float = TICK
) -> threading.Thread:
    """Start writing `counters` down every so many seconds until the process ends, and then once more.

    The process ends when its main thread does, however its server was asked to stop; the interpreter then waits for this
    thread. A process that is killed, or crashes, loses what it has counted since the last writing.
    """
    thread = threading.Thread(target=_run, args=(counters, database, every, tick), name="counters")
    thread.start()
    return thread


def _run(counters: Counters, database: Database, every: float, tick: float) -> None:
    main = threading.main_thread()
    written = time.monotonic()
    while main.is_alive():
        main.join(tick)
        if counters.is_filling or time.monotonic() - written >= every:
            counters.flush(database)
            written = time.monotonic()
    counters.flush(database)
