"""Money in every currency: whole minor units, typed, shown and typed again."""

import re
from decimal import Decimal

import pytest
from babel.numbers import list_currencies
from hypothesis import example, given
from hypothesis import strategies as st

from shop.money import CurrencyMismatch, Money, decimal_text, exponent, format_money, parse_amount

MOST = 99_999_999
CURRENCIES = st.sampled_from(sorted(code.lower() for code in list_currencies()))
AMOUNTS = st.integers(0, MOST)


@pytest.mark.parametrize(
    ("currency", "places"), [("sgd", 2), ("JPY", 0), ("krw", 0), ("ugx", 0), ("kwd", 3), ("huf", 2)]
)
def test_a_currency_has_as_many_decimals_as_stripe_counts(currency: str, places: int) -> None:
    assert exponent(currency) == places


@given(AMOUNTS, CURRENCIES)
def test_what_a_field_shows_is_read_back_as_the_same_amount(minor: int, currency: str) -> None:
    assert parse_amount(decimal_text(minor, currency), currency) == minor


@given(AMOUNTS, CURRENCIES)
def test_thousands_may_be_grouped_with_commas(minor: int, currency: str) -> None:
    whole, point, rest = decimal_text(minor, currency).partition(".")
    assert parse_amount(f" {int(whole):,}{point}{rest} ", currency) == minor


@given(AMOUNTS, CURRENCIES, st.sampled_from(["en_SG", "en_GB", "en_US"]))
@example(12345, "isk", "en_SG")
@example(-1, "sgd", "en_SG")
def test_what_is_shown_is_what_is_charged_to_the_last_digit(minor: int, currency: str, locale: str) -> None:
    shown = format_money(minor, currency, locale)
    (number,) = re.findall(r"\d[\d,]*(?:\.\d+)?", shown)
    assert Decimal(number.replace(",", "")) == abs(Decimal(minor).scaleb(-exponent(currency)))
    assert ("-" in shown) == (minor < 0)


@given(st.text(), CURRENCIES)
@example("1_000", "sgd")
@example("\u0663\u0669", "sgd")
@example("1e5", "sgd")
@example("NaN", "sgd")
@example("39,00", "sgd")
@example(".", "sgd")
@example("-5", "sgd")
def test_whatever_is_typed_is_an_amount_or_a_sentence(text: str, currency: str) -> None:
    refusals: list[str] = []
    try:
        minor = parse_amount(text, currency)
    except ValueError as refusal:
        refusals.append(str(refusal))
    if refusals:
        assert refusals[0].endswith(".")
    else:
        assert 0 <= minor <= MOST
        assert Decimal(re.sub(r"[\s,]", "", text)).scaleb(exponent(currency)) == minor


@given(AMOUNTS, CURRENCIES)
def test_more_decimals_than_the_currency_has_are_refused(minor: int, currency: str) -> None:
    finer = f"{decimal_text(minor, currency)}{'' if exponent(currency) else '.'}1"
    with pytest.raises(ValueError, match="decimals"):
        parse_amount(finer, currency)


@given(AMOUNTS, AMOUNTS, st.integers(0, 99), CURRENCIES)
def test_sums_are_exact(one: int, other: int, times: int, currency: str) -> None:
    first, second = Money(one, currency), Money(other, currency)
    assert (first + second - second) == first
    assert first * times == sum([first] * times, Money(0, currency))
    assert (first < second) == (one < other)


@given(AMOUNTS, CURRENCIES, CURRENCIES)
def test_two_currencies_never_mix(minor: int, one: str, other: str) -> None:
    if one == other:
        return
    with pytest.raises(CurrencyMismatch):
        Money(minor, one) + Money(minor, other)
    with pytest.raises(CurrencyMismatch):
        assert Money(minor, one) < Money(minor, other)


@pytest.mark.parametrize("minor", [1.0, True, "1", Decimal(1)])
def test_half_cents_and_things_that_only_look_whole_are_refused(minor: object) -> None:
    with pytest.raises(TypeError):
        Money(minor, "sgd")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Money(1, "sgd") * minor  # type: ignore[operator]


@pytest.mark.parametrize("currency", ["SGD", "sg", "sgdd", "s1d", ""])
def test_a_currency_is_three_small_letters(currency: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(1, currency)
