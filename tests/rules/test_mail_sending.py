"""Sending what the outbox holds: once, by however many workers, whatever fails in between."""

import threading
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
import structlog
import time_machine
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.db import Database, now, open_transactions
from shop.mail import sending
from shop.mail.messages import CannotWrite, Letter
from shop.mail.models import OutboxMessage
from shop.mail.outbox import post
from shop.mail.sending import LEASE, MOST_ATTEMPTS, Sent, is_due, send_due, wait_after
from shop.mail.transports import Delayed, FolderTransport, Refused, transport_for
from tests.support.letters import NOON, a_letter


def compose(letter: Letter) -> EmailMessage:
    message = EmailMessage()
    message["From"] = message["Reply-To"] = "shop@example.com"
    message["To"] = letter.recipient
    message["Subject"] = letter.dedupe_key
    message.set_content("Thank you.")
    return message


def posted(database: Database, *keys: str) -> None:
    with database.transaction() as session:
        for key in keys:
            post(session, "receipt", "mei@example.com", key)


def row(database: Database, key: str = "receipt:1") -> OutboxMessage:
    with database.reading() as session:
        return session.scalars(select(OutboxMessage).where(OutboxMessage.dedupe_key == key)).one()


def count(database: Database, state: str) -> int:
    with database.reading() as session:
        return len(session.scalars(select(OutboxMessage.id).where(OutboxMessage.state == state)).all())


class Postbox:
    """A way out that keeps what it is given, and may be told what to do first."""

    def __init__(self, first: Callable[[Letter], None] = lambda _: None) -> None:
        self.first = first
        self.letters: list[Letter] = []

    def deliver(self, letter: Letter, message: EmailMessage) -> None:
        self.first(letter)
        self.letters.append(letter)


def refuse(letter: Letter) -> None:
    raise Refused("the mail server said 550 no such mailbox")


def delay(letter: Letter) -> None:
    raise Delayed("the mail server said 450 busy")


def server_down(letter: Letter) -> None:
    raise Delayed("the mail server: connection refused", server_down=True)


def test_what_is_due_is_sent_in_its_order_and_never_again(database: Database) -> None:
    posted(database, "receipt:1", "receipt:2", "receipt:3")
    postbox = Postbox()
    assert is_due(database)
    assert send_due(database, postbox, compose) == Sent(sent=3)
    assert [letter.dedupe_key for letter in postbox.letters] == ["receipt:1", "receipt:2", "receipt:3"]
    assert not is_due(database)
    assert send_due(database, postbox, compose) == Sent()
    sent = row(database)
    assert (sent.state, sent.attempts, sent.last_error) == ("sent", 1, "")
    assert sent.sent_at is not None


def test_a_run_sends_no_more_than_its_limit(database: Database) -> None:
    posted(database, *(f"receipt:{number}" for number in range(5)))
    assert send_due(database, Postbox(), compose, limit=2) == Sent(sent=2)
    assert count(database, "waiting") == 3


def test_no_transaction_is_open_while_a_message_is_sent(database: Database) -> None:
    posted(database, "receipt:1")
    open_then: list[int] = []
    send_due(database, Postbox(lambda _: open_then.append(open_transactions())), compose)
    assert open_then == [0]


def test_a_temporary_failure_waits_longer_each_time_and_ends_as_failed_with_its_reason(database: Database) -> None:
    posted(database, "receipt:1")
    postbox = Postbox(delay)
    waits: list[timedelta] = []
    with time_machine.travel(now() + timedelta(seconds=1), tick=False) as clock:
        for _ in range(MOST_ATTEMPTS - 1):
            assert send_due(database, postbox, compose) == Sent(later=1)
            assert send_due(database, postbox, compose) == Sent(), "it was tried again before its time"
            waits.append(row(database).due_at - now())
            clock.move_to(row(database).due_at)
        assert row(database).last_error == "the mail server said 450 busy"
        assert send_due(database, postbox, compose) == Sent(failed=1)
        clock.shift(timedelta(days=30))
        assert send_due(database, postbox, compose) == Sent()
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=30)
    assert waits[-1] == timedelta(hours=12)
    assert timedelta(hours=24) < sum(waits, timedelta()) < timedelta(hours=48)
    given_up = row(database)
    assert (given_up.state, given_up.attempts) == ("failed", MOST_ATTEMPTS)
    assert given_up.last_error == "the mail server said 450 busy"


