"""Mail by SMTP, against a real server that accepts, refuses, stalls and hangs up."""

import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
import trustme
from sqlalchemy import select

from shop.config import Settings
from shop.db import Database, now
from shop.mail.models import OutboxMessage
from shop.mail.outbox import post
from shop.mail.sending import Sent, send_due, wait_after
from shop.mail.transports import Delayed, Refused, SmtpTransport, transport_for
from shop.workshop import Workshop
from tests.support.letters import HANG_UP, KEEP_AND_HANG_UP, MailServer, a_letter, a_mail_server, an_order, ordered


@pytest.fixture
def server() -> Iterator[MailServer]:
    with a_mail_server() as server:
        yield server


@pytest.fixture
def workshop(settings: Settings, database: Database) -> Iterator[Workshop]:
    workshop = Workshop(settings)
    with database.transaction() as session:
        order = an_order(session)
        post(session, "receipt", order.email, f"receipt:{order.number}", order_id=order.id)
    yield workshop
    workshop.close()


def send(workshop: Workshop, server: MailServer) -> Sent:
    return send_due(workshop.database, transport_for(server.url), workshop.compose)


def state(database: Database) -> tuple[str, int, str]:
    with database.reading() as session:
        row = session.scalars(select(OutboxMessage)).one()
        return row.state, row.attempts, row.last_error


def later() -> Any:
    return time_machine.travel(now() + wait_after(1) + timedelta(seconds=1), tick=False)


def test_a_receipt_reaches_the_mail_server_as_it_was_written(workshop: Workshop, server: MailServer) -> None:
    assert send(workshop, server) == Sent(sent=1)
    (message,) = server.kept
    assert server.recipients == [("mei@example.com",)]
    assert message["To"] == "mei@example.com"
    html = message.get_body(("html",))
    assert html is not None
    assert "Trump-Kim summit t-shirt" in html.get_content()
    assert "$44.00" in html.get_content()
    assert "A handshake and a coin" in html.get_content()
    assert state(workshop.database) == ("sent", 1, "")
    assert send(workshop, server) == Sent()
    assert len(server.kept) == 1


@pytest.mark.parametrize("when", ["to_recipient", "to_message"])
@pytest.mark.parametrize("answer", ["450 come back later", "421 closing down", HANG_UP])
def test_a_server_that_is_busy_or_hangs_up_gets_the_message_later_and_once(
    workshop: Workshop, server: MailServer, when: str, answer: str
) -> None:
    getattr(server, when).append(answer)
    assert send(workshop, server) == Sent(later=1)
    assert server.kept == []
    assert state(workshop.database)[:2] == ("waiting", 1)
    assert send(workshop, server) == Sent(), "it was tried again at once"
    with later():
        assert send(workshop, server) == Sent(sent=1)
    assert len(server.kept) == 1
    assert state(workshop.database) == ("sent", 2, "")


@pytest.mark.parametrize("when", ["to_recipient", "to_message"])
def test_a_server_that_refuses_for_good_is_not_asked_again(workshop: Workshop, server: MailServer, when: str) -> None:
    getattr(server, when).append("550 no such mailbox")
    assert send(workshop, server) == Sent(failed=1)
    assert state(workshop.database) == ("failed", 1, "the mail server said 550 no such mailbox")
    with later():
        assert send(workshop, server) == Sent()
    assert server.conversations == 1


def test_the_one_window_a_server_that_keeps_the_message_and_hangs_up_gets_it_twice_under_one_message_id(
    workshop: Workshop, server: MailServer
) -> None:
    server.to_message.append(KEEP_AND_HANG_UP)
    assert send(workshop, server) == Sent(later=1)
    with later():
        assert send(workshop, server) == Sent(sent=1)
    first, second = server.kept
    assert first["Message-ID"] == second["Message-ID"]
    assert server.raw[0] == server.raw[1]


def test_a_server_that_is_not_there_is_tried_again(workshop: Workshop) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        url = f"smtp://127.0.0.1:{nobody_listens.getsockname()[1]}"
        assert send_due(workshop.database, transport_for(url), workshop.compose) == Sent(later=1)
    assert "refused" in state(workshop.database)[2]


