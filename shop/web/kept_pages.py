"""Pages that are the same for every reader but for a few values: rendered once for each state, then only filled in.

Nothing that a stranger writes into an address may be part of a key, so inventing addresses fills no memory.
"""

import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping

KEPT_PAGES = 512


class KeptPages:
    """The pages of one door. `slots` names the values that differ between readers. Safe between threads.

    A page is rendered with marks that nobody can guess in place of the values, and cut at the marks.
    """

    def __init__(self, *slots: str) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[str, ...]] = OrderedDict()
        mark = secrets.token_hex(12)
        self._marks = {name: f"{mark}{name}{mark}" for name in slots}
        self._cut = re.compile(f"{mark}({'|'.join(slots)}){mark}")

    def __len__(self) -> int:
        return len(self._kept)

    def page(self, key: Hashable, render: Callable[[Mapping[str, str]], str], values: Mapping[str, str]) -> str:
        """The page under `key` with `values` (HTML, one for each slot) put in; `render` makes it if it is not kept."""
        with self._lock:
            pieces = self._kept.get(key)
            if pieces is not None:
                self._kept.move_to_end(key)
        if pieces is None:
            pieces = tuple(self._cut.split(render(self._marks)))
            with self._lock:
                self._kept[key] = pieces
                while len(self._kept) > KEPT_PAGES:
                    self._kept.popitem(last=False)
        return "".join(values[piece] if index % 2 else piece for index, piece in enumerate(pieces))