def test_a_message_that_was_put_off_is_sent_when_its_time_has_come(database: Database) -> None:
    posted(database, "receipt:1")
    assert send_due(database, Postbox(delay), compose) == Sent(later=1)
    postbox = Postbox()
    with time_machine.travel(now() + wait_after(1) + timedelta(seconds=1), tick=False):
        assert send_due(database, postbox, compose) == Sent(sent=1)
    assert (row(database).state, row(database).last_error) == ("sent", "")
    assert [letter.attempts for letter in postbox.letters] == [2]


def test_a_permanent_failure_is_not_tried_again_and_says_why(database: Database) -> None:
    posted(database, "receipt:1", "receipt:2")
    assert send_due(database, Postbox(refuse), compose) == Sent(failed=2)
    assert (row(database).state, row(database).attempts) == ("failed", 1)
    assert row(database).last_error == "the mail server said 550 no such mailbox"


def test_an_outage_of_the_mail_server_uses_up_one_attempt_of_one_message_a_run(database: Database) -> None:
    posted(database, "receipt:1", "receipt:2", "receipt:3")
    assert send_due(database, Postbox(server_down), compose) == Sent(later=1)
    assert [row(database, f"receipt:{number}").attempts for number in (1, 2, 3)] == [1, 0, 0]


def test_a_message_that_cannot_be_written_holds_up_no_other(database: Database) -> None:
    posted(database, "receipt:gone", "receipt:fault", "receipt:fine")

    def sometimes(letter: Letter) -> EmailMessage:
        if letter.dedupe_key == "receipt:gone":
            raise CannotWrite("the order is no longer there")
        if letter.dedupe_key == "receipt:fault":
            raise ZeroDivisionError("a fault of ours")
        return compose(letter)

    with structlog.testing.capture_logs() as logged:
        assert send_due(database, Postbox(), sometimes) == Sent(sent=1, failed=1, later=1)
    assert row(database, "receipt:gone").last_error == "the order is no longer there"
    assert row(database, "receipt:fault").state == "waiting"
    assert "message could not be written" in [line["event"] for line in logged]


def test_the_log_holds_no_buyers_address_even_if_the_mail_server_repeats_it(database: Database) -> None:
    posted(database, "receipt:1")

    def repeat(letter: Letter) -> None:
        raise Refused(f"the mail server said 550 <{letter.recipient}>: user unknown")

    with structlog.testing.capture_logs() as logged:
        send_due(database, Postbox(repeat), compose)
    assert logged
    assert "mei@example.com" not in str(logged)
    assert "mei@example.com" in row(database).last_error


class Killed(BaseException):
    """The process is gone: nothing after this line runs."""


def test_a_worker_killed_before_sending_loses_no_message(database: Database) -> None:
    posted(database, "receipt:1")

    def die(letter: Letter) -> None:
        raise Killed

    with pytest.raises(Killed):
        send_due(database, Postbox(die), compose)
    postbox = Postbox()
    assert send_due(database, postbox, compose) == Sent(), "the lease has not run out yet"
    with time_machine.travel(now() + LEASE + timedelta(seconds=1), tick=False):
        assert send_due(database, postbox, compose) == Sent(sent=1)
    assert len(postbox.letters) == 1


def test_a_message_that_kills_every_worker_is_given_up_in_the_end(database: Database) -> None:
    posted(database, "receipt:1")
    with database.transaction() as session:
        session.execute(update(OutboxMessage).values(attempts=MOST_ATTEMPTS))
    postbox = Postbox()
    assert send_due(database, postbox, compose) == Sent(failed=1)
    assert postbox.letters == []
    assert "given up" in row(database).last_error


def test_a_slow_failure_does_not_touch_what_another_worker_has_sent_since(database: Database) -> None:
    posted(database, "receipt:1")
    other = Postbox()

    def outlive_the_lease(letter: Letter) -> None:
        with time_machine.travel(now() + LEASE + timedelta(seconds=1), tick=False):
            assert send_due(database, other, compose) == Sent(sent=1)
        raise Refused("too late to matter")

    assert send_due(database, Postbox(outlive_the_lease), compose) == Sent(failed=1)
    assert row(database).state == "sent"


