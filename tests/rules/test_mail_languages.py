"""Mail in the language of the order: the catalogues are whole, and every message says everything in each of them."""

import re
import tomllib
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import cache
from html import unescape
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

from shop.languages import CATALOGUES, DOMAIN, TRANSLATED, best_locale, language_of, tag_of
from shop.mail.messages import Parcel, Stationery, write
from shop.mail.outbox import ABOUT_ORDERS
from shop.mail.transports import as_bytes
from shop.money import Money
from tests.support.letters import a_letter, ordered

ROOT = Path(__file__).parents[2]
STATIONERY = Stationery("The Ledger Shop", "https://shop.example.com", "shop@example.com", "en_SG")
FOR_BUYERS = sorted(kind for kind in ABOUT_ORDERS if not kind.startswith("staff_"))
PLACEHOLDER = re.compile(r"%\(\w+\)s|%")
# A product's name, a carrier's, a story's: not the shop's words, so in no catalogue.
PARCEL = Parcel("SingPost", "SP123456789SG", "https://track.example.com/SP123456789SG")


@cache
def said_in_english() -> frozenset[str]:
    """Every message of templates and code, found as `make messages` finds it."""
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["babel"]["mappings"]
    found: set[str] = set()
    for folder in ("templates", "shop"):
        for _, _, message, _, _ in extract_from_dir(
            ROOT / folder,
            method_map=[(mapping["pattern"].removeprefix(f"{folder}/"), mapping["method"]) for mapping in mappings],
            options_map={mapping["pattern"].removeprefix(f"{folder}/"): mapping for mapping in mappings},
            keywords=DEFAULT_KEYWORDS | {"gettext_noop": None},
        ):
            assert isinstance(message, str), f"{message} has a plural, which no test here looks at yet"
            found.add(message)
    return frozenset(found)


