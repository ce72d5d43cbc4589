"""An order's row in hand: read in one statement, changed like an object, written back in one UPDATE of what has changed.

For the verb that every payment goes through. A session's own way, a mapped object that it watches over and compares, costs
more processor time than all that the database does for an event (docs/benchmarks.md).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Table, bindparam, update
from sqlalchemy.orm import Session

from shop.orders.models import Order
from shop.prepared import Prepared

ORDERS = cast("Table", Order.__table__)
# In the order in which `take_in_hand` wants them.
COLUMNS = tuple(ORDERS.c)
_NAMES = tuple(column.name for column in COLUMNS)


class _InHand:
    """Has what `Order` has columns for, under the same names, and `_as_read`: what they held when they were read or written."""

    _as_read: dict[str, Any]


def take_in_hand(values: Sequence[Any]) -> Order:
    """The order whose COLUMNS hold `values`. Whoever reads or sets columns may treat it as an `Order`; no session knows it, and
    nothing that is done to it is stored before `write_back`. Its JSON is replaced, never changed in place.
    """
    as_read = dict(zip(_NAMES, values, strict=True))
    order = _InHand()
    order.__dict__.update(as_read, _as_read=as_read)
    return cast("Order", order)


def write_back(session: Session, order: Order) -> None:
    """Store what has changed about an order in hand: one statement, or none. Never commits."""
    as_read = cast("_InHand", order)._as_read
    held = order.__dict__
    changed = {name: held[name] for name in _NAMES if held[name] != as_read[name]}
    if not changed:
        return
    _writing(tuple(changed)).run(session.connection(), {"in_hand": order.id, **changed})
    as_read.update(changed)
    # A mapped object of the same order that this session has read knows nothing of it yet.
    mapped = session.identity_map.get(Order.__mapper__.identity_key_from_primary_key((order.id,)))
    if mapped is not None:
        session.expire(mapped)


@lru_cache(maxsize=64)
def _writing(names: tuple[str, ...]) -> Prepared:
    """Built once for each set of columns: building it takes longer than running it."""
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return Prepared(update(ORDERS).where(ORDERS.c.id == bindparam("in_hand")).values(values))
