"""Static files under addresses that change with their content, so that browsers may keep them for ever."""

import hashlib
from functools import lru_cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
# Seconds that a file may be kept under an address that is not that of its content.
OTHERWISE = 300


@lru_cache(maxsize=256)
def asset_url(name: str) -> str:
    """The address of a file in `shop/web/static`, with a digest of its content. Raises FileNotFoundError for a wrong name."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def is_current(name: str, version: str | None) -> bool:
    """Whether `version` is the digest of a file in `shop/web/static` as it is now; False for what is no such file."""
    return name in _names() and asset_url(name) == f"/static/{name}?v={version}"


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(file.name for file in STATIC.iterdir() if file.is_file())
