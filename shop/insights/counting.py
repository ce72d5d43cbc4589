"""Counters: how often each step was taken, gathered in this process' memory and written now and then in a few statements.

Sums without a person in them. Memory is bounded whatever strangers send: when too many different things have been counted, what
comes beyond is counted without its story. A process that crashes loses what it has counted since it last wrote, `EVERY` seconds.
"""

import hashlib
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shop.db import Database, now
from shop.insights.writing import write

log = structlog.get_logger(__name__)

EVERY = 10.0  # seconds between two writings, at most
# Different things (step, story, product, placement) that one process keeps apart between two writings.
MOST_KEYS = 5_000
# Views of which it is remembered that they were counted, twice over: about half a minute of a busy evening.
MOST_VIEWS = 20_000


class Counted(NamedTuple):
    """What a step was taken of: under which story, of which product, put there by which tie-in, in which slot and layout.

    Who has no id at hand gives the story's canonical address or the product's slug: they are looked up when the counts are
    written. A story that the shop does not know counts as none; of a product that there is not, nothing counts.
    """

    article_id: int | None = None
    product_id: int | None = None
    tie_in_id: int | None = None
    slot: str = ""
    layout: str = ""
    story: str = ""
    product: str = ""

    @property
    def key(self) -> str:
        """All of it as one text, once the ids are known."""
        return f"{self.article_id or 0}:{self.product_id or 0}:{self.tie_in_id or 0}:{self.slot}:{self.layout}"

    def folded(self) -> "Counted":
        """The same without what there is too much of."""
        return Counted(layout=self.layout)


class Counters:
    """One for each process. Safe between threads. Days are those of `zone`."""

    def __init__(self, zone: ZoneInfo | None = None) -> None:
        self._zone = zone or ZoneInfo("UTC")
        self._lock = threading.Lock()
        self._counts: Counter[tuple[date, str, Counted]] = Counter()
        self._views: set[bytes] = set()
        self._earlier_views: set[bytes] = set()
        self._today = date.min
        self._tomorrow = datetime.min.replace(tzinfo=UTC)

    def count(self, step: str, what: Counted, times: int = 1, *, view: str = "") -> None:
        """Count that `step` was taken `times` times. The same step of the same `view`, if it has a name, counts once.

        Touches memory alone. Never raises for what strangers send.
        """
        moment = now()
        with self._lock:
            if view and self._is_known(step, view):
                return
            if moment >= self._tomorrow:
                self._begin_day(moment)
            self._add((self._today, step, what), times)

    @property
    def is_filling(self) -> bool:
        """Whether it is time to write, before things can no longer be kept apart."""
        return len(self._counts) > MOST_KEYS // 2

    def flush(self, database: Database) -> int:
        """Write what has been counted, and forget it. Returns how many statements that took. Owns one transaction.

        What cannot be written is kept for the next time, within the bounds of memory.
        """
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return 0
        try:
            with database.transaction() as session:
                return write(session, counts)
        except SQLAlchemyError as error:
            log.warning("counts_postponed", error=type(error).__name__, keys=len(counts))
            self._take_back(counts)
            return 0

    def _take_back(self, counts: Counter[tuple[date, str, Counted]]) -> None:
        with self._lock:
            for key, times in counts.items():
                self._add(key, times)

    def _add(self, key: tuple[date, str, Counted], times: int) -> None:
        if key not in self._counts and len(self._counts) >= MOST_KEYS:
            day, step, what = key
            key = (day, step, what.folded())
        self._counts[key] += times

    def _begin_day(self, moment: datetime) -> None:
        self._today = moment.astimezone(self._zone).date()
        midnight = datetime.combine(self._today + timedelta(days=1), datetime.min.time(), self._zone)
        self._tomorrow = midnight

    def _is_known(self, step: str, view: str) -> bool:
        # As a digest: what strangers send is not kept, and takes the same room however long it is.
        named = hashlib.blake2b(f"{step} {view}".encode(), digest_size=12).digest()
        if named in self._views or named in self._earlier_views:
            return True
        if len(self._views) >= MOST_VIEWS:
            self._earlier_views, self._views = self._views, set()
        self._views.add(named)
        return False
