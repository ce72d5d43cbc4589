"""What a load balancer asks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from shop.app import create_app
from shop.config import Settings
from shop.db import Database
from shop.schema import migrate
from tests.support.postgres import fresh_database
from tests.support.statements import statements


@pytest.fixture
def client_on(make_settings: Callable[..., Settings]) -> Iterator[Callable[[str], FlaskClient]]:
    """Makes shops on other databases, and closes them."""
    made: list[Flask] = []

    def make(url: str) -> FlaskClient:
        made.append(create_app(make_settings(shop_database_url=url)))
        return made[-1].test_client()

    yield make
    for app in made:
        app.extensions["understory"].database.close()


def test_a_shop_on_a_migrated_database_is_ready(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "ready"})


def test_a_process_that_answers_is_healthy_without_asking_the_database(app: Flask, client: FlaskClient) -> None:
    with statements(app.extensions["understory"].database.engine) as sent:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert sent == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_answer_is_of_this_moment_and_sets_no_cookie(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_database_without_tables_is_not_ready_and_the_answer_says_what_to_run(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    worker_id: str,
    client_on: Callable[[str], FlaskClient],
    backend: str,
) -> None:
    if backend == "sqlite":
        url = f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        url = fresh_database(request.getfixturevalue("postgres_server"), f"never_migrated_{worker_id}")
    client = client_on(url)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert answer.json["code"] == "database_not_migrated"
    assert "shop migrate" in answer.json["detail"]
    assert client.get("/healthz").status_code == 200


def test_a_database_of_another_release_is_not_ready(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        head = session.scalar(text("SELECT version_num FROM alembic_version"))
        session.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    try:
        answer = client.get("/readyz")
    finally:
        with database.transaction() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})
    assert answer.status_code == 503


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_database_that_does_not_answer_is_said_without_its_address_or_password(
    tmp_path: Path, client_on: Callable[[str], FlaskClient], backend: str
) -> None:
    # A folder is no database, and nothing listens on port 9.
    url = f"sqlite:///{tmp_path}" if backend == "sqlite" else "postgresql+psycopg://teller:hunter2@127.0.0.1:9/shop"
    answer = client_on(url).get("/readyz")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["code"] == "database_unreachable"
    for secret in ("hunter2", "teller", "127.0.0.1", str(tmp_path)):
        assert secret not in answer.text


def test_a_database_named_from_here_is_the_same_one_for_the_commands_and_for_the_server(
    make_settings: Callable[..., Settings],
    client_on: Callable[[str], FlaskClient],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database.connect(make_settings(shop_database_url="sqlite:///here/shop.db").database_url)
    migrate(database)  # as `shop migrate` does
    database.close()
    assert client_on("sqlite:///here/shop.db").get("/readyz").json == {"status": "ready"}
    assert (tmp_path / "here" / "shop.db").is_file()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_they_are_only_read(client: FlaskClient, method: str) -> None:
    for path in ("/healthz", "/readyz"):
        assert client.open(path, method=method).status_code == 405
