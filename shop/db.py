"""The database: one engine, explicit transactions, and the few things SQLite and PostgreSQL do differently.

A function that takes a `session` never commits. A verb that takes a `Database` owns its transactions and opens them
with `with database.transaction() as session:`; leaving the block commits, an exception rolls back.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from shop.prepared import Prepared

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC. Naive values are refused; SQLite, which keeps no zone, gets UTC and gives UTC back."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of every table. Relationships are declared `lazy="raise"`, so that a page states what it reads."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads this from the class
        datetime: UtcDateTime(),
        dict[str, Any]: sa.JSON(),
        list[Any]: sa.JSON(),
    }


def now() -> datetime:
    """The present moment in UTC. The only clock that rules read."""
    return datetime.now(UTC)


def engine_options(url: str) -> dict[str, Any]:
    """What `create_engine` gets for `url`: pools sized for a few threads a process, stale connections noticed."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        return {
            "url": url,
            "hide_parameters": True,  # an error's text goes into logs, and parameters hold names and addresses
            "connect_args": {"timeout": 30, "check_same_thread": False},
            "pool_size": 16,
            "max_overflow": 32,
        }
    return {
        "url": url,
        "hide_parameters": True,
        # A host that vanishes says nothing: without these a request would wait a quarter of an hour for its answer.
        "connect_args": {
            "connect_timeout": 5,
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
        "pool_pre_ping": True,
        "pool_size": 8,
        "max_overflow": 24,
    }


def is_away(error: Exception) -> bool:
    """Whether `error` says that the database cannot be reached or has just gone, rather than that it was asked wrongly.

    PostgreSQL while it stops, starts or refuses connections (classes 57 and 53 of its codes), and whatever has no code since
    no server was there to give one; also when every connection of this process has been busy for half a minute.
    """
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    code = getattr(error.orig, "sqlstate", "")
    away = code is None or code[:3] == "57P" or code[:2] in {"08", "53"}
    return error.connection_invalidated or (isinstance(error, sa.exc.OperationalError) and away)


class _Open(threading.local):
    """The connections on which this thread has a transaction open.

    The connections themselves are kept, not a note with each: one that has lost its server can no longer be asked for notes,
    and a transaction that was never counted down would keep its thread from calling Stripe for ever.
    """

    def __init__(self) -> None:
        self.connections: WeakSet[Connection] = WeakSet()


_open = _Open()


def open_transactions() -> int:
    """How many database transactions this thread has open now. The payment gateway refuses to call out unless it is 0."""
    return len(_open.connections)


def prepare(engine: Engine) -> Engine:
    """Attach to `engine` what both back ends need: SQLite's pragmas, its write lock, and the count of open transactions.

    SQLite takes its write lock at the first write of a deferred transaction, and fails at once if another writer came in
    between; so a transaction that means to write says so and begins IMMEDIATE, which waits its turn instead.
    """
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _connect(raw: Any, record: Any) -> None:
            raw.isolation_level = None  # the driver must not begin transactions of its own
            cursor = raw.cursor()
            for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=NORMAL", "busy_timeout=30000"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            if connection.get_execution_options().get("writes", False):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                # It waits for nobody, so there is no error to translate, and SQLAlchemy's way costs more than the statement.
                cast(Any, connection.connection).execute("BEGIN")

    @event.listens_for(engine, "begin")
    def _count_up(connection: Connection) -> None:
        _open.connections.add(connection)

    @event.listens_for(engine, "commit")
    @event.listens_for(engine, "rollback")
    def _count_down(connection: Connection) -> None:
        # A commit that fails is followed by a rollback of the same transaction, which counts once.
        _open.connections.discard(connection)

    return engine


class Database:
    """An engine and the two ways to use it: `transaction()` to write, `reading()` to read."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reader = sessionmaker(engine, expire_on_commit=False, autoflush=False)

    @classmethod
    def connect(cls, url: str) -> "Database":
        """A database at `url` (SQLAlchemy's form, `sqlite:///path` or `postgresql+psycopg://...`)."""
        return cls(prepare(sa.create_engine(**engine_options(url))))

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction that may write: begun with the block, committed when it ends, rolled back when it raises.

        The session joins a transaction that the connection has begun, and begins none of its own before something is asked of
        it that needs one: what goes to the connection directly (`connection_of`) does without its bookkeeping.
        """
        with self.engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin(), Session(connection, expire_on_commit=False) as session:
                yield session
                session.flush()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction for reading; whatever it changes is rolled back."""
        with self._reader() as session:
            yield session

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Give every pooled connection back to the system."""
        self.engine.dispose()


def connection_of(session: Session) -> Connection:
    """The connection on which `session` works, for statements that need no session. What it has not flushed is not sent first.

    The session's own `connection()` goes through the states of its transaction, which takes as long as a short statement.
    """
    return session.bind if isinstance(session.bind, Connection) else session.connection()


def insert_once(session: Session, table: type[Base], values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with the same unique key is there. True if this call inserted it.

    On PostgreSQL a concurrent insert of the same key waits here for the other transaction to end, which is what makes
    "insert first, then act" safe where "look first, then insert" is not.
    """
    return insert_new(session, table, values) is not None


def insert_new(session: Session, table: type[Base], values: Mapping[str, Any]) -> Any:
    """As `insert_once`, but returns the primary key of the row that this call inserted, or None."""
    session.flush()
    return _adding(table, tuple(values)).run(connection_of(session), values).scalar()


@lru_cache(maxsize=64)
def _adding(table: type[Base], columns: tuple[str, ...]) -> Prepared:
    """Built once, as below."""
    rows = cast("sa.Table", table.__table__)

    def insert(dialect: str) -> sa.UpdateBase:
        new = _insert(dialect, rows).values({name: sa.bindparam(name) for name in columns})
        return new.on_conflict_do_nothing().returning(*rows.primary_key.columns)

    return Prepared(insert)


_Row = TypeVar("_Row", bound=Base)
_Item = TypeVar("_Item")


def add_up(
    session: Session, table: type[_Row], values: Mapping[str, Any], key: tuple[str, ...], counted: str, renewed: str
) -> _Row:
    """Insert a row; where one with the same unique `key` is there, add to its column `counted` and renew its `renewed`.

    One statement, so that nobody can come between looking and writing. Returns the row as it is afterwards.
    """
    statement = _adding_up(session.get_bind().dialect.name, table, key, counted, renewed)
    return cast("_Row", session.scalars(statement, [dict(values)], execution_options={"populate_existing": True}).one())


def add_up_all(
    session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]], key: tuple[str, ...], counted: str
) -> None:
    """As `add_up` for many rows, each with a `key` of its own, in one statement. What is there already keeps all else."""
    insert = _insert(session.get_bind().dialect.name, table).values(rows)
    columns = cast("sa.Table", table.__table__).c
    adding = insert.on_conflict_do_update(
        index_elements=list(key), set_={counted: columns[counted] + insert.excluded[counted]}
    )
    session.execute(adding)


