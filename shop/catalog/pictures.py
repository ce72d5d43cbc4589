"""Pictures: checking an upload and making the sizes and formats that pages ask for.

Files lie in the media folder as `<key>-<width>.<format>`; the key is the digest of the original, so a picture's address
never changes its content and may be cached for ever.
"""

import hashlib
import io
import os
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from shop.errors import BadImage

WIDTHS = (320, 640, 960, 1280)
FORMATS = ("avif", "webp", "jpg")
MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000
# A strip of a few bytes, one pixel wide, would fill the memory when it is brought to the smallest width; and no WebP is higher
# than 16383 pixels.
MAX_RATIO = 10
ACCEPTED = {"JPEG", "PNG", "WEBP", "AVIF", "GIF"}
_SAVE: dict[str, dict[str, Any]] = {
    "avif": {"format": "AVIF", "quality": 62, "speed": 8},
    "webp": {"format": "WEBP", "quality": 80, "method": 4},
    "jpg": {"format": "JPEG", "quality": 82, "optimize": True, "progressive": True},
}


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """What the catalogue keeps of a stored picture; width and height are the original's, in pixels."""

    key: str
    width: int
    height: int


def widths_of(width: int) -> tuple[int, ...]:
    """The widths in which a picture of this original width exists: never enlarged, at least one."""
    return tuple(w for w in WIDTHS if w <= width) or (WIDTHS[0],)


def height_of(width: int, height: int, at: int) -> int:
    """How high a picture of this original size is in the width `at`."""
    return max(round(height * at / width), 1)


def store_picture(folder: Path, raw: bytes) -> StoredPicture:
    """Check `raw` (an uploaded file) and write its sizes into `folder`; storing one picture twice is the same as once.

    Metadata (EXIF, which may hold a place) is dropped, its rotation is applied first. Raises BadImage with a sentence for
    what is empty, too large, too long, not a picture, or a decompression bomb.
    """
    if not raw:
        raise BadImage("The file is empty.")
    if len(raw) > MAX_BYTES:
        raise BadImage("The file is over 20 MB. Save the picture smaller and try again.")
    key = hashlib.sha256(raw).hexdigest()[:32]
    image = _open(raw)
    folder.mkdir(parents=True, exist_ok=True)
    for width in widths_of(image.width):
        height = height_of(image.width, image.height, width)
        sized = image if width == image.width else image.resize((width, height), Image.Resampling.LANCZOS)
        for extension in FORMATS:
            target = folder / f"{key}-{width}.{extension}"
            if not target.exists():
                _write(sized, target, extension)
    return StoredPicture(key, image.width, image.height)


def _open(raw: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(raw))
            if image.format not in ACCEPTED:
                raise BadImage("Use a JPEG, PNG, WebP, AVIF or GIF picture.")
            if image.width * image.height > MAX_PIXELS:
                raise BadImage("The picture has more than 50 million pixels. Save it smaller and try again.")
            if max(image.size) > MAX_RATIO * min(image.size):
                raise BadImage(
                    "The picture is more than ten times as long on one side as on the other. Crop it and try again."
                )
            image.load()
            turned = ImageOps.exif_transpose(image)
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImage("The picture has more than 50 million pixels. Save it smaller and try again.") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, RuntimeError):  # the last from AVIF
        raise BadImage("This is not a picture that can be read. Use JPEG, PNG, WebP, AVIF or GIF.") from None
    if turned.mode in {"RGBA", "LA", "P", "PA"}:
        with_alpha = turned.convert("RGBA")
        flat = Image.new("RGB", with_alpha.size, "white")
        flat.paste(with_alpha, mask=with_alpha.getchannel("A"))
        return flat
    return turned.convert("RGB")


def _write(image: Image.Image, target: Path, extension: str) -> None:
    # Written beside and moved into place, so that no reader is ever served half a file.
    beside = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    image.save(beside, **_SAVE[extension])
    beside.replace(target)
