"""Addresses of stories: the one form under which each is known, and whether it is one of the publisher's."""

import ipaddress
import re
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode, urlsplit

URL_LIMIT = 500
# As much as is looked at: what says how a reader came may be longer than the address itself.
ASKED_LIMIT = 2000
HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")  # as browsers write it, or its number in IPv6
# Parameters that say how a reader came, or in which form the story is shown, not what is read.
TRACKING = frozenset(
    """
    amp amp_gsa amp_js_v amp_r usqp outputtype __twitter_impression
    fbclid gclid gclsrc dclid gbraid wbraid msclkid twclid ttclid yclid igshid igsh li_fat_id epik srsltid _ga _gl
    mc_cid mc_eid mkt_tok vero_id oly_enc_id oly_anon_id _hsenc _hsmi s_cid cmpid ocid ncid icid xtor ref ref_src ref_url
    """.split()  # noqa: SIM905
)
TRACKING_BEGINS = ("utm_", "mtm_", "pk_", "matomo_", "hsa_", "ga_", "at_campaign", "at_medium", "__cft__", "__tn__")
# Under these names a publisher serves the same story for telephones, or as AMP.
VARIANTS = ("amp.", "m.", "mobile.")
_SAFE = "/:@!$&'()*+,;=-._~"


def canonical(url: str) -> str | None:
    """`url` in the one form under which a story is known, or None for what cannot be a story's address.

    Host as browsers ask for it (in lower case, in ASCII), without what marks the form for telephones; no default port, no
    fragment, no tracking parameters, nothing of AMP, no trailing slash, and what is encoded is so in one way. http and https are
    one story's, under https; only what is served from a port of its own, from localhost or from a numbered host (as in
    development) stays as it is. "www." is left alone: who looks for a story looks for both (`shop.articles.story`).
    """
    if not url or len(url) > ASKED_LIMIT or any(ch.isspace() or not ch.isprintable() for ch in url):
        return None
    try:
        parts = urlsplit(url)
        host, port = _host(parts.hostname or ""), parts.port
        path, query = _path(parts.path), _query(parts.query)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.password:
        return None
    if port == {"http": 80, "https": 443}[parts.scheme]:
        port = None
    scheme = parts.scheme if port is not None or _is_own_machine(host) else "https"
    netloc = f"[{host}]" if ":" in host else host
    story = f"{scheme}://{netloc}{'' if port is None else f':{port}'}{path}" + (f"?{query}" if query else "")
    # Percent-encoding may have made it longer than the column that keeps it.
    return story if len(story) <= URL_LIMIT else None


def _host(host: str) -> str:
    """Empty for what is none. Raises ValueError for what has no form in ASCII.

    Browsers end a host at a backslash, which `urlsplit` takes for a part of it: "https://elsewhere.example\\.publisher.example"
    would count as the publisher's and lead elsewhere. So a host has letters, digits and a few signs, and nothing else.
    """
    if ":" not in host:
        host = host.encode("idna").decode().lower().removesuffix(".")
    if not HOST.fullmatch(host):
        return ""
    while host.startswith(VARIANTS) and host.count(".") > 1:
        host = host.partition(".")[2]
    return host


def _is_own_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _path(path: str) -> str:
    """Without the ends that mark AMP, and with each character encoded in one way."""
    segments: list[str] = []
    for segment in path.replace("\\", "/").split("/")[1:]:  # browsers read a backslash so
        plain = quote(unquote_to_bytes(segment), safe=_SAFE.replace("/", ""))
        if plain == "..":
            del segments[-1:]
        elif plain != ".":
            segments.append(plain)
    while segments and segments[-1] == "":
        segments.pop()
    while len(segments) > 1 and segments[-1] in {"amp", ""}:
        segments.pop()
    if segments:
        name = segments[-1]
        while (shorter := re.sub(r"(?<=.)\.amp(\.html?)?$", r"\1", name)) != name:
            name = shorter
        segments[-1] = name
    return "/" + "/".join(segments)


def _query(query: str) -> str:
    return urlencode(
        sorted(
            (name, value)
            for name, value in parse_qsl(query, keep_blank_values=True)
            if name.lower() not in TRACKING and not name.lower().startswith(TRACKING_BEGINS)
        )
    )


def is_publisher(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether a canonical `url` is on one of the publisher's `hosts` ("www.example.com", "*.example.com", "host:port").

    A host stands for itself with and without "www.", and for its forms for telephones. With no hosts set (development), every
    host counts.
    """
    if not hosts:
        return True
    parts = urlsplit(url)
    host = parts.hostname or ""
    return any(_allows(allowed, host, parts.netloc) for allowed in hosts)


def _allows(allowed: str, host: str, netloc: str) -> bool:
    if allowed.startswith("*."):
        return host.endswith(allowed[1:])
    if ":" in allowed:
        return allowed == netloc
    bare = allowed
    for prefix in (*VARIANTS, "www."):
        if bare.startswith(prefix) and bare.count(".") > 1:
            bare = bare.removeprefix(prefix)
            break
    return host in {allowed, bare, f"www.{bare}"}
