"""The language that a reader's browser asks for, and the one that the answer to this request is written in."""

from flask import current_app, g, request

from shop.errors import ShopError
from shop.languages import SOURCE, best_locale, catalogue, language_of, tag_of

# Browsers send a handful of languages; RFC 5646, 4.4.1 lets nobody need a longer tag.
MOST_LANGUAGES = 10
LONGEST_TAG = 35


def shop_locale() -> str:
    """The locale of the shop that serves this request."""
    return str(current_app.extensions["understory"].settings.shop_locale)


def reader_locale() -> str:
    """In which of the shop's languages this reader is to be written to (Babel's form); empty stands for the shop's own."""
    wanted = [tag for tag, quality in request.accept_languages if quality > 0 and len(tag) <= LONGEST_TAG]
    return best_locale(tuple(wanted[:MOST_LANGUAGES]), shop_locale())


def speak(asked: str) -> None:
    """Write the answer to this request in the language `asked` for (BCP 47), or in the shop's own if that is none of ours.

    A page of which the door does not say so is in English, with amounts as the shop's locale writes them.
    """
    own = shop_locale()
    found = best_locale((asked,), own) if 0 < len(asked) <= LONGEST_TAG else ""
    g.locale = found or own
    g.spoken = found.replace("_", "-")


def page_locale() -> str:
    """The locale (Babel's form) by which this answer writes amounts and names of countries."""
    return str(g.get("locale") or shop_locale())


def locale_of_buyer() -> str:
    """In which of the shop's languages a buyer is to be written to: that of this answer, if it was asked for, else their browser's."""
    return page_locale() if spoken() else reader_locale()


def page_tag() -> str:
    """What the answer says of its language (BCP 47)."""
    return tag_of(g.locale) if "locale" in g else SOURCE


def spoken() -> str:
    """The language that was asked for and is spoken (BCP 47), for links and forms to ask for it again; empty if none was."""
    return str(g.get("spoken", ""))


def gettext(message: str, **values: object) -> str:
    """`message` in the language of this answer, with `values` put in."""
    text = str(catalogue(language_of(g.locale)).gettext(message)) if "locale" in g and message else message
    return text % values if values else text


def told(error: ShopError) -> str:
    """What a refusal says, in the language of this answer."""
    return error.said(gettext)
