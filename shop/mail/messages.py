"""From a row of the outbox to a message that can be sent: text and HTML that say the same, with the styles written inline.

Mail does not know orders. Whoever sends reads the order at that time and hands its figures over as `Ordered`, so that the
outbox holds no second copy of them and a message tells what is true when it leaves.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

import css_inline
from babel import Locale
from babel.dates import format_date
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from shop.languages import TRANSLATED, catalogue, gettext_noop, language_of, tag_of
from shop.mail.outbox import ABOUT_ORDERS, unreachable
from shop.money import Money, format_money
from shop.schema import resource_folder

SUBJECTS = {
    "receipt": gettext_noop("Your receipt for order %(number)s"),
    "payment_failed": gettext_noop("Your payment for order %(number)s did not go through"),
    "shipped": gettext_noop("Your order %(number)s is on its way"),
    "refunded": gettext_noop("Your refund for order %(number)s"),
    "order_needs_you": gettext_noop("Your order %(number)s needs you"),
    "back_in_stock": gettext_noop("%(title)s is back"),
    "staff_attention": gettext_noop("Order %(number)s needs somebody to look at it"),
    "staff_dispute": gettext_noop("The payment of order %(number)s is disputed"),
    "staff_books": gettext_noop("The shop and Stripe disagree about order %(number)s"),
}


class CannotWrite(Exception):
    """No message can be made of this row, now or later. The text says why, for staff."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A row of the outbox that one sender has taken. `attempts` counts the present one; `written_at` is UTC."""

    id: int
    kind: str
    recipient: str
    dedupe_key: str
    order_id: int | None
    context: Mapping[str, Any]
    written_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class OrderedLine:
    """A line of an order as a message shows it."""

    title: str
    variant_title: str
    quantity: int
    unit_price: Money
    total: Money


