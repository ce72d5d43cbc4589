"""Writing messages down."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.db import Database
from shop.mail.models import OutboxMessage
from shop.mail.outbox import LONGEST_ADDRESS, post, unreachable


def rows(database: Database) -> list[OutboxMessage]:
    with database.reading() as session:
        return list(session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)))


def test_a_message_posted_twice_stands_in_the_outbox_once(database: Database) -> None:
    for expected in (True, False):
        with database.transaction() as session:
            assert post(session, "receipt", "mei@example.com", "receipt:U-1") is expected
    (row,) = rows(database)
    assert (row.kind, row.recipient, row.state, row.attempts) == ("receipt", "mei@example.com", "waiting", 0)


def test_posting_it_twice_in_one_transaction_is_the_same_as_once(database: Database) -> None:
    with database.transaction() as session:
        assert post(session, "receipt", "mei@example.com", "receipt:U-1")
        assert not post(session, "receipt", "mei@example.com", "receipt:U-1")
    assert len(rows(database)) == 1


def test_a_transaction_that_is_rolled_back_posts_nothing(database: Database) -> None:
    def fail(session: Session) -> None:
        post(session, "receipt", "mei@example.com", "receipt:U-1")
        raise LookupError("what should have happened did not")

    with pytest.raises(LookupError), database.transaction() as session:
        fail(session)
    assert rows(database) == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "   ",
        "nobody",
        "@example.com",
        "mei@",
        "mei@example.com\r\nBcc: everybody@example.com",
        "mei@example.com, kim@example.com",
        "Mei <mei@example.com>",
        "m" * LONGEST_ADDRESS + "@example.com",
    ],
)
def test_an_address_that_no_mail_reaches_is_kept_for_staff_and_undoes_nothing(database: Database, address: str) -> None:
    with database.transaction() as session:
        assert post(session, "receipt", address, "receipt:U-1")
    (row,) = rows(database)
    assert row.state == "failed"
    assert row.last_error == unreachable(address.strip()) != ""
    assert "\n" not in row.recipient


@pytest.mark.parametrize(("kind", "key"), [("greeting", "greeting:1"), ("receipt", ""), ("receipt", "k" * 121)])
def test_an_unknown_kind_or_a_malformed_key_is_a_fault_of_the_caller(session: Session, kind: str, key: str) -> None:
    with pytest.raises(ValueError, match=r"kind|key"):
        post(session, kind, "mei@example.com", key)
