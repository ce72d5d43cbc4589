"""The migrations make exactly the tables that the models describe, out of every release's tables and whatever is in them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shop.db import Database
from shop.models import metadata
from shop.schema import DanglingRows, WrongSchema, is_current, migrate, migrating, migrations_config
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET
from tests.support import postgres
from tests.support.filling import fill, tables_of
from tests.support.serving import eventually

REVISIONS = [script.revision for script in ScriptDirectory.from_config(migrations_config()).walk_revisions()][::-1]


@pytest.fixture(params=["sqlite", "postgresql"])
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/new.db"
    else:
        name = f"migrations_{request.getfixturevalue('worker_id')}"
        url = postgres.fresh_database(request.getfixturevalue("postgres_server"), name)
    database = Database.connect(url)
    yield database
    database.close()


def rows_of(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.engine.connect() as connection:
        return {
            table.name: [
                dict(row) for row in connection.execute(table.select().order_by(*table.primary_key)).mappings()
            ]
            for table in tables_of(connection)
        }


def test_the_migrated_database_is_what_the_models_describe(new: Database) -> None:
    migrate(new)
    with new.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrated_database_has_every_check_of_the_models(database: Database) -> None:
    """Which the comparison above does not look at, and which SQLite loses when a table is made anew."""
    with database.engine.connect() as connection:
        there = sa.inspect(connection)
        for table in metadata.sorted_tables:
            found = {str(check["name"]) for check in there.get_check_constraints(table.name)}
            assert found == {str(c.name) for c in table.constraints if isinstance(c, sa.CheckConstraint)}, table.name


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_each_release_is_upgraded_with_all_that_is_in_it(new: Database, revision: str) -> None:
    migrate(new, revision)
    fill(new)
    before = rows_of(new)
    migrate(new)
    assert is_current(new)
    after = rows_of(new)
    for name, rows in before.items():
        kept = [{column: row[column] for column in rows[0] if column in row} for row in after[name]]
        assert kept == [{column: row[column] for column in kept[0]} for row in rows], name


def test_migrating_twice_changes_nothing(new: Database) -> None:
    migrate(new)
    fill(new)
    before = rows_of(new)
    migrate(new)
    assert is_current(new)
    assert rows_of(new) == before


def test_no_migration_goes_back_over_what_a_shop_has_sold(new: Database) -> None:
    migrate(new)
    fill(new)
    before = rows_of(new)
    config = migrations_config()
    with new.engine.connect() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(NotImplementedError, match="restore the backup"):
            command.downgrade(config, "base")
    assert rows_of(new) == before


def test_a_database_of_a_newer_release_is_refused_by_name(new: Database) -> None:
    migrate(new)
    with new.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WrongSchema, match="9999"):
        migrate(new)


def fails_half_way(database: Database) -> None:
    with migrating(database) as connection:
        connection.execute(sa.text("CREATE TABLE half_done (id INTEGER)"))
        connection.execute(sa.text("ALTER TABLE nowhere ADD COLUMN x INTEGER"))


def test_a_migration_that_fails_leaves_nothing_behind(new: Database) -> None:
    migrate(new, REVISIONS[0])
    with pytest.raises(sa.exc.DatabaseError):
        fails_half_way(new)
    with new.engine.connect() as connection:
        assert not sa.inspect(connection).has_table("half_done")


def test_rows_that_a_migration_leaves_without_their_owner_are_noticed(tmp_path: Path) -> None:
    """On SQLite, where foreign keys sleep while tables are made anew; they are awake again afterwards."""
    database = Database.connect(f"sqlite:///{tmp_path}/new.db")
    migrate(database)
    fill(database)
    with pytest.raises(DanglingRows, match="order_lines"), migrating(database) as connection:
        connection.execute(sa.text("DELETE FROM orders"))
    assert len(rows_of(database)["orders"]) == 2
    with pytest.raises(sa.exc.IntegrityError), database.transaction() as session:
        session.execute(sa.text("DELETE FROM variants"))
    database.close()


def migrate_elsewhere(database: Database, folder: Path) -> subprocess.Popen[str]:
    """`shop migrate` in a process of its own."""
    url = database.engine.url.render_as_string(hide_password=False)
    environment = os.environ | {
        "SHOP_DATABASE_URL": url,
        "SHOP_DATA": str(folder),
        "STRIPE_SECRET_KEY": TEST_KEY,
        "STRIPE_WEBHOOK_SECRET": TEST_WEBHOOK_SECRET,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "shop", "migrate"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_processes_that_migrate_at_once_take_turns(new: Database, tmp_path: Path) -> None:
    processes = [migrate_elsewhere(new, tmp_path) for _ in range(3)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert is_current(new)


def test_a_migration_waits_for_the_one_that_is_under_way(new: Database, tmp_path: Path) -> None:
    with ExitStack() as other, migrating(new) as connection:
        connection.execute(sa.text("CREATE TABLE under_way (id INTEGER)"))
        process = migrate_elsewhere(new, tmp_path)
        other.callback(process.communicate, timeout=60)
        if new.is_sqlite:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(3)
        else:
            waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            eventually(lambda: connection.scalar(waiting))
        assert not sa.inspect(connection).has_table("orders")
    assert process.returncode == 0
    assert is_current(new)
