"""Fixtures that every kind of test may use.

A test that takes `database` runs on SQLite and on PostgreSQL. Each test finds the tables of the newest migration, empty.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parent.parent))

from shop.app import create_app
from shop.checkout.place import Placed, place
from shop.config import Settings
from shop.db import Database
from shop.models import metadata
from shop.orders.reading import OrderView, find_by_id
from shop.payments.gateway import Gateway
from shop.payments.models import PaymentAttempt
from shop.sandbox.control import Control
from shop.sandbox.server import running as running_sandbox
from shop.schema import migrate
from tests.support import postgres
from tests.support.serving import serving

# The suite finds the same each time; `pytest --hypothesis-profile=long tests/rules/test_machine.py` goes looking.
hypothesis.settings.register_profile("suite", max_examples=60, derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("long", max_examples=3000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("suite")

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


@dataclass(frozen=True)
class Shop:
    """A shop with a local Stripe of its own, talking to each other over HTTP."""

    settings: Settings
    database: Database
    gateway: Gateway
    stripe: Control
    app: Flask
    url: str
    stripe_url: str

    def place(self, cart_id: int, **options: object) -> Placed:
        return place(self.database, self.gateway, self.settings, cart_id, **options)  # type: ignore[arg-type]

    def session_of(self, order_id: int) -> str:
        """The id of the order's Checkout Session."""
        with self.database.reading() as session:
            return str(session.scalars(select_session(order_id)).one())

    def order(self, order_id: int) -> OrderView:
        with self.database.reading() as session:
            view = find_by_id(session, order_id)
        assert view is not None
        return view


def select_session(order_id: int) -> sa.Select[tuple[str | None]]:
    return sa.select(PaymentAttempt.session_id).where(PaymentAttempt.order_id == order_id)


@contextmanager
def running_shop(make_settings: Callable[..., Settings], database: Database) -> Iterator[Shop]:
    # What `last` calls comes when nothing is served or delivered any more: a late webhook would open a connection again.
    with (
        ExitStack() as last,
        serving() as served,
        running_sandbox(retry_delays=(0.05, 0.1, 0.2, 0.4, 0.8, 1.6)) as sandbox,
    ):
        settings = make_settings(shop_url=served.url, stripe_api_base=sandbox.url)
        gateway = Gateway(settings, time_out=(1.0, 3.0), retries=1)
        app = create_app(settings, gateway)
        last.callback(app.extensions["understory"].database.close)
        app.testing = True
        app.config["PROPAGATE_EXCEPTIONS"] = False
        served.app = app
        sandbox.control.set_webhook(f"{served.url}/webhooks/stripe", TEST_WEBHOOK_SECRET)
        yield Shop(settings, database, gateway, sandbox.control, app, served.url, sandbox.url)


@pytest.fixture
def shop(make_settings: Callable[..., Settings], database: Database) -> Iterator[Shop]:
    """The shop and the local Stripe, on either database."""
    with running_shop(make_settings, database) as shop:
        yield shop
