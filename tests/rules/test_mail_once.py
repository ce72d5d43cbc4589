"""Every kind of message leaves once, whatever the mail server does: held against a real one that has a bad evening."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from shop.config import Settings
from shop.db import Database, now
from shop.mail.models import OutboxMessage
from shop.mail.outbox import ABOUT_ORDERS, post
from shop.mail.sending import LONGEST_WAIT, MOST_ATTEMPTS, Sent, send_due
from shop.mail.transports import SmtpTransport, transport_for
from shop.workshop import Workshop
from tests.support.letters import HANG_UP, a_mail_server, an_order

CONTEXT = {"reason": "Because.", "amount_minor": 1400}


@pytest.fixture
def workshop(settings: Settings, database: Database) -> Iterator[Workshop]:
    workshop = Workshop(settings)
    yield workshop
    workshop.close()


def write_down(database: Database, kind: str, recipient: str = "", locale: str = "", times: int = 1) -> str:
    """A message of this kind in the outbox, asked for so many times. Returns its order's number."""
    with database.transaction() as session:
        order = an_order(session, locale=locale)
        for _ in range(times):
            post(session, kind, recipient or order.email, f"{kind}:{order.number}", order.id, CONTEXT)
        return order.number


def rows(database: Database) -> list[tuple[str, str, int]]:
    with database.reading() as session:
        found = session.execute(
            select(OutboxMessage.kind, OutboxMessage.state, OutboxMessage.attempts).order_by(OutboxMessage.id)
        )
        return [tuple(row) for row in found]


def send_until_quiet(workshop: Workshop, transport: Any) -> Sent:
    """Every run that there would be within the days that a message is tried for."""
    sent = failed = later = 0
    moment = now()
    for _ in range(MOST_ATTEMPTS + 2):
        with time_machine.travel(moment, tick=False):
            run = send_due(workshop.database, transport, workshop.compose)
        sent, failed, later = sent + run.sent, failed + run.failed, later + run.later
        moment += LONGEST_WAIT
    return Sent(sent, failed, later)


@pytest.mark.parametrize("kind", sorted(ABOUT_ORDERS))
@pytest.mark.parametrize("locale", ["", "zh_Hans_SG"])
def test_each_kind_leaves_once_after_a_server_that_is_busy_hangs_up_and_closes_down(
    workshop: Workshop, database: Database, kind: str, locale: str
) -> None:
    number = write_down(database, kind, locale=locale, times=3)
    with a_mail_server() as server:
        server.to_recipient += ["450 busy", HANG_UP, "421 closing down"]
        server.to_message += ["451 try again", HANG_UP, "452 no room", "421 closing down"]
        assert send_until_quiet(workshop, transport_for(server.url)) == Sent(sent=1, later=7)
    (message,) = server.kept
    assert message["To"] == "mei@example.com"
    assert number in message["Subject"]
    assert (message["Content-Language"] == "zh-Hans-SG") is (bool(locale) and not kind.startswith("staff_"))
    assert rows(database) == [(kind, "sent", 8)]


@pytest.mark.parametrize("kind", sorted(ABOUT_ORDERS))
def test_each_kind_waits_for_a_server_that_is_down_and_leaves_once_when_it_is_back(
    workshop: Workshop, database: Database, kind: str
) -> None:
    write_down(database, kind)
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        down = SmtpTransport("127.0.0.1", nobody_listens.getsockname()[1])
        assert send_due(database, down, workshop.compose) == Sent(later=1)
    with a_mail_server() as server:
        assert send_until_quiet(workshop, transport_for(server.url)) == Sent(sent=1)
        assert len(server.kept) == 1
    assert rows(database) == [(kind, "sent", 2)]


def test_a_refused_recipient_keeps_nobody_elses_message(workshop: Workshop, database: Database) -> None:
    for kind in sorted(ABOUT_ORDERS):
        write_down(database, kind)
    with a_mail_server() as server:
        server.to_recipient += ["550 no such mailbox"]
        assert send_until_quiet(workshop, transport_for(server.url)) == Sent(sent=len(ABOUT_ORDERS) - 1, failed=1)
    kinds = {message["Message-ID"].strip("<").partition(".")[0] for message in server.kept}
    assert [state for _, state, _ in rows(database)] == ["failed"] + ["sent"] * (len(ABOUT_ORDERS) - 1)
    assert kinds == ABOUT_ORDERS - {min(ABOUT_ORDERS)}


def test_a_server_that_is_down_for_good_costs_a_message_its_ten_tries_and_is_said(
    workshop: Workshop, database: Database
) -> None:
    write_down(database, "refunded")
    with a_mail_server() as server:
        server.to_message += ["451 try again"] * (MOST_ATTEMPTS + 5)
        assert send_until_quiet(workshop, transport_for(server.url)) == Sent(failed=1, later=MOST_ATTEMPTS - 1)
    assert rows(database) == [("refunded", "failed", MOST_ATTEMPTS)]


def test_a_message_that_can_never_be_written_is_given_up_and_keeps_nobody_waiting(
    workshop: Workshop, database: Database
) -> None:
    with database.transaction() as session:
        order = an_order(session)
        post(session, "refunded", order.email, "refunded:without-an-amount", order.id)
    write_down(database, "refunded")
    with a_mail_server() as server:
        assert send_until_quiet(workshop, transport_for(server.url)) == Sent(sent=1, failed=1)
    assert [state for _, state, _ in rows(database)] == ["failed", "sent"]


def test_the_amount_of_a_refund_is_told_in_the_currency_of_the_order(workshop: Workshop, database: Database) -> None:
    with database.transaction() as session:
        order = an_order(session, currency="jpy", refunded_minor=1400, locale="ms_SG")
        post(session, "refunded", order.email, "refunded:1", order.id, {"amount_minor": 1400})
    with a_mail_server() as server:
        send_until_quiet(workshop, transport_for(server.url))
    (message,) = server.kept
    for part in message.iter_parts():
        assert "1,400" in part.get_content()
        assert "JPY" in part.get_content()
        assert "14.00" not in part.get_content()
        assert "Dibayar balik setakat ini" in part.get_content()


def test_without_a_fault_every_kind_leaves_in_one_run(workshop: Workshop, database: Database) -> None:
    """The control: the runs above were the server's doing."""
    for kind in sorted(ABOUT_ORDERS):
        write_down(database, kind)
    with a_mail_server() as server:
        assert send_due(database, transport_for(server.url), workshop.compose) == Sent(sent=len(ABOUT_ORDERS))
        assert server.conversations == len(ABOUT_ORDERS)