def catalogue_file(language: str) -> Catalog:
    with (CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        return read_po(file, locale=language)


def test_there_is_something_to_translate_and_every_subject_is_among_it() -> None:
    assert len(said_in_english()) > 40
    assert {"Your refund for order %(number)s", "Your order needs you"} <= said_in_english()


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_every_message_and_none_that_nobody_says(language: str) -> None:
    translated = {str(message.id) for message in catalogue_file(language) if message.id and message.string}
    assert sorted(translated ^ said_in_english()) == []
    assert [message.id for message in catalogue_file(language) if message.id and message.fuzzy] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_holds_the_same_places_as_the_original(language: str) -> None:
    for message in catalogue_file(language):
        if message.id:
            places = [sorted(PLACEHOLDER.findall(str(text))) for text in (message.id, message.string)]
            assert places[0] == places[1], message.id


def said(kind: str, locale: str, shop_locale: str = "en_SG", reason: str = "") -> tuple[EmailMessage, str, str]:
    stationery = Stationery("The Ledger Shop", "https://shop.example.com", "shop@example.com", shop_locale)
    order = ordered("eur", locale=locale, parcel=PARCEL, livemode=False, refunded=Money(1400, "eur"))
    message = write(stationery, a_letter(kind, context={"amount_minor": 1400, "reason": reason}), order)
    read = BytesParser(policy=policy.default).parsebytes(as_bytes(message))
    assert isinstance(read, EmailMessage)
    text, html = read.get_body(("plain",)), read.get_body(("html",))
    assert text is not None
    assert html is not None
    return read, text.get_content(), html.get_content()


@pytest.mark.parametrize("kind", FOR_BUYERS)
@pytest.mark.parametrize(
    ("locale", "tag", "date", "total", "order"),
    [
        ("zh_Hans_SG", "zh-Hans-SG", "2026年3月1日", "€97.00", "订单"),
        ("ms_SG", "ms-SG", "1 Mac 2026", "€97.00", "pesanan"),
        ("ta_SG", "ta-SG", "1 மார்ச், 2026", "€ 97.00", "ஆர்டர்"),
        ("en_SG", "en-SG", "1 March 2026", "€97.00", "order"),
    ],
)
def test_a_buyers_message_is_in_the_language_of_the_order(
    kind: str, locale: str, tag: str, date: str, total: str, order: str
) -> None:
    message, text, html = said(kind, locale)
    assert message["Content-Language"] == tag
    assert f'<html lang="{tag}"' in html
    assert order in message["Subject"].lower()
    for body in (text, html):
        assert date in body
        assert total in unescape(body).replace("\xa0", " ")
        assert "U-7K2M4Q" in body
        if locale != "en_SG":
            left = [message for message in said_in_english() if "%" not in message and message in body]
            assert left == []


def test_the_country_of_an_address_has_its_name_in_the_language_of_the_order() -> None:
    for locale, name in (("zh_Hans_SG", "新加坡"), ("ms_SG", "Singapura"), ("ta_SG", "சிங்கப்பூர்")):
        for body in said("receipt", locale)[1:]:
            assert name in body


def test_a_buyer_who_named_no_language_is_written_to_in_the_shops() -> None:
    message, text, _ = said("receipt", "", shop_locale="ms_MY")
    assert message["Subject"] == "Resit anda untuk pesanan U-7K2M4Q"
    assert "Terima kasih" in text


@pytest.mark.parametrize("kind", sorted(ABOUT_ORDERS - set(FOR_BUYERS)))
def test_staff_are_written_to_in_the_shops_language_whatever_the_buyer_reads(kind: str) -> None:
    message, text, html = said(kind, "zh_Hans_SG", reason="Paid 96.00 where 97.00 was due.")
    assert message["Content-Language"] == "en-SG"
    for body in (text, html):
        assert "You get this message because you are on the staff" in body
        assert not re.search("[\u4e00-\u9fff]", body)
    message, text, _ = said(kind, "en_SG", shop_locale="zh_Hans_SG", reason="Paid 96.00 where 97.00 was due.")
    assert message["Content-Language"] == "zh-Hans-SG"
    assert "原因: Paid 96.00 where 97.00 was due." in text


def test_a_language_that_nobody_translated_gets_english_words_that_are_said_to_be_english() -> None:
    message, text, html = said("receipt", "", shop_locale="de_DE")
    assert "Thank you." in text
    assert message["Content-Language"] == "en"
    assert '<html lang="en"' in html
    assert "97,00\xa0€" in text


@pytest.mark.parametrize(
    ("wanted", "locale"),
    [
        (["en-GB", "en"], "en_SG"),
        (["zh-CN", "zh"], "zh_Hans_SG"),
        (["zh"], "zh_Hans_SG"),
        (["zh-Hans-SG"], "zh_Hans_SG"),
        (["ms-MY"], "ms_SG"),
        (["ta-IN", "en"], "ta_SG"),
        (["fr-FR", "ms"], "ms_SG"),
        # Whoever reads the other script only is not helped by ours.
        (["zh-TW"], ""),
        (["zh-TW", "zh", "en"], "zh_Hans_SG"),
        (["zh-Hant-HK", "en-HK"], "en_SG"),
        (["ms-Arab", "ta"], "ta_SG"),
        (["fr", "de"], ""),
        ([], ""),
        (["*"], ""),
        (["", "x", "-", "en_SG; DROP", "../../etc", "x" * 4000, "x-" * 400, "a\0b"], ""),
    ],
)
def test_the_best_of_a_readers_languages_is_taken_in_the_shops_region(wanted: list[str], locale: str) -> None:
    assert best_locale(tuple(wanted), "en_SG") == locale


def test_a_reader_of_the_shops_own_language_gets_it_and_a_region_without_a_locale_is_left_out() -> None:
    assert best_locale(("de-AT", "en"), "de_DE") == ""
    assert best_locale(("ms", "en"), "de_DE") == "ms"
    assert best_locale(("en",), "de_DE") == "en_DE"


@pytest.mark.parametrize(
    ("locale", "language", "tag"),
    [
        ("en_SG", "en", "en-SG"),
        ("de_DE", "en", "en"),
        ("zh_SG", "zh_Hans", "zh-SG"),
        ("zh_Hant_HK", "en", "en"),
        ("ms", "ms", "ms"),
    ],
)
def test_a_locale_is_written_in_the_catalogue_that_its_reader_can_read(locale: str, language: str, tag: str) -> None:
    assert language_of(locale) == language
    assert tag_of(locale) == tag