@lru_cache(maxsize=32)
def _adding_up(dialect: str, table: type[Base], key: tuple[str, ...], counted: str, renewed: str) -> Any:
    """Built once: building it takes longer than running it."""
    insert = _insert(dialect, table)
    columns = cast("sa.Table", table.__table__).c
    return insert.on_conflict_do_update(
        index_elements=list(key),
        set_={counted: columns[counted] + insert.excluded[counted], renewed: insert.excluded[renewed]},
    ).returning(table)


def _insert(dialect: str, table: type[Base] | sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT in the database's own dialect: what to do about a conflict is no common SQL."""
    return (sqlite.insert if dialect == "sqlite" else postgresql.insert)(table)


def in_batches(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """`items` in order, at most `size` at a time: a statement takes only so many values, and a transaction only so much time."""
    for first in range(0, len(items), size):
        yield items[first : first + size]


def changed_rows(session: Session, statement: sa.UpdateBase) -> int:
    """Run a guarded UPDATE or DELETE and say how many rows its guard let through."""
    return cast("sa.CursorResult[Any]", session.execute(statement)).rowcount


LARGEST_ID = 2**31 - 1


def cursor_id(text: str | None) -> int | None:
    """The id that a cursor in an address names; None for anything else, and for more than a column of ids can hold.

    PostgreSQL refuses to compare a column with more than it holds, and strangers write addresses.
    """
    if not text or len(text) > 10 or not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if int(text) <= LARGEST_ID else None
