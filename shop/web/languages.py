"""The language that a reader's browser asks for."""

from flask import request

from shop.languages import best_locale
from shop.web.house import house

# Browsers send a handful of languages; RFC 5646, 4.4.1 lets nobody need a longer tag.
MOST_LANGUAGES = 10
LONGEST_TAG = 35


def reader_locale() -> str:
    """In which of the shop's languages this reader is to be written to (Babel's form); empty stands for the shop's own."""
    wanted = [tag for tag, quality in request.accept_languages if quality > 0 and len(tag) <= LONGEST_TAG]
    return best_locale(tuple(wanted[:MOST_LANGUAGES]), house().settings.shop_locale)
