"""Draws the card for newsletters: a picture on the left, a few lines beside it. Nothing of a web page is needed to see it."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from shop.web.embed.typeface import Font, face_for

WIDTH, HEIGHT = 600, 200  # at scale 1, in pixels
PICTURE, GAP = HEIGHT, 24
PAPER, INK, QUIET, LINE, EMPTY = "#ffffff", "#1b1e2b", "#5b6070", "#d9dbe3", "#eceef3"
MOST_TITLE_LINES = 2


@dataclass(frozen=True, slots=True)
class Words:
    """What stands on a card: the shop's name, the product's title, its price and a note below it."""

    shop: str
    title: str
    price: str = ""
    note: str = ""


def draw(words: Words, picture: Path | None, scale: int) -> bytes:
    """The card as a PNG of 600 by 200 pixels, times `scale`. Without the file of the picture its place stays empty."""
    card = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), PAPER)
    pen = ImageDraw.Draw(card)
    side = PICTURE * scale
    shown = _square(picture, side)
    if shown is not None:
        card.paste(shown, (0, 0))
    else:
        pen.rectangle((0, 0, side, side), fill=EMPTY)
    left, top = (PICTURE + GAP) * scale, 20 * scale
    room = (WIDTH - PICTURE - 2 * GAP) * scale
    for text, size, bold, colour, lines, space in (
        (words.shop, 13, False, QUIET, 1, 8),
        (words.title, 22, True, INK, MOST_TITLE_LINES, 10),
        (words.price, 20, False, INK, 1, 4),
        (words.note, 13, False, QUIET, 1, 0),
    ):
        font = face_for(text, size * scale, bold=bold) if text else None
        if font is None:
            continue
        for line in _lines(font, text, room, lines):
            pen.text((left, top), line, fill=colour, font=font, anchor="la")
            top += round(size * 1.3) * scale
        top += space * scale
    pen.rectangle((0, 0, WIDTH * scale - 1, HEIGHT * scale - 1), outline=LINE, width=scale)
    # A letter waits for its pictures: a palette makes this one a third as large, and nobody sees it.
    written = io.BytesIO()
    card.quantize(256).save(written, "PNG", optimize=True)
    return written.getvalue()


def _square(path: Path | None, side: int) -> Image.Image | None:
    if path is None:
        return None
    try:
        with Image.open(path) as stored:
            return ImageOps.fit(stored.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
    except OSError:
        return None


def _lines(font: Font, text: str, room: int, most: int) -> list[str]:
    """`text` in at most so many lines that fit, broken between words, or anywhere in what has no spaces."""
    lines = [""]
    for word in re.findall(r"\S+\s*", text):
        if font.getlength(lines[-1] + word.rstrip()) <= room:
            lines[-1] += word
        elif font.getlength(word.rstrip()) <= room:
            lines.append(word)
        else:
            for character in word:
                if font.getlength(lines[-1] + character) > room:
                    lines.append("")
                lines[-1] += character
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > most:
        last = lines[most - 1]
        while last and font.getlength(f"{last} ...") > room:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last.rstrip()} ..."]
    return lines
