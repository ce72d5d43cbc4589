"""Fixtures that every kind of test may use.

A test that takes `database` runs on SQLite and on PostgreSQL. Each test finds the tables of the newest migration, empty.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parent.parent))

from shop.app import create_app
from shop.config import Settings
from shop.db import Database
from shop.models import metadata
from shop.schema import migrate
from tests.support import postgres

TEST_KEY = "sk_test_" + "t" * 24
TEST_WEBHOOK_SECRET = "whsec_" + "w" * 32


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server_url() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url(postgres_server: str, worker_id: str) -> str:
    """A migrated PostgreSQL database for this test process."""
    url = postgres.fresh_database(postgres_server, f"shop_{worker_id}")
    database = Database.connect(url)
    migrate(database)
    database.close()
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database.connect(f"sqlite:///{path}")
    migrate(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.commit()
    database.close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "shop.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


def empty(database: Database) -> None:
    """Take every row out of a PostgreSQL database, but the one that the first migration put in."""
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables if table.name != "catalogue_clock")
    with database.transaction() as session:
        session.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database.connect(database_url)
    if not database.is_sqlite:
        empty(database)
    yield database
    database.close()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[Database]:
    """PostgreSQL alone, for races: SQLite lets only one writer in anyway."""
    database = Database.connect(postgres_url)
    empty(database)
    yield database
    database.close()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.transaction() as session:
        yield session


@pytest.fixture
def make_settings(database_url: str, tmp_path: Path) -> Callable[..., Settings]:
    def make(**overrides: object) -> Settings:
        values: dict[str, object] = {
            "shop_data": tmp_path / "var",
            "shop_database_url": database_url,
            "stripe_secret_key": TEST_KEY,
            "stripe_webhook_secret": TEST_WEBHOOK_SECRET,
            "shop_url": "http://localhost",
            # Nothing answers there: a test that wants Stripe says so by taking `sandbox`.
            "stripe_api_base": "http://127.0.0.1:9",
        }
        return Settings.load(**(values | overrides))

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
def app(settings: Settings, database: Database) -> Iterator[Flask]:
    """The shop on `database`."""
    app = create_app(settings)
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield app
    app.extensions["understory"].database.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")
