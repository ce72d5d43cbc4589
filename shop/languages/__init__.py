"""The languages that readers are spoken to in, under a story and in mail: gettext catalogues beside this module, English as
templates and code have it.

A catalogue is an ordinary .po file, read when its language is first written: there is nothing to compile and forget.
"""

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

SOURCE = "en"
TRANSLATED = ("zh_Hans", "ms", "ta")
DOMAIN = "shop"
CATALOGUES = Path(__file__).parent


def gettext_noop(message: str) -> str:
    """Marks a text of the code for the catalogues; it is translated where it is shown."""
    return message


def language_of(locale: str) -> str:
    """Which of the languages a locale (Babel's form) is written in: that of the templates, if there is none of its own."""
    try:
        wanted = Locale.parse(locale)
    except (ValueError, UnknownLocaleError):
        return SOURCE
    return next((language for language in TRANSLATED if _is(Locale.parse(language), wanted)), SOURCE)


def tag_of(locale: str) -> str:
    """What is said of a message in `locale`, in the form of BCP 47. Words that nobody translated are English, and said to be."""
    spoken = Locale.parse(language_of(locale))
    return (locale if Locale.parse(locale).language == spoken.language else SOURCE).replace("_", "-")


@lru_cache(maxsize=1024)
def best_locale(wanted: tuple[str, ...], shop_locale: str) -> str:
    """The locale of a reader who asks for `wanted` (BCP 47, the dearest first), in the shop's own region.

    Empty where none of the languages fits, which stands for the shop's own, and where the shop's own is asked for first.
    """
    shop = Locale.parse(shop_locale)
    for tag in wanted:
        try:
            asked = Locale.parse(tag, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
        for language in (SOURCE, *TRANSLATED):
            if _is(Locale.parse(language), asked):
                return _in_region(language, shop.territory)
        if asked.language == shop.language:
            return ""
    return ""


def _is(language: Locale, asked: Locale) -> bool:
    """Whether somebody who asks for this reads that: one script is no help to a reader of the other."""
    return asked.language == language.language and asked.script in {None, language.script or _usual_script(language)}


def _usual_script(language: Locale) -> str | None:
    return {"en": "Latn", "ms": "Latn", "ta": "Taml"}.get(language.language)


def _in_region(language: str, region: str | None) -> str:
    try:
        return str(Locale.parse(f"{language}_{region}"))
    except (ValueError, UnknownLocaleError):  # nobody counts money in Malay as it is done in Iceland
        return language


@lru_cache(maxsize=len(TRANSLATED) + 1)
def catalogue(language: str) -> NullTranslations:
    """The messages of a language, of those that `language_of` knows."""
    if language not in TRANSLATED:
        return NullTranslations()
    with (CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        read = read_po(file, locale=language, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return Translations(compiled, domain=DOMAIN)
