"""The schema's life: where the migrations lie, running them, and whether a database is up to date."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from shop.db import Database
from shop.errors import ShopError

# Names the advisory lock that migrations of one PostgreSQL database take; any number that nobody else uses there.
MIGRATIONS = 7_265_001


class WrongSchema(ShopError):
    """The database's tables are not those of this release."""

    code = "wrong_schema"
    status = 500


class DanglingRows(RuntimeError):
    """A migration left rows that refer to rows which are not there; nothing of it was kept."""


def resource_folder(name: str) -> Path:
    """The folder `templates` or `migrations`: beside the package in a checkout, inside it in an installed wheel."""
    spec = find_spec("shop")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for candidate in (package / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the folder {name} is missing from this installation")


def migrations_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resource_folder("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the database to `revision`, all the way or not at all; processes that start at once take turns.

    Owns its one transaction. Raises WrongSchema for a database that a newer release has migrated.
    """
    config = migrations_config()
    with migrating(database) as connection:
        _require_known(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@contextmanager
def migrating(database: Database) -> Iterator[Connection]:
    """A connection to migrate on, in a transaction that has the database's migrations to itself."""
    with database.engine.execution_options(writes=True).connect() as connection:
        if not database.is_sqlite:
            with connection.begin():
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATIONS})
                yield connection
            return
        # A table that is made anew is dropped first, and with foreign keys on SQLite would delete all that refers to it.
        # They can only be turned off outside a transaction; whether they all still lead somewhere is looked at before the end.
        pragma = connection.connection.cursor()
        pragma.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():  # IMMEDIATE, so that another migration waits here
                yield connection
                if dangling := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                    raise DanglingRows(f"rows of {sorted({row[0] for row in dangling})} refer to what is not there")
        finally:
            pragma.execute("PRAGMA foreign_keys=ON")
            pragma.close()


def is_current(database: Database) -> bool:
    """Whether the database's tables are exactly those of this release."""
    with database.engine.connect() as connection:
        return _revision_of(connection) == _scripts().get_current_head()


def require_current(database: Database) -> None:
    """Raise WrongSchema unless the database's tables are exactly those of this release."""
    if not is_current(database):
        with database.engine.connect() as connection:
            _require_known(connection)
        raise WrongSchema("the database wants migrating: run `shop migrate`")


def _require_known(connection: Connection) -> None:
    at = _revision_of(connection)
    if at is None:
        return
    try:
        _scripts().get_revision(at)
    except CommandError:
        raise WrongSchema(f"the database is newer than this release (at {at}): install the newer one") from None


def _revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@lru_cache(maxsize=1)
def _scripts() -> ScriptDirectory:
    """Read once: a load balancer asks every few seconds whether the schema is that of this release."""
    return ScriptDirectory.from_config(migrations_config())
