"""The count by which the gateway knows that it would be called inside a transaction."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from shop.db import Database, open_transactions


def test_each_open_transaction_counts_once(database: Database) -> None:
    assert open_transactions() == 0
    with database.reading() as outer:
        outer.execute(text("SELECT 1"))
        with database.transaction() as inner:
            inner.execute(text("SELECT 1"))
            assert open_transactions() == 2
        assert open_transactions() == 1
    assert open_transactions() == 0


def test_a_commit_that_fails_ends_one_transaction_and_not_the_one_around_it(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("CREATE TABLE late_parents (id INTEGER PRIMARY KEY)"))
        session.execute(
            text("CREATE TABLE late (parent INTEGER REFERENCES late_parents (id) DEFERRABLE INITIALLY DEFERRED)")
        )
    try:
        with database.reading() as outer:
            outer.execute(text("SELECT 1"))
            with pytest.raises(IntegrityError), database.transaction() as inner:
                inner.execute(text("INSERT INTO late VALUES (7)"))
            assert open_transactions() == 1
    finally:
        with database.transaction() as session:
            session.execute(text("DROP TABLE late"))
            session.execute(text("DROP TABLE late_parents"))


def test_a_transaction_that_lost_its_connection_is_not_open_any_more(postgres_database: Database) -> None:
    def cut_off() -> None:
        with postgres_database.transaction() as session:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(OperationalError):
        cut_off()
    assert open_transactions() == 0
    with postgres_database.transaction() as session:
        session.execute(text("SELECT 1"))
        assert open_transactions() == 1
    assert open_transactions() == 0