@dataclass(frozen=True, slots=True)
class Parcel:
    """What has left. `tracking_url` is empty or a web address."""

    carrier: str
    tracking_number: str
    tracking_url: str


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a message says of an order. `address` has Stripe's keys: name, line1, line2, city, state, postal_code, country.

    `locale` (Babel's form) is the buyer's, empty for the shop's own. `refunded` has been given back so far; None for nothing.
    `parcel` is the one that left last; `story_url` and `story_title` name the article under which it was bought, if there was
    one. An order that is not `livemode` was a test, and its messages say so.
    """

    number: str
    access_token: str
    lines: tuple[OrderedLine, ...]
    subtotal: Money
    shipping: Money
    total: Money
    paid: Money
    shipping_method: str
    buyer_name: str
    address: Mapping[str, Any]
    placed_at: datetime
    livemode: bool
    locale: str = ""
    refunded: Money | None = None
    parcel: Parcel | None = None
    story_url: str = ""
    story_title: str = ""


@dataclass(frozen=True, slots=True)
class Stationery:
    """What every message of a shop has in common. `sender` is an address or "Name <address>"; `locale` is Babel's form.

    Staff are written to in that locale, and so are buyers whose order names none of its own.
    """

    shop_name: str
    shop_url: str
    sender: str
    locale: str


def write(stationery: Stationery, letter: Letter, order: Ordered | None) -> EmailMessage:
    """The message of `letter`. Written twice of the same order, it comes out the same to the byte, with one Message-ID.

    A buyer's message is in the language of the order; one about no order says in its context what it is about, and in which
    `locale`. `letter.context` may hold a `reason`, one sentence, and holds for
    refunded the `amount_minor` given back, in the order's currency. Raises CannotWrite when the recipient is no address, the
    order is gone, or the context lacks what the message is about.
    """
    problem = unreachable(letter.recipient)
    if problem:
        raise CannotWrite(problem)
    if letter.kind not in SUBJECTS:
        raise CannotWrite(f"there is no such message as {letter.kind}")
    if order is None and letter.kind in ABOUT_ORDERS:
        raise CannotWrite("the order is no longer there")
    shop_name = one_line(stationery.shop_name)
    sender_name, sender = parseaddr(stationery.sender)
    mark = hashlib.sha256(f"{letter.id}:{letter.dedupe_key}".encode()).hexdigest()[:24]

    if order is None or letter.kind not in ABOUT_ORDERS:
        locale = str(letter.context.get("locale") or "") or stationery.locale
        shown = _values_of_return(stationery, letter, locale)
    else:
        locale = stationery.locale if letter.kind.startswith("staff_") else order.locale or stationery.locale
        shown = _values(stationery, letter, order, locale)
    templates = _templates(language_of(locale))
    message = EmailMessage()
    message["Subject"] = shown["subject"]
    message["From"] = Address(one_line(sender_name) or shop_name, addr_spec=sender)
    message["To"] = letter.recipient
    if [mailbox.addr_spec for mailbox in message["To"].addresses] != [letter.recipient]:
        raise CannotWrite("not an address")  # but something that would be read as another one
    message["Reply-To"] = sender
    message["Date"] = format_datetime(letter.written_at)
    message["Message-ID"] = f"<{letter.kind}.{letter.id}.{mark}@{sender.rpartition('@')[2]}>"
    # RFC 3834: no "I am on holiday" in answer to a receipt.
    message["Auto-Submitted"] = "auto-generated"

    text = re.sub(r"\n{3,}", "\n\n", templates.get_template(f"{letter.kind}.txt").render(shown))
    html = _inliner().inline(templates.get_template(f"{letter.kind}.html").render(shown))
    # Quoted-printable keeps every line short, however long a title or an address is: RFC 5322 allows 998 bytes.
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{mark}")
    message["Content-Language"] = tag_of(locale)
    return message


def one_line(text: str) -> str:
    """`text` without line breaks or other control characters, so that it can neither end a header nor begin another."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _values(stationery: Stationery, letter: Letter, order: Ordered, locale: str) -> dict[str, Any]:
    base = stationery.shop_url
    words = catalogue(language_of(locale))
    reason = one_line(str(letter.context.get("reason") or ""))

    def money(amount: Money) -> str:
        return format_money(amount.minor, amount.currency, locale)

    return {
        "shop_name": one_line(stationery.shop_name),
        "shop_url": base,
        "test_mode": not order.livemode,
        "language": tag_of(locale),
        "subject": words.gettext(SUBJECTS[letter.kind]) % {"number": one_line(order.number)},
        "order": order,
        "reason": words.gettext(reason) if reason else "",  # the empty message is a catalogue's own head
        "amount": money(_amount_of(letter, order)) if letter.kind == "refunded" else "",
        "carrier": one_line(order.parcel.carrier) if order.parcel else "",
        "tracking_number": one_line(order.parcel.tracking_number) if order.parcel else "",
        "tracking_url": _web_address(order.parcel.tracking_url) if order.parcel else "",
        "address_lines": address_lines(order.address, order.buyer_name, locale),
        "story_url": _web_address(order.story_url),
        "story_title": one_line(order.story_title) or _web_address(order.story_url),
        "status_url": f"{base}/orders/{order.access_token}",
        "again_url": f"{base}/orders/{order.access_token}/again",
        "staff_url": f"{base}/admin/orders/{order.number}",
        "money": money,
        "currency": order.total.currency.upper(),
        "placed_on": format_date(order.placed_at, format="long", locale=locale),
    }


def _values_of_return(stationery: Stationery, letter: Letter, locale: str) -> dict[str, Any]:
    """What is said of something that is back; see `shop.mail.waiting` for the context."""
    said = letter.context
    title, slug, minor = (said.get(name) for name in ("title", "slug", "price_minor"))
    if not (isinstance(title, str) and isinstance(slug, str) and type(minor) is int):
        raise CannotWrite("it does not say what is back")
    title = one_line(title)
    return {
        "shop_name": one_line(stationery.shop_name),
        "shop_url": stationery.shop_url,
        "test_mode": False,
        "language": tag_of(locale),
        "subject": catalogue(language_of(locale)).gettext(SUBJECTS[letter.kind]) % {"title": title},
        "title": title,
        "variant_title": one_line(str(said.get("variant_title") or "")),
        "price": format_money(minor, str(said.get("currency") or ""), locale),
        "product_url": f"{stationery.shop_url}/products/{quote(slug)}",
        "story_url": _web_address(str(said.get("story_url") or "")),
    }


def _amount_of(letter: Letter, order: Ordered) -> Money:
    minor = letter.context.get("amount_minor")
    if type(minor) is not int or minor <= 0:
        raise CannotWrite("it does not say how much was given back")
    return Money(minor, order.total.currency)


def _web_address(address: str) -> str:
    """`address` if it is one of the web, otherwise nothing: a link in a message must not run a script."""
    return address if urlsplit(address).scheme in {"http", "https"} and address.isprintable() else ""


def address_lines(address: Mapping[str, Any], buyer_name: str, locale: str) -> tuple[str, ...]:
    """An address as it stands on a parcel, the country by its name in `locale`; nothing for an order without one."""
    place = " ".join(one_line(str(address.get(part) or "")) for part in ("city", "state", "postal_code"))
    country = str(address.get("country") or "").upper()
    lines = (
        one_line(str(address.get("name") or buyer_name)),
        one_line(str(address.get("line1") or "")),
        one_line(str(address.get("line2") or "")),
        " ".join(place.split()),
        str(Locale.parse(locale).territories.get(country, country)),
    )
    return tuple(line for line in lines if line) if any(lines[1:]) else ()


@lru_cache(maxsize=len(TRANSLATED) + 1)
def _templates(language: str) -> Environment:
    """Jinja for messages alone: HTML is escaped, text is not, and a misspelt name is an error rather than a gap."""
    environment = Environment(
        loader=FileSystemLoader(resource_folder("templates") / "email"),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    environment.filters["one_line"] = one_line
    return environment


@lru_cache(maxsize=1)
def _inliner() -> css_inline.CSSInliner:
    """Mail programs drop style sheets, so rules become attributes; what only a style sheet can say (dark) stays as one."""
    styles = (resource_folder("templates") / "email" / "email.css").read_text("utf-8")
    return css_inline.CSSInliner(extra_css=styles, keep_at_rules=True, load_remote_stylesheets=False)
