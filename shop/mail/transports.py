"""The ways in which a message leaves the shop: into a folder, for development, or to a mail server.

Every way says one of three things: it returns (the message is somebody else's now), it raises Delayed (try again later),
or it raises Refused (this message will never be taken).
"""

import contextlib
import os
import re
import smtplib
import ssl
from dataclasses import dataclass, field
from email.generator import BytesGenerator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from shop.mail.messages import Letter

# How long one answer of a mail server may take, in seconds. A whole conversation has about ten of them.
PATIENCE = 20.0


class Delayed(Exception):
    """Not now: the server cannot be reached, hung up, or asked us to come back. The text is for staff.

    `server_down` says that the next message would fare no better, so that a run of many may stop.
    """

    def __init__(self, reason: str, *, server_down: bool = False) -> None:
        super().__init__(reason)
        self.server_down = server_down


class Refused(Exception):
    """Not ever: the server will not take this message. The text is for staff."""


class Transport(Protocol):
    """A way out. `deliver` returns when the message is on its way, or raises Delayed or Refused."""

    def deliver(self, letter: Letter, message: EmailMessage) -> None: ...


def transport_for(url: str) -> Transport:
    """The transport that SHOP_MAIL_URL names: `folder:/path`, `smtp://user:password@host:587` or `smtps://...`.

    User and password are percent-decoded. Raises ValueError for anything else.
    """
    if url.startswith("folder:") and len(url) > len("folder:"):
        return FolderTransport(Path(url.removeprefix("folder:")))
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError("mail goes to folder:/path, smtp://user:password@host:587 or smtps://...")
    return SmtpTransport(
        host=parts.hostname,
        port=parts.port or (465 if parts.scheme == "smtps" else 587),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls_from_start=parts.scheme == "smtps",
    )


@dataclass(frozen=True, slots=True)
class FolderTransport:
    """Writes each message into a folder as a file that any mail program opens.

    The file's name follows from the row of the outbox, so a message delivered again replaces itself.
    """

    folder: Path

    def deliver(self, letter: Letter, message: EmailMessage) -> None:
        name = f"{letter.written_at:%Y%m%dT%H%M%S%f}Z-{letter.id:08d}-{letter.kind}.eml"
        unfinished = self.folder / f".{name}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Renamed when complete: whoever reads the folder never meets half a message.
            unfinished.write_bytes(as_bytes(message))
            unfinished.replace(self.folder / name)
        except OSError as error:
            raise Delayed(f"the mail folder: {error.strerror or error}", server_down=True) from error


def as_bytes(message: EmailMessage) -> bytes:
    """The message as it goes over the wire: CRLF, and UTF-8 headers only if an address cannot do without (RFC 6531)."""
    written = BytesIO()
    mailboxes = [mailbox for name in ("From", "To", "Reply-To") for mailbox in message[name].addresses]
    plain = all(mailbox.addr_spec.isascii() for mailbox in mailboxes)
    BytesGenerator(written, policy=SMTP if plain else SMTP.clone(utf8=True)).flatten(message)
    return written.getvalue()


@dataclass(frozen=True, slots=True)
class SmtpTransport:
    """Hands each message to a mail server, in a conversation of its own.

    Encrypted from the start, or by STARTTLS where the server offers it, with a certificate that must be valid for the host;
    on the loopback, where nobody listens in, any certificate will do. A password is never sent in the clear to another
    machine.
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    tls_from_start: bool = False
    patience: float = PATIENCE

    def deliver(self, letter: Letter, message: EmailMessage) -> None:
        sender = parseaddr(str(message["From"]))[1]
        try:
            server = self._connect()
        except smtplib.SMTPResponseException as error:
            raise Delayed(_said(error.smtp_code, error.smtp_error), server_down=True) from error
        except (smtplib.SMTPException, OSError) as error:
            raise Delayed(_in_words(error), server_down=True) from error
        try:
            server.send_message(message, from_addr=sender, to_addrs=[letter.recipient])
        except smtplib.SMTPRecipientsRefused as error:
            raise _verdict(*next(iter(error.recipients.values()))) from error
        except smtplib.SMTPSenderRefused as error:
            # Our own address is refused: the operator can mend that, and the buyer's receipt should still come then.
            raise Delayed(_said(error.smtp_code, error.smtp_error), server_down=True) from error
        except smtplib.SMTPResponseException as error:
            raise _verdict(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Refused("the mail server does not take addresses with such letters") from error
        except (smtplib.SMTPException, OSError) as error:
            # Hung up before it said yes. It may have kept the message all the same; see `shop.mail.sending`.
            raise Delayed(_in_words(error)) from error
        finally:
            # The message is theirs or it is not: how the server says goodbye changes nothing.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()

    def _connect(self) -> smtplib.SMTP:
        if self.tls_from_start:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.patience, context=self._certificates()
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.patience)
        try:
            server.ehlo_or_helo_if_needed()
            encrypted = self.tls_from_start
            if not encrypted and server.has_extn("starttls"):
                server.starttls(context=self._certificates())
                server.ehlo_or_helo_if_needed()
                encrypted = True
            if self.user:
                if not encrypted and not self._is_loopback():
                    raise smtplib.SMTPException("it offers no encryption, so the password was not sent")
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server

    def _is_loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def _certificates(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._is_loopback():
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _verdict(code: int, answer: bytes | str) -> Delayed | Refused:
    """RFC 5321, 4.2.1: 5yz is for good, everything else may be tried again. 421 closes the whole service for now."""
    if 500 <= code <= 599:
        return Refused(_said(code, answer))
    return Delayed(_said(code, answer), server_down=code == 421)


def _said(code: int, answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return f"the mail server said {code} {' '.join(text.split())}".rstrip()


def _in_words(error: Exception) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    return f"the mail server: {text}"