def test_a_server_that_never_says_a_word_is_not_waited_for_for_ever(workshop: Workshop) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        transport = SmtpTransport("127.0.0.1", silent.getsockname()[1], patience=0.2)
        assert send_due(workshop.database, transport, workshop.compose) == Sent(later=1)
    assert "timed out" in state(workshop.database)[2]


def test_user_and_password_may_hold_any_letter() -> None:
    with a_mail_server() as server:
        transport = transport_for(f"smtp://shop%40example.com:p%40ss%20word@127.0.0.1:{server.port}")
        deliver(transport)
        assert server.logins[0] == ("shop@example.com", "p@ss word")
        assert len(server.kept) == 1


def test_a_wrong_password_is_the_operators_to_mend_and_loses_no_message() -> None:
    with a_mail_server() as server:
        with pytest.raises(Delayed, match="535") as delayed:
            deliver(transport_for(f"smtp://shop:wrong@127.0.0.1:{server.port}"))
        assert delayed.value.server_down
        assert server.kept == []


def test_the_password_is_in_no_representation_of_the_transport() -> None:
    assert "secret" not in repr(transport_for("smtp://shop:secret@mail.example.com"))


def deliver(transport: Any, **fields: Any) -> None:
    from shop.mail.messages import Stationery, write

    stationery = Stationery("The Ledger Shop", "https://shop.example.com", "shop@example.com", "en_SG")
    letter = a_letter(**fields)
    transport.deliver(letter, write(stationery, letter, ordered()))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """mail.example.com, a machine other than this one, is reached on 127.0.0.1."""
    connect = socket.create_connection

    def to_here(address: tuple[str, int], *rest: Any, **options: Any) -> socket.socket:
        return connect(("127.0.0.1" if address[0] == "mail.example.com" else address[0], address[1]), *rest, **options)

    monkeypatch.setattr(socket, "create_connection", to_here)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mail.example.com").configure_cert(context)
    return context


@pytest.mark.parametrize(("scheme", "from_the_start"), [("smtp", False), ("smtps", True)])
def test_mail_to_another_machine_is_encrypted_when_the_certificate_is_its_own(
    elsewhere: None,
    authority: trustme.CA,
    certificate: ssl.SSLContext,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    from_the_start: bool,
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with a_mail_server(certificate=certificate, from_the_start=from_the_start) as server:
        deliver(transport_for(f"{scheme}://mail.example.com:{server.port}"))
        assert server.encrypted == [True]


@pytest.mark.parametrize(("scheme", "from_the_start"), [("smtp", False), ("smtps", True)])
def test_a_certificate_that_nobody_vouches_for_delays_the_mail(
    elsewhere: None, certificate: ssl.SSLContext, scheme: str, from_the_start: bool
) -> None:
    with a_mail_server(certificate=certificate, from_the_start=from_the_start) as server:
        with pytest.raises(Delayed, match="certificate verify failed"):
            deliver(transport_for(f"{scheme}://mail.example.com:{server.port}"))
        assert server.kept == []


def test_a_mail_server_on_this_machine_may_bring_any_certificate(certificate: ssl.SSLContext) -> None:
    with a_mail_server(certificate=certificate) as server:
        deliver(transport_for(server.url))
        assert server.encrypted == [True]


def test_a_password_is_never_sent_in_the_clear_to_another_machine(elsewhere: None, server: MailServer) -> None:
    with pytest.raises(Delayed, match="the password was not sent"):
        deliver(transport_for(f"smtp://shop:secret@mail.example.com:{server.port}"))
    assert server.logins == []


def test_an_address_in_another_script_goes_to_a_server_that_reads_it(server: MailServer) -> None:
    deliver(transport_for(server.url), recipient="用户@example.com")
    assert server.recipients == [("用户@example.com",)]


def test_an_address_in_another_script_is_refused_for_a_server_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_mail_server(reads_all_scripts=False) as server:
        with pytest.raises(Refused, match="such letters"):
            deliver(transport_for(server.url), recipient="用户@example.com")
        assert server.kept == []


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [("smtp://mail.example.com", "mail.example.com", 587), ("smtps://mail.example.com", "mail.example.com", 465)],
)
def test_the_usual_ports_are_assumed(url: str, host: str, port: int) -> None:
    transport = transport_for(url)
    assert isinstance(transport, SmtpTransport)
    assert (transport.host, transport.port, transport.tls_from_start) == (host, port, port == 465)
