"""Races run on a real PostgreSQL with real commits: SQLite lets only one writer in anyway."""

from collections.abc import Callable, Iterator

import pytest

from shop.config import Settings
from shop.db import Database
from tests.conftest import Shop, running_shop


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
def database(postgres_database: Database) -> Database:
    return postgres_database


@pytest.fixture
def shop(make_settings: Callable[..., Settings], postgres_database: Database) -> Iterator[Shop]:
    with running_shop(make_settings, postgres_database) as shop:
        yield shop
