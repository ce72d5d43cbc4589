"""Faults by choice: which of the next calls and deliveries go wrong, as planned or as drawn under a seed.

Plans are part of the store, so that a restart forgets none. A draw depends on the seed, on what it is drawn for, and on how
many of the same came before, and on nothing else: the same seed gives the third refund the same fault on each run, whatever
happened in between.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from shop.sandbox.store import Store, Transaction

KINDS = ("429", "500", "500_stored", "timeout", "slow", "drop_after")
"""Of calls. 429 and 500: answered so, nothing done. 500_stored: the same, and the answer belongs to the idempotency key.
timeout: hangs, nothing done. slow: done, but the answer waits. drop_after: done, then the connection is closed without an
answer."""
DELIVERY_KINDS = (
    "duplicate",
    "reorder",
    "delay",
    "drop",
    "bad_signature",
    "stale_timestamp",
    "deliver_before_answer",
)
"""Of deliveries. duplicate: sent twice at once. reorder: sent after the next one. delay: sent late. drop: never sent. For
bad_signature and stale_timestamp the first attempt is signed with another secret or long ago, and the next rightly.
deliver_before_answer: sent before the call that caused the event is answered."""
MILD = {"429": 0.02, "500": 0.02, "500_stored": 0.01, "drop_after": 0.02} | dict.fromkeys(DELIVERY_KINDS, 0.03)
"""What chaos does unless told otherwise: of each kind the share of calls or deliveries that it befalls."""

CALL, DELIVERY = "call", "delivery"
_KINDS_OF = {CALL: KINDS, DELIVERY: DELIVERY_KINDS}


def plan(tx: Transaction, scope: str, kind: str, times: int, pattern: str = "*") -> None:
    """The next `times` calls or deliveries of which `pattern` is true go wrong. A call is `POST /v1/refunds`, a delivery
    the type of its event; `*` in the pattern stands for anything. Raises ValueError for a kind that there is not."""
    _check(kind, _KINDS_OF[scope])
    if times < 1:
        raise ValueError(f"n must be 1 or more, not {times}")
    tx.sql.execute(
        "INSERT INTO planned_faults (scope, kind, pattern, remaining) VALUES (?, ?, ?, ?)",
        (scope, kind, pattern, times),
    )


def chaos(tx: Transaction, seed: int, rates: Mapping[str, float]) -> None:
    """From now on faults are drawn: of each kind the share of all calls or deliveries, between 0 and 1.

    Raises ValueError for a kind that there is not, and for shares that are none.
    """
    for kind in rates:
        _check(kind, (*KINDS, *DELIVERY_KINDS))
    for scope, kinds in _KINDS_OF.items():
        shares = [float(rates.get(kind, 0)) for kind in kinds]
        if not all(0 <= share <= 1 for share in shares) or sum(shares) > 1:
            raise ValueError(f"the shares of a {scope}'s faults must be 0 or more, and 1 together at most")
    tx.sql.execute("DELETE FROM meta WHERE name LIKE 'drawn:%'")
    tx.set_meta("chaos", json.dumps({"seed": seed, "rates": dict(rates)}))


def clear(tx: Transaction) -> None:
    """No fault is planned or drawn any more."""
    tx.sql.execute("DELETE FROM planned_faults")
    tx.sql.execute("DELETE FROM meta WHERE name = 'chaos' OR name LIKE 'drawn:%'")


def expected(tx: Transaction) -> dict[str, Any]:
    """What is planned, in the order in which it is looked at, and the chaos that is on, if any."""
    rows = tx.rows("SELECT scope, kind, pattern, remaining FROM planned_faults ORDER BY id")
    planned = [
        {"scope": scope, "kind": kind, "pattern": pattern, "remaining": left} for scope, kind, pattern, left in rows
    ]
    return {"planned": planned, "chaos": json.loads(tx.meta("chaos") or "null")}


def take(tx: Transaction, scope: str, subject: str, stream: str = "") -> str | None:
    """The fault that befalls this call or delivery, if any. What is planned goes before what is drawn.

    `stream` names what a draw is counted within, if that is not `subject`: all reads of a session are of one stream.
    """
    for number, kind, pattern in tx.rows(
        "SELECT id, kind, pattern FROM planned_faults WHERE scope = ? ORDER BY id", (scope,)
    ):
        if fnmatchcase(subject, pattern):
            # The last of them leaves no row behind.
            tx.sql.execute("DELETE FROM planned_faults WHERE id = ? AND remaining = 1", (number,))
            tx.sql.execute("UPDATE planned_faults SET remaining = remaining - 1 WHERE id = ?", (number,))
            return str(kind)
    return _drawn(tx, scope, stream or subject)


def _drawn(tx: Transaction, scope: str, stream: str) -> str | None:
    on = json.loads(tx.meta("chaos") or "null")
    if on is None:
        return None
    name = f"drawn:{scope}:{stream}"
    nth = int(tx.meta(name) or 0) + 1
    tx.set_meta(name, str(nth))
    digest = hashlib.sha256(f"{on['seed']}:{scope}:{stream}:{nth}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    for kind in _KINDS_OF[scope]:
        point -= on["rates"].get(kind, 0)
        if point < 0:
            return kind
    return None


def _check(kind: str, kinds: tuple[str, ...]) -> None:
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, not {kind!r}")


class Faults:
    """What befalls the API's calls, and those of them that hang."""

    def __init__(self, store: Store, hang_seconds: float) -> None:
        self._store = store
        self._hang_seconds = hang_seconds
        self._lock = threading.Lock()
        self._waiting = 0
        self._stopped = False
        self._released = threading.Event()

    def take(self, method: str, path: str, route: str) -> str | None:
        """The fault for a call of `path`, which `route` is the pattern of."""
        with self._store.transaction() as tx:
            return take(tx, CALL, f"{method} {path}", f"{method} {route}")

    def wait(self) -> None:
        """Until released, or until the hanging has lasted as long as it may."""
        with self._lock:
            if self._stopped:
                return
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

    def stop(self) -> None:
        """From now on no call hangs. What is planned stays planned for the next start."""
        with self._lock:
            self._stopped = True
        self.release()
