"""Addresses of stories: the one form under which each is known, and whether it is one of the publisher's."""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

URL_LIMIT = 500
# A host's name, in any alphabet, or its number in IPv6. Browsers end a host at a backslash, which `urlsplit` takes for a part of
# it: "https://elsewhere.example\.publisher.example" would count as the publisher's and lead elsewhere.
HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+")
# Parameters that say how a reader came, not what is read; all that begin with utm_ do, too.
TRACKING = frozenset({"fbclid", "gclid", "mc_cid", "mc_eid", "igshid", "ref", "amp"})


def canonical(url: str) -> str | None:
    """`url` in the one form under which a story is known, or None for what cannot be a story's address.

    Host in lower case, no default port, no fragment, no tracking parameters, no trailing slash.
    """
    if not url or len(url) > URL_LIMIT or any(ch.isspace() or ord(ch) < 32 for ch in url):
        return None
    try:
        url.encode()  # half a character has no form in an address
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.password:
        return None
    if not HOST.fullmatch(host):
        return None
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{host}]" if ":" in host else host  # IPv6
    netloc = host if port in {None, default} else f"{host}:{port}"
    query = urlencode(
        sorted(
            (name, value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
            if not name.lower().startswith("utm_") and name.lower() not in TRACKING
        )
    )
    path = parts.path.rstrip("/") or "/"
    story = f"{parts.scheme}://{netloc}{path}" + (f"?{query}" if query else "")
    # Percent-encoding may have made it longer than the column that keeps it.
    return story if len(story) <= URL_LIMIT else None


def is_publisher(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether a canonical `url` is on one of the publisher's `hosts` ("www.example.com", "*.example.com", "host:port").

    With no hosts set (development), every host counts.
    """
    if not hosts:
        return True
    parts = urlsplit(url)
    host = parts.hostname or ""
    for allowed in hosts:
        if allowed.startswith("*."):
            if host.endswith(allowed[1:]):
                return True
        elif allowed in {host, parts.netloc}:
            return True
    return False
