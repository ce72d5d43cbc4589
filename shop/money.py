"""Money as integers: minor units and a currency, frozen. Mixing currencies raises."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from babel.numbers import format_currency, get_currency_precision

# Stripe's list of currencies whose amounts carry no minor unit (docs.stripe.com/currencies#zero-decimal). It differs from
# ISO 4217's exponents in places (UGX, and HUF or TWD, which Stripe counts in hundredths), and Stripe's is the one that
# decides what is charged.
ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split()  # noqa: SIM905
)
# Three-decimal currencies are charged by Stripe in thousandths.
THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


class CurrencyMismatch(ValueError):
    """Two amounts in different currencies were added or compared."""


def exponent(currency: str) -> int:
    """How many decimal places `currency` (ISO code, any case) has on Stripe's wire."""
    code = currency.lower()
    return 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (cents for SGD, yen for JPY) of a currency (lower-case ISO 4217 code)."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"money is counted in whole minor units, not {type(self.minor).__name__}")
        if len(self.currency) != 3 or not self.currency.isalpha() or not self.currency.islower():
            raise ValueError(f"{self.currency!r} is not a lower-case ISO 4217 code")

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not mix")

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        if type(quantity) is not int:
            raise TypeError("money is multiplied by whole numbers only")
        return Money(self.minor * quantity, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same(other)
        return self.minor < other.minor


def apportion(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` in whole units, shared out by `weights` to the last of them; nobody gets more than their part rounded up.

    Without any weight nobody gets anything.
    """
    total = sum(weights)
    parts: list[int] = []
    before = 0
    for weight in weights:
        upto = before + weight
        parts.append(amount * upto // total - amount * before // total if total else 0)
        before = upto
    return parts


@lru_cache(maxsize=4096)
def format_money(minor: int, currency: str, locale: str) -> str:
    """`minor` units of `currency` as a reader of `locale` writes them, e.g. 3900 sgd in en_SG -> "$39.00".

    Cached: a shop has few prices and shows them all day.
    """
    places = exponent(currency)
    amount = Decimal(minor).scaleb(-places)
    # CLDR's precision is kept unless it would hide part of what is charged.
    digits = get_currency_precision(currency.upper()) >= places
    return str(format_currency(amount, currency.upper(), locale=locale, currency_digits=digits))


def decimal_text(minor: int, currency: str) -> str:
    """`minor` units as a plain decimal for form fields and structured data: 3900 sgd -> "39.00", 500 jpy -> "500"."""
    places = exponent(currency)
    return f"{Decimal(minor).scaleb(-places):.{places}f}"


def spoken(minor: int, currency: str) -> str:
    """ "SGD 39.00": for sentences to staff and for timelines, where no reader's language is known."""
    return f"{currency.upper()} {decimal_text(minor, currency)}"


def parse_amount(text: str, currency: str) -> int:
    """The minor units meant by what somebody typed ("39", "39.00", "1,250.5"), or ValueError with a sentence.

    Refuses more decimals than the currency has, signs, and anything that is not a plain amount. A comma groups
    thousands; a decimal comma ("39,00") is refused rather than read as 3900.
    """
    cleaned = text.strip().replace(" ", "").replace("\u00a0", "")
    if "," in cleaned:
        whole, _, rest = cleaned.partition(".")
        groups = whole.split(",")
        if not groups[0] or len(groups[0]) > 3 or any(len(group) != 3 for group in groups[1:]):
            raise ValueError("Write the amount with a point before the decimals, such as 39.00.")
        cleaned = "".join(groups) + (f".{rest}" if rest else "")
    places = exponent(currency)
    if not cleaned.isascii() or not cleaned.replace(".", "", 1).isdigit():
        raise ValueError("Write an amount such as 39.00." if places else "Write a whole amount such as 500.")
    try:
        amount = Decimal(cleaned)
    except InvalidOperation:
        raise ValueError("Write an amount such as 39.00.") from None
    scaled = amount.scaleb(places)
    if scaled != scaled.to_integral_value():
        raise ValueError(
            f"{currency.upper()} has no more than {places} decimals."
            if places
            else f"{currency.upper()} has no decimals."
        )
    if scaled > 99_999_999:
        raise ValueError("This is more than Stripe can charge at once.")
    return int(scaled)
