"""Reading a folder of `.eml` files for show: what the shop has sent while it had no mail server.

Read-only and stateless. The folder belongs to somebody else, who may add or remove files at any moment.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Final

SHOWN_AT_MOST: Final = 100
FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._@+-]{0,200}\.eml")
LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. `sent` is UTC, from the file's own time; `text` and `html` are the bodies, None where there is none.

    `language` is a tag of BCP 47, empty where the message names none.
    """

    name: str
    sent: datetime
    sender: str
    recipient: str
    subject: str
    language: str
    text: str | None
    html: str | None


def letters(folder: Path) -> list[Letter]:
    """The newest `SHOWN_AT_MOST` messages, newest first. A folder that does not exist (yet) holds none."""
    found: list[tuple[int, str]] = []
    try:
        entries = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    for entry in entries:
        if FILE_NAME.fullmatch(entry.name):
            try:
                found.append((entry.lstat().st_mtime_ns, entry.name))
            except FileNotFoundError:
                continue
    newest = sorted(found, reverse=True)[:SHOWN_AT_MOST]
    return [letter for _, name in newest if (letter := open_letter(folder, name)) is not None]


def open_letter(folder: Path, name: str) -> Letter | None:
    """The message `name`, or None if there is no such file directly in `folder`.

    A name is matched against a narrow pattern before it meets the file system, and a link is not followed: neither a
    path nor a symbolic link can lead out of the folder.
    """
    if not FILE_NAME.fullmatch(name):
        return None
    path = folder / name
    try:
        if path.is_symlink() or not path.is_file():
            return None
        raw, sent = path.read_bytes(), path.stat().st_mtime
    except OSError:
        return None
    message = BytesParser(policy=policy.default).parsebytes(raw)
    return Letter(
        name=name,
        sent=datetime.fromtimestamp(sent, UTC),
        sender=_header(message, "From"),
        recipient=_header(message, "To"),
        subject=_header(message, "Subject") or "(no subject)",
        language=language if LANGUAGE.fullmatch(language := _header(message, "Content-Language")) else "",
        text=_body(message, "plain"),
        html=_body(message, "html"),
    )


def _header(message: EmailMessage, name: str) -> str:
    # The parser builds headers when they are asked for, and a hand-made file may hold one that it cannot read.
    try:
        return str(message.get(name, "")).strip()
    except (ValueError, IndexError, AttributeError):
        return ""


def _body(message: EmailMessage, subtype: str) -> str | None:
    part = message.get_body(preferencelist=(subtype,))
    if part is None:
        return None
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return None
    try:
        return raw.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")
