"""What tests of mail share: orders to write about, and a mail server that behaves as badly as it is told to."""

import asyncio
import email
import itertools
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from sqlalchemy.orm import Session

from shop.mail.messages import Letter, Ordered, OrderedLine
from shop.money import Money
from shop.orders.models import Order, OrderLine

_serial = itertools.count(1)
NOON = datetime(2026, 3, 1, 12, 30, 5, 250_000, tzinfo=UTC)


def an_order(session: Session, **fields: Any) -> Order:
    """A paid order of one shirt, bought under a story."""
    serial = next(_serial)
    values: dict[str, Any] = {
        "number": f"U-TEST{serial}",
        "access_token": f"token-{serial}-" + "x" * 20,
        "cart_digest": "0" * 64,
        "status": "paid",
        "stock_state": "sold",
        "currency": "sgd",
        "subtotal_minor": 3900,
        "shipping_minor": 500,
        "total_minor": 4400,
        "paid_minor": 4400,
        "country": "SG",
        "email": "mei@example.com",
        "buyer_name": "Mei Lin Tan",
        "address": {"name": "Mei Lin Tan", "line1": "12 Bukit Timah Road", "postal_code": "229641", "country": "SG"},
        "paid_at": NOON,
        "closed_at": NOON,
    }
    order = Order(**(values | fields))
    session.add(order)
    session.flush()
    session.add(
        OrderLine(
            order_id=order.id,
            sku="TEE-BLK-M",
            title="Trump-Kim summit t-shirt",
            variant_title="Black / M",
            unit_price_minor=3900,
            quantity=1,
            article_url="https://news.example.com/summit",
            article_title="A handshake and a coin",
        )
    )
    session.flush()
    return order


def a_letter(kind: str = "receipt", **fields: Any) -> Letter:
    """A letter as a sender has taken it."""
    values: dict[str, Any] = {
        "id": 7,
        "kind": kind,
        "recipient": "mei@example.com",
        "dedupe_key": f"{kind}:U-7K2M4Q",
        "order_id": 1,
        "context": {},
        "written_at": NOON,
        "attempts": 1,
    }
    return Letter(**(values | fields))


def ordered(currency: str = "sgd", **fields: Any) -> Ordered:
    """What a message says of an order: two shirts and a pin, bought under a story."""

    def money(minor: int) -> Money:
        return Money(minor, currency)

    values: dict[str, Any] = {
        "number": "U-7K2M4Q",
        "access_token": "the-unguessable-link",
        "lines": (
            OrderedLine("Trump-Kim summit t-shirt", "Black / M", 2, money(3900), money(7800)),
            OrderedLine("Inverted Pyramid pin", "", 1, money(1400), money(1400)),
        ),
        "subtotal": money(9200),
        "shipping": money(500),
        "total": money(9700),
        "paid": money(9700),
        "shipping_method": "Standard",
        "buyer_name": "Mei Lin Tan",
        "address": {
            "name": "Mei Lin Tan",
            "line1": "12 Bukit Timah Road",
            "line2": "#04-11",
            "city": "Singapore",
            "state": "",
            "postal_code": "229641",
            "country": "SG",
        },
        "placed_at": NOON,
        "livemode": True,
        "story_url": "https://news.example.com/summit",
        "story_title": "A handshake and a coin",
    }
    return Ordered(**(values | fields))


HANG_UP = "hang up before the answer"
KEEP_AND_HANG_UP = "keep the message, and hang up before the answer"


class MailServer:
    """A real SMTP server. `to_recipient` and `to_message` are its next answers, in order; then it accepts everything.

    An answer is an SMTP reply such as "450 busy", or one of the constants above.
    """

    def __init__(self) -> None:
        self.port = 0
        self.to_recipient: list[str] = []
        self.to_message: list[str] = []
        self.kept: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.recipients: list[Sequence[str]] = []
        self.conversations = 0
        self.encrypted: list[bool] = []
        self.logins: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    # aiosmtpd calls these by their names.

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.conversations += session.ssl is None
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        answer = self.to_recipient.pop(0) if self.to_recipient else "250 OK"
        if answer == HANG_UP:
            server.transport.abort()
            return "421 never read"
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        answer = self.to_message.pop(0) if self.to_message else "250 OK"
        if answer in {HANG_UP, KEEP_AND_HANG_UP}:
            server.transport.abort()
        if answer.startswith("2") or answer == KEEP_AND_HANG_UP:
            assert isinstance(envelope.content, bytes)
            self.raw.append(envelope.content)
            message = email.message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.kept.append(message)
            self.recipients.append(tuple(envelope.rcpt_tos))
            self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return answer if answer[0].isdigit() else "421 never read"

    def let_in(self, server: Any, session: Any, envelope: Envelope, mechanism: str, said: Any) -> AuthResult:
        self.logins.append((said.login.decode(), said.password.decode()))
        return AuthResult(success=said.password == b"p@ss word", handled=False)


@contextmanager
def a_mail_server(
    *,
    certificate: ssl.SSLContext | None = None,
    from_the_start: bool = False,
    reads_all_scripts: bool = True,
) -> Iterator[MailServer]:
    """A mail server on a free port of 127.0.0.1, in a thread with an event loop of its own."""
    mailbox = MailServer()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    connections: list[Any] = []

    def protocol() -> SMTP:
        starttls = None if from_the_start else certificate
        server = SMTP(
            mailbox,
            hostname="mail.test",
            loop=loop,
            enable_SMTPUTF8=reads_all_scripts,
            tls_context=starttls,
            authenticator=mailbox.let_in,
            auth_require_tls=certificate is not None,
        )
        connections.append(server)
        return server

    async def listen() -> asyncio.Server:
        tls = certificate if from_the_start else None
        return await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls)

    async def close(listener: asyncio.Server) -> None:
        listener.close()
        for connection in connections:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.gather(
            *(task for task in asyncio.all_tasks() if task is not asyncio.current_task()), return_exceptions=True
        )

    def run() -> None:
        asyncio.set_event_loop(loop)
        listener = loop.run_until_complete(listen())
        mailbox.port = listener.sockets[0].getsockname()[1]
        ready.set()
        loop.run_forever()
        loop.run_until_complete(close(listener))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run, name="mail server")
    thread.start()
    assert ready.wait(10)
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
