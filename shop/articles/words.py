"""Words as they are compared: whatever their case, accents, typographic quotes and dashes, in any script."""

import re
import unicodedata
from functools import lru_cache

_ASCII = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
# Accents of the Latin, Greek and Cyrillic alphabets. Marks of other scripts are letters: without them a word is another one.
_ACCENTS = re.compile("[\u0300-\u036f]")
_SAME = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201b\u02bc\u00b4\u0060", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    }
)
_POSSESSIVE = re.compile(r"'s$")


def folded(text: str) -> str:
    """`text` in the form in which texts are compared: NFKC, no case, no accents, one space between words.

    What cannot be seen is left out, and so is half a character, which no database takes.
    """
    if text.isascii():
        text = text.lower()
    else:
        for _ in range(2):  # folding the case may bring forth what can be composed, and the other way round
            text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).translate(_SAME).casefold())
            text = unicodedata.normalize("NFKC", _ACCENTS.sub("", text))
    return " ".join("".join(map(_seen, text)).split())


def _seen(character: str) -> str:
    if character.isprintable():
        return character
    # Controls and spaces part words; joiners, soft hyphens and the like do not.
    return "" if unicodedata.category(character) in {"Cf", "Cs", "Cn", "Co"} else " "


def words_of(text: str) -> tuple[str, ...]:
    """The words of `text`, folded, in order. "Trump-Kim" is two, "Korea's" is "korea"; a Chinese character is one."""
    plain = folded(text)
    if plain.isascii():
        return tuple(_bare(word) for word in _ASCII.findall(plain))
    return tuple(_bare(word) for word in _split(plain))


def _bare(word: str) -> str:
    return _POSSESSIVE.sub("", word).replace("'", "") if "'" in word else word


def _split(plain: str) -> list[str]:
    """By what the characters are: `\\w` of `re` knows no marks, and would cut words of Tamil at their vowels."""
    found: list[str] = []
    word = ""
    for at, character in enumerate(plain):
        if _stands_alone(character):
            found += filter(None, (word, character))
            word = ""
        elif _is_letter(character) or (character == "'" and word and _is_letter(plain[at + 1 : at + 2])):
            word += character
        elif word:
            found.append(word)
            word = ""
    return [*found, word] if word else found


@lru_cache(maxsize=4096)
def _is_letter(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] in "LNM"


def _stands_alone(character: str) -> bool:
    """Scripts that put no space between words: Chinese characters, and the syllables of Japanese."""
    return (
        "\u3041" <= character <= "\u30ff"
        or "\u3400" <= character <= "\u9fff"
        or "\U00020000" <= character <= "\U0003ffff"
    )


def has_phrase(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    """Whether the words of `phrase` stand among `words`, next to each other and in this order."""
    return bool(phrase) and f" {' '.join(phrase)} " in f" {' '.join(words)} "
