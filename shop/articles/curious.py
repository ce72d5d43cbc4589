"""Stories that readers have asked for and nobody has told of: which of them the worker is asked to look at, and how seldom."""

from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic

from shop.articles.addresses import is_publisher


class Curious:
    """A hundred addresses waiting, one handed on in a second, each once an hour, whatever strangers ask for.

    `hand_on` is called in a thread of its own, which is there only while something waits, and must not raise. No row is made
    here; what finds no room is forgotten, and asked for again by the next reader.
    """

    def __init__(
        self,
        hand_on: Callable[[str], object],
        hosts: tuple[str, ...],
        *,
        pause: float = 1.0,
        most_waiting: int = 100,
        most_remembered: int = 2000,
        forget_after: float = 3600.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._hand_on, self._hosts, self._clock = hand_on, hosts, clock
        self._pause, self._most_waiting = pause, most_waiting
        self._most_remembered, self._forget_after = most_remembered, forget_after
        self._waiting: deque[str] = deque()
        self._asked: OrderedDict[str, float] = OrderedDict()
        self._at_work = False
        self._lock = Lock()

    def wonder(self, story_url: str) -> None:
        """Have the story at a canonical address looked at some time, if it is the publisher's and there is room."""
        # Without hosts, in development, any address would be a story's.
        if not self._hosts or not is_publisher(story_url, self._hosts):
            return
        with self._lock:
            moment = self._clock()
            self._forget(moment)
            if story_url in self._asked or len(self._waiting) >= self._most_waiting:
                return
            self._waiting.append(story_url)
            self._asked[story_url] = moment
            if self._at_work:
                return
            self._at_work = True
        Thread(target=self._hand_on_all, name="curious", daemon=True).start()

    def _hand_on_all(self) -> None:
        never = Event()
        while True:
            with self._lock:
                if not self._waiting:
                    self._at_work = False
                    return
                story_url = self._waiting.popleft()
            self._hand_on(story_url)
            never.wait(self._pause)

    def _forget(self, moment: float) -> None:
        while self._asked:
            oldest, asked_at = next(iter(self._asked.items()))
            if len(self._asked) < self._most_remembered and moment - asked_at < self._forget_after:
                return
            del self._asked[oldest]
