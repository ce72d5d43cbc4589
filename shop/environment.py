"""How the text of an environment variable becomes a value. What cannot become one says what to write instead."""

import re
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.numbers import list_currencies
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


def split(address: str) -> SplitResult | None:
    """The parts of an address, or None where it has no host, or a port that is none."""
    try:
        parts = urlsplit(address)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def is_database(url: str, *drivers: str) -> bool:
    """Whether `url` names a file for SQLite, or a database for one of these drivers."""
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return False
    return (
        bool(parts.database)
        and parts.drivername in {"sqlite", *drivers}
        and not (parts.drivername == "sqlite" and parts.host)
    )


def from_here(url: str) -> str:
    """A database's `url`, with the path of an SQLite file made absolute.

    Libraries disagree on where a relative one begins: Flask-SQLAlchemy-Lite counts from the app's own folder, everybody else
    from the working directory, and the shop and its worker would each have a database of their own.
    """
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return url
    if parts.drivername != "sqlite" or not parts.database or parts.database == ":memory:":
        return url
    return parts.set(database=str(Path(parts.database).absolute())).render_as_string(hide_password=False)


def _words(value: Any) -> Any:
    """Split "a, b c" into ("a", "b", "c"); environment variables hold lists that way."""
    if isinstance(value, str):
        return tuple(word for word in re.split(r"[\s,]+", value) if word)
    return value


def _origin(value: str) -> str:
    parts = split(value)
    if parts is None or parts.scheme not in {"http", "https"} or parts.query or parts.fragment or parts.username:
        raise ValueError("write an address such as https://shop.example.com")
    if parts.path not in {"", "/"}:
        raise ValueError("write the address without a path, such as https://shop.example.com")
    return f"{parts.scheme}://{parts.netloc}"


def _currency(value: str) -> str:
    code = value.lower()
    if code.upper() not in list_currencies():
        raise ValueError("write an ISO 4217 code such as SGD")
    return code


def _locale(value: str) -> str:
    try:
        Locale.parse(value.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        raise ValueError("write a locale such as en_SG") from None
    return value.replace("-", "_")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("write a time zone such as Asia/Singapore or UTC") from None
    return value


def _country(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", value):
        raise ValueError("write a two-letter country code such as SG")
    return value.upper()


def _listens_on(value: str) -> str:
    if value == "localhost":
        return "127.0.0.1"  # the server wants numbers
    try:
        return str(ip_address(value.strip("[]")))
    except ValueError:
        raise ValueError("write an IP address: 127.0.0.1 for this machine only, 0.0.0.0 for all networks") from None


def _folder(value: Path) -> Path:
    if value.exists() and not value.is_dir():
        raise ValueError("write the path of a folder; this is a file")
    return value


def _mailbox(value: str) -> str:
    _, address = parseaddr(value)
    if value and not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        raise ValueError("write an e-mail address such as shop@example.com")
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_words)]
Port = Annotated[int, Field(ge=1, le=65535)]
Origin = Annotated[str, AfterValidator(_origin)]
Currency = Annotated[str, AfterValidator(_currency)]
Country = Annotated[str, AfterValidator(_country)]
ZoneName = Annotated[str, AfterValidator(_zone)]
LocaleName = Annotated[str, AfterValidator(_locale)]
ListensOn = Annotated[str, AfterValidator(_listens_on)]
Folder = Annotated[Path, AfterValidator(_folder)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]


def explain(error: ValidationError, fields: dict[str, FieldInfo]) -> str:
    """One line for each variable that is wrong: its name, and what to put there. Never what was put there."""
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        if name in fields:
            lines.append(f"{name.upper()}: {_wish(problem['type'], problem['msg'], fields[name])}")
        else:
            lines += problem["msg"].removeprefix("Value error, ").splitlines()
    return "The shop cannot start:\n" + "\n".join(f"  {line}" for line in lines)


def _wish(kind: str, message: str, field: FieldInfo) -> str:
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    limits = {name: getattr(rule, name) for rule in field.metadata for name in ("ge", "le") if hasattr(rule, name)}
    if field.annotation is int:
        return f"write a whole number from {limits['ge']} to {limits['le']}"
    if field.annotation is bool:
        return "write true or false"
    if kind == "literal_error":
        return f"write {message.removeprefix('Input should be ').replace(chr(39), '')}"
    return message[:1].lower() + message[1:]
