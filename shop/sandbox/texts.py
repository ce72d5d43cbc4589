"""What texts and addresses a request may hold."""

import re
from urllib.parse import SplitResult, urlsplit

from shop.sandbox.refusals import Refusal

# What may stand in a header of the payment page without meaning anything else there.
_HOST = re.compile(r"[A-Za-z0-9_.:-]+")
EMAIL = re.compile(r"^[^\s@<>,;]+@[^\s@<>,;.]+(\.[^\s@<>,;.]+)+$")


def check_url(url: str | None, path: str) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url.replace("{CHECKOUT_SESSION_ID}", "id"))
        has_host = bool(_HOST.fullmatch(ascii_host(parts)))
        _ = parts.port
    except ValueError:
        raise Refusal("Not a valid URL", code="url_invalid", param=path) from None
    if not parts.scheme:
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise Refusal(message, code="url_invalid", param=path)
    if parts.scheme not in ("http", "https") or not has_host or re.search(r"\s", url):
        raise Refusal("Not a valid URL", code="url_invalid", param=path)


def ascii_host(parts: SplitResult) -> str:
    """The host as it travels, `münchen.example` as `xn--mnchen-3ya.example`. Raises ValueError for what is no name."""
    return (parts.hostname or "").encode("idna").decode()


def check_length(text: str | None, most: int, path: str) -> None:
    if text is not None and len(text) > most:
        raise Refusal(f"Invalid string: {text[:8]}...{text[-8:]}; must be at most {most} characters", param=path)
