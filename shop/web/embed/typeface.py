"""The typefaces with which the shop draws words into pictures: those of the machine, else the one that Pillow brings along.

Pillow's own knows little beyond ASCII. Words that no typeface here can write are left out rather than drawn as boxes: a
picture's alt text has them too.
"""

import os
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts")
# In order of preference: those for many alphabets, then those for one that the shop speaks.
NAMES = (
    "NotoSans",
    "DejaVuSans",
    "LiberationSans",
    "Roboto",
    "NotoSansSC",
    "NotoSansCJK",
    "NotoSansTamil",
    "Lohit-Tamil",
    "wqy-zenhei",
)
SUFFIXES = {".ttf", ".otf", ".ttc"}
NO_CHARACTER = "\U0010ffff"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def face_for(words: str, size: float, *, bold: bool = False) -> Font | None:
    """A typeface that can write all of `words`, in this size in pixels; None if there is none."""
    return next((font for font in _faces(size, bold) if _writes(font, words)), None)


def _faces(size: float, bold: bool) -> Iterator[Font]:
    files = _installed()
    for name in NAMES:
        for weight in ("-Bold", "-Regular", "") if bold else ("-Regular", ""):
            if name + weight in files:
                yield _opened(files[name + weight], size)
                break
    yield _builtin(size)


@lru_cache(maxsize=1)
def _installed() -> dict[str, Path]:
    """The typefaces on this machine by the names of their files. Looked for once: installing one needs a restart."""
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for place, _, files in os.walk(Path(folder).expanduser()):
            for file in map(Path, files):
                if file.suffix in SUFFIXES and {file.stem, file.stem.rpartition("-")[0]} & set(NAMES):
                    found.setdefault(file.stem, Path(place, file))
    return found


@lru_cache(maxsize=64)
def _opened(path: Path, size: float) -> Font:
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=16)
def _builtin(size: float) -> Font:
    return ImageFont.load_default(size)


def _writes(font: Font, words: str) -> bool:
    return all(_knows(font, character) for character in set(words))


@lru_cache(maxsize=4096)
def _knows(font: Font, character: str) -> bool:
    # Marks have no shape of their own, and spaces none at all.
    if unicodedata.category(character)[0] in "MZC":
        return True
    return bytes(font.getmask(character)) != bytes(font.getmask(NO_CHARACTER))
