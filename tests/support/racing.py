"""Running works at the same moment, and taking guards away to see what they are for."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from shop.db import Database
from shop.errors import ShopError
from tests.conftest import empty


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run the works at the same moment; what each returned, or the refusal of the shop or the database that it raised."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        gate.wait(10)
        try:
            return work()
        except (ShopError, DBAPIError) as refusal:
            return refusal

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(30) for future in [pool.submit(run, work) for work in works]]


def met_after(verb: Callable[..., Any], parties: int = 2) -> Callable[..., Any]:
    """`verb`, from whose first call in each thread nobody returns before everybody has made theirs."""
    meeting, seen = threading.Barrier(parties), threading.local()

    def meet(*args: Any, **options: Any) -> Any:
        result = verb(*args, **options)
        if not getattr(seen, "met", False):
            seen.met = True
            meeting.wait(10)
        return result

    return meet


@contextmanager
def without_row_locks(*databases: Database) -> Iterator[None]:
    """SELECT ... FOR UPDATE locks nothing."""

    def strip(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> tuple[str, Any]:
        return re.sub(r" FOR UPDATE( OF [a-z_]+(, [a-z_]+)*)?", "", statement), parameters

    for database in databases:
        event.listen(database.engine, "before_cursor_execute", strip, retval=True)
    try:
        yield
    finally:
        for database in databases:
            event.remove(database.engine, "before_cursor_execute", strip)


@contextmanager
def without_constraint(database: Database, table: str, name: str) -> Iterator[None]:
    """The table without a constraint; afterwards every row is gone and the constraint is back."""
    with database.transaction() as session:
        definition = session.scalar(
            sa.text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"), {"name": name}
        )
        session.execute(sa.text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
    try:
        yield
    finally:
        empty(database)
        with database.transaction() as session:
            session.execute(sa.text(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"))
