"""The only writer of `Variant.on_hand` and `Variant.reserved`. Every verb here takes a session and never commits.

Lock order: whoever touches several variants does so by ascending variant id, always, so that two checkouts that share
variants wait for each other instead of deadlocking.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from shop.catalog.models import CatalogueClock, Product, StockMovement, Variant
from shop.db import changed_rows, insert_once
from shop.errors import InvalidChange, NotFound, OutOfStock
from shop.prepared import Prepared

_Key = TypeVar("_Key")

MOST_ON_HAND = 100_000_000

# Built once: building them takes longer than sending them, and others wait for these rows meanwhile.
_VARIANTS = cast("Table", Variant.__table__)
_RESERVED = (
    update(_VARIANTS)
    .where(_VARIANTS.c.id == bindparam("variant"), _VARIANTS.c.on_hand - _VARIANTS.c.reserved >= bindparam("pieces"))
    .values(reserved=_VARIANTS.c.reserved + bindparam("pieces"))
)


def summed(pairs: Iterable[tuple[_Key | None, int]]) -> dict[_Key, int]:
    """Pieces by variant, or by whatever names them; what names nothing any more, or has no pieces, is left out."""
    pieces: dict[_Key, int] = {}
    for key, quantity in pairs:
        if key is not None and quantity:
            pieces[key] = pieces.get(key, 0) + quantity
    return pieces


def reserve(session: Session, pieces: Mapping[int, int]) -> None:
    """Promise `pieces` (variant id -> quantity) to an order, all or nothing.

    The UPDATE's guard is what prevents overselling: between reading and writing another buyer may have come first.
    Raises OutOfStock for the first variant that has too few; the caller's transaction must then roll back.
    """
    session.flush()
    for variant_id in sorted(pieces):
        wanted = pieces[variant_id]
        if not _reserve_one(session, variant_id, wanted):
            raise _out_of_stock(session, variant_id, wanted)


def _reserve_one(session: Session, variant_id: int, wanted: int) -> bool:
    return session.connection().execute(_RESERVED, {"variant": variant_id, "pieces": wanted}).rowcount == 1


def _out_of_stock(session: Session, variant_id: int, wanted: int) -> OutOfStock:
    row = session.execute(
        select(Product.title, Variant.title, Variant.on_hand - Variant.reserved)
        .join(Product, Product.id == Variant.product_id)
        .where(Variant.id == variant_id)
    ).one_or_none()
    if row is None:
        return OutOfStock(variant_id, "This item", wanted, 0)
    return OutOfStock(variant_id, full_title(row[0], row[1]), wanted, row[2])


def full_title(product: str, variant: str) -> str:
    """How a variant is named to people: "Trump-Kim summit t-shirt (Black / M)"."""
    return f"{product} ({variant})" if variant else product


_LESS_RESERVED = (
    update(_VARIANTS)
    .where(_VARIANTS.c.id == bindparam("variant"))
    .values(reserved=_VARIANTS.c.reserved - bindparam("pieces"))
)
_RELEASED = Prepared(_LESS_RESERVED)
_SOLD = Prepared(_LESS_RESERVED.values(on_hand=_VARIANTS.c.on_hand - bindparam("pieces")))
_MOVED = Prepared(
    insert(cast("Table", StockMovement.__table__)).values(
        {name: bindparam(name) for name in ("variant_id", "pieces", "kind", "reference")}
    )
)


def _change_each(session: Session, change: Prepared, pieces: Mapping[int, int]) -> None:
    """Run `change` for each variant, in the order of the locks, as one statement with many parameters."""
    ordered = [{"variant": variant_id, "pieces": pieces[variant_id]} for variant_id in sorted(pieces)]
    if ordered:
        session.flush()
        change.run(session.connection(), ordered)


def release(session: Session, pieces: Mapping[int, int]) -> None:
    """Give promised pieces back to the shelf. The caller proves (by the order's own guard) that they were reserved."""
    _change_each(session, _RELEASED, pieces)


def sell(session: Session, pieces: Mapping[int, int], reference: str) -> None:
    """Turn promised pieces into sold ones: off `on_hand` and off `reserved`, with a ledger line named `reference`.

    Two statements for any number of variants.
    """
    _change_each(session, _SOLD, pieces)
    moved = [
        {"variant_id": variant_id, "pieces": -pieces[variant_id], "kind": "sale", "reference": reference}
        for variant_id in sorted(pieces)
    ]
    if moved:
        _MOVED.run(session.connection(), moved)


def restock(session: Session, pieces: Mapping[int, int], reference: str, *, reason: str, actor: str) -> None:
    """Put pieces that came back on the shelf, with a ledger line named `reference`: once for each, however often it is called."""
    for variant_id in sorted(pieces):
        line = {"variant_id": variant_id, "pieces": pieces[variant_id], "kind": "restock", "reference": reference}
        if insert_once(session, StockMovement, {**line, "reason": reason[:200], "actor": actor[:120]}):
            session.execute(
                update(Variant)
                .where(Variant.id == variant_id)
                .values(on_hand=Variant.on_hand + pieces[variant_id])
                .execution_options(synchronize_session=False)
            )


def adjust(session: Session, variant_id: int, pieces: int, reason: str, actor: str, kind: str = "adjust") -> int:
    """Change the count in the store room by `pieces` (signed) and write why. Returns the new `on_hand`.

    Raises InvalidChange when it would leave fewer pieces than are promised to open orders or more than MOST_ON_HAND, NotFound
    for no such variant.
    """
    if pieces == 0:
        raise InvalidChange("pieces", "Write by how many pieces the stock changes, such as 10 or -2.")
    if not reason.strip():
        raise InvalidChange("reason", "Say why, so that the ledger can be understood later.")
    done = changed_rows(
        session,
        update(Variant)
        .where(
            Variant.id == variant_id,
            Variant.on_hand + pieces >= Variant.reserved,
            Variant.on_hand <= MOST_ON_HAND - pieces,
        )
        .values(on_hand=Variant.on_hand + pieces)
        .execution_options(synchronize_session=False),
    )
    counters = session.execute(select(Variant.on_hand, Variant.reserved).where(Variant.id == variant_id)).one_or_none()
    if counters is None:
        raise NotFound("variant")
    if not done and pieces > 0:
        raise InvalidChange(
            "pieces", f"{counters.on_hand} are on hand; {MOST_ON_HAND} is the most that can be counted."
        )
    if not done:
        promised = f", {counters.reserved} of them promised to open orders" if counters.reserved else ""
        most = counters.on_hand - counters.reserved
        raise InvalidChange("pieces", f"At most {most} can go: {counters.on_hand} are on hand{promised}.")
    session.add(StockMovement(variant_id=variant_id, pieces=pieces, kind=kind, reason=reason.strip(), actor=actor))
    session.flush()
    return int(counters.on_hand)


def touch_catalogue(session: Session) -> None:
    """Say that something readers see has changed, so that every process drops its cached pages at its next look."""
    session.execute(
        update(CatalogueClock).values(version=CatalogueClock.version + 1).execution_options(synchronize_session=False)
    )
