"""What every form that offers a product needs: which values are on offer, what they cost, where they can go."""

import re
import secrets
import threading
import time
from collections.abc import Callable
from functools import lru_cache

from babel import Locale
from sqlalchemy.orm import Session
from wtforms import Form, RadioField, StringField
from wtforms.validators import InputRequired, ValidationError

from shop.catalog.showcase import OptionView, ProductView
from shop.errors import BadQuantity
from shop.fulfilment.rates import countries_served
from shop.money import format_money
from shop.web.languages import gettext, told

# Staff change shipping zones rarely, and a country that went away is refused at checkout anyway.
COUNTRIES_FRESH_FOR = 30.0
SLUG = re.compile(r"[A-Za-z0-9_-]{1,80}")
PRESS = re.compile(r"[A-Za-z0-9_-]{16,64}")

Countries = tuple[tuple[str, str], ...]


def new_press() -> str:
    """Names one showing of a "Buy now" button, so that pressing it twice buys once."""
    return secrets.token_urlsafe(18)


def one_line(text: str, limit: int) -> str:
    """Text from an address as one short line without control characters, which PostgreSQL would not store either."""
    return " ".join("".join(ch if ch.isprintable() else " " for ch in text[: limit * 4]).split())[:limit].strip()


def field_of(option: OptionView) -> str:
    """The name of an option's form field."""
    return f"option_{option.id}"


def shown_values(product: ProductView) -> dict[int, int]:
    """Option id -> value id of what needs no choosing: what the first picture shows, and the only value of an option."""
    seen = product.pictures[0].value_id if product.pictures else None
    return {
        option.id: value.id
        for option in product.options
        for value in option.values
        if value.id == seen or len(option.values) == 1
    }


def gone_values(product: ProductView) -> frozenset[int]:
    """The values that no variant left in stock has."""
    every = {value.id for option in product.options for value in option.values}
    left = {choice for variant in product.variants if variant.available > 0 for choice in variant.choice_ids}
    return frozenset(every - left)


def priced(product: ProductView, locale: str) -> dict[str, str]:
    """ "7-9" (ids of the values, in order) -> the variant's price, or "" if it is sold out. For scripts."""
    return {
        "-".join(map(str, sorted(variant.choice_ids))): (
            format_money(variant.price_minor, product.currency, locale) if variant.available > 0 else ""
        )
        for variant in product.variants
    }


def prices_shown(product: ProductView) -> str:
    """ "12:3900,13:3900": what each variant is said to cost; the form sends this back, so that a changed price is said."""
    return ",".join(f"{variant.id}:{variant.price_minor}" for variant in product.variants)


def chosen_country(countries: Countries, home: str) -> str:
    """The country that is chosen until the reader chooses: the shop's own (`home`) if it is served, else the first."""
    codes = [code for code, _ in countries]
    return home if home in codes else next(iter(codes), "")


@lru_cache(maxsize=64)
def countries_in(countries: Countries, locale: str) -> Countries:
    """The same countries by their names in `locale` (Babel's form), in the order of those."""
    names = Locale.parse(locale).territories
    return tuple(sorted(((code, str(names.get(code, name))) for code, name in countries), key=lambda pair: pair[1]))


class CountriesServed:
    """The countries that something can be shipped to, by name. Kept for half a minute; safe between threads."""

    def __init__(self, locale: str) -> None:
        self._names = Locale.parse(locale).territories
        self._lock = threading.Lock()
        self._kept: Countries = ()
        self._until = 0.0

    def name(self, code: str) -> str:
        """The country's name in the shop's language; its code if it has none."""
        return str(self._names.get(code, code))

    def read(self, reading: Callable[[], Session]) -> Countries:
        """Code and name of each country served, in the names' order. One statement, or none (and no session) if lately read."""
        with self._lock:
            if time.monotonic() < self._until:
                return self._kept
        named = sorted(((code, self.name(code)) for code in countries_served(reading())), key=lambda pair: pair[1])
        with self._lock:
            self._kept = tuple(named)
            self._until = time.monotonic() + COUNTRIES_FRESH_FOR
            return self._kept


class Pick(RadioField):  # type: ignore[misc]
    """One choice of an option. An invented value is as good as none: the message is the same."""

    def __init__(self, label: str, **rest: object) -> None:
        if label[:1].lower() in "aeiou":
            self.sentence = gettext("Choose an %(option)s.", option=label.lower())
        else:
            self.sentence = gettext("Choose a %(option)s.", option=label.lower())
        super().__init__(label, validators=[InputRequired(self.sentence)], **rest)

    def pre_validate(self, form: Form) -> None:
        if self.data not in {value for value, *_ in self.choices}:
            raise ValidationError(self.sentence)


class Quantity(StringField):  # type: ignore[misc]
    """A whole number of pieces. Python would read "1_0" and other alphabets' digits as numbers; a reader means neither."""

    def __init__(self, limit: int, **rest: object) -> None:
        self.limit = limit
        super().__init__("Quantity", **rest)

    def pre_validate(self, form: Form) -> None:
        if self.pieces is None:
            raise ValidationError(told(BadQuantity(self.limit)))

    @property
    def pieces(self) -> int | None:
        """The number that was written, or None if it is none within the limit."""
        text = (self.data or "").strip()
        if not (text.isascii() and text.isdecimal() and len(text) < 7):
            return None
        return int(text) if 1 <= int(text) <= self.limit else None