def two_senders(database: Database) -> list[Letter]:
    """Two workers at once, of whom the first one keeps its message in hand until the other has been through."""
    postbox = Postbox()
    in_hand, other_done = threading.Event(), threading.Event()

    def hold(letter: Letter) -> None:
        if threading.current_thread().name == "first":
            in_hand.set()
            assert other_done.wait(20)

    postbox.first = hold
    first = threading.Thread(target=send_due, args=(database, postbox, compose), name="first")
    first.start()
    try:
        assert in_hand.wait(20)
        send_due(database, postbox, compose)
    finally:
        other_done.set()
        first.join(20)
    return postbox.letters


def test_two_workers_at_once_send_a_message_once(database: Database) -> None:
    posted(database, "receipt:1")
    assert len(two_senders(database)) == 1


def test_without_the_lease_they_would_send_it_twice(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LEASE", timedelta(0))
    posted(database, "receipt:1")
    assert len(two_senders(database)) == 2


def taken_by_many(database: Database, senders: int) -> list[int]:
    """So many threads take what there is, all at once; the ids that they got."""
    start = threading.Barrier(senders)
    got: list[int] = []

    def take_all() -> None:
        start.wait(20)
        while True:
            with database.transaction() as session:
                letter = sending.take(session, now())
            if letter is None:
                return
            got.append(letter.id)

    threads = [threading.Thread(target=take_all) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return got


def test_many_workers_taking_at_the_same_moment_never_get_the_same_message(database: Database) -> None:
    posted(database, *(f"receipt:{number}" for number in range(60)))
    got = taken_by_many(database, senders=6)
    assert len(got) == len(set(got)) == 60


def test_looking_first_and_marking_afterwards_would_give_one_message_to_several(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_have_looked = threading.Barrier(2, timeout=20)

    def look_then_mark(session: Session, moment: object) -> Letter | None:
        waiting = select(OutboxMessage).where(OutboxMessage.state == "waiting", OutboxMessage.attempts == 0)
        found = session.scalars(waiting.limit(1)).one_or_none()
        if found is None:
            return None
        both_have_looked.wait()
        session.execute(update(OutboxMessage).where(OutboxMessage.id == found.id).values(attempts=1))
        return a_letter(id=found.id)

    monkeypatch.setattr(sending, "take", look_then_mark)
    posted(postgres_database, "receipt:1")
    assert len(taken_by_many(postgres_database, senders=2)) == 2


def test_a_folder_gets_one_file_a_message_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    transport = transport_for(f"folder:{tmp_path / 'mail'}")
    for number, key in enumerate(("receipt:1", "receipt:2")):
        letter = a_letter(id=41 + number, dedupe_key=key, written_at=NOON + timedelta(seconds=number))
        transport.deliver(letter, compose(letter))
    names = sorted(path.name for path in (tmp_path / "mail").iterdir())
    assert names == ["20260301T123005250000Z-00000041-receipt.eml", "20260301T123006250000Z-00000042-receipt.eml"]
    assert b"Subject: receipt:1\r\n" in (tmp_path / "mail" / names[0]).read_bytes()


def test_a_message_delivered_again_replaces_its_file(tmp_path: Path) -> None:
    transport = FolderTransport(tmp_path)
    for _ in range(2):
        transport.deliver(a_letter(), compose(a_letter()))
    assert len(list(tmp_path.iterdir())) == 1


def test_whoever_reads_the_folder_meets_no_half_written_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    replace = Path.replace

    def look_then_replace(self: Path, target: Path) -> Path:
        seen.append([path.name for path in tmp_path.glob("*.eml") if not path.name.startswith(".")])
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", look_then_replace)
    FolderTransport(tmp_path).deliver(a_letter(), compose(a_letter()))
    assert seen == [[]]


def test_a_folder_that_cannot_be_written_delays_the_mail(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file where the folder should be")
    with pytest.raises(Delayed, match="mail folder"):
        FolderTransport(tmp_path / "mail").deliver(a_letter(), compose(a_letter()))


@pytest.mark.parametrize("url", ["", "folder:", "http://example.com", "smtp://", "mail.example.com:25"])
def test_an_address_for_mail_that_names_no_way_out_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="mail goes to"):
        transport_for(url)
