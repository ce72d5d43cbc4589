"""The embed's script and style sheet: put together once, packed once, answered from memory."""

import base64
import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from flask import Response, request

from shop.errors import NotFound
from shop.web.assets import STATIC


@dataclass(frozen=True, slots=True)
class Ready:
    """A file as it is sent, plain and gzipped; each form has a strong tag of its own, as RFC 9110 asks."""

    plain: bytes
    packed: bytes
    digest: str

    @classmethod
    def of(cls, text: str) -> "Ready":
        plain = text.encode()
        return cls(plain, gzip.compress(plain, 9, mtime=0), hashlib.sha256(plain).hexdigest()[:20])

    def answer(self, mimetype: str) -> Response:
        """The file in the form that the browser takes, or 304 if it has it."""
        gzipped = request.accept_encodings.quality("gzip") > 0
        response = Response(self.packed if gzipped else self.plain, mimetype=mimetype)
        response.set_etag(f"{self.digest}-gzip" if gzipped else self.digest)
        response.headers["Vary"] = "Accept-Encoding"
        if gzipped:
            response.headers["Content-Encoding"] = "gzip"
        # Pages on other origins load these, also those that isolate themselves (COEP) or check a digest (SRI).
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response


# Names that only the loader's own code uses, never as a property: they are sent as one letter each.
LOCAL_NAMES = [
    "doc",
    "script",
    "live",
    "holders",
    "inside",
    "tell",
    "share",
    "near",
    "upgrade",
    "holder",
    "css",
    "boxed",
    "wide",
    "asked",
    "late",
    "div",
    "element",
    "entry",
    "seen",
    "event",
    "root",
    "one",
]


@lru_cache(maxsize=1)
def loader_file() -> Ready:
    """The loader as every reader of every article fetches it: without comments, spaces and long names, for two kilobytes."""
    source = (STATIC / "embed.js").read_text(encoding="utf-8")
    without_head = re.sub(r"\A/\*.*?\*/\s*", "", source, flags=re.DOTALL)
    lines = (line.strip() for line in without_head.splitlines())
    code = "\n".join(line for line in lines if line and not line.startswith("//"))
    # What stands in quotes, and patterns with an anchor, is sent as it is written.
    pieces = re.split(r"('[^'\n]*'|/\^[^\n]*?/)", code)
    pieces[::2] = map(_packed, pieces[::2])
    return Ready.of("".join(pieces))


def _packed(code: str) -> str:
    code = re.sub(r"\s*([{}()\[\];,:=<>+*?&|!])\s*", r"\1", code)
    for at, name in enumerate(LOCAL_NAMES):
        code = re.sub(rf"(?:(?<=\.\.\.)|(?<![\w.$])){name}(?![\w:])", chr(ord("A") + at), code)
    return code


def loader_url() -> str:
    """The loader's address that changes with its content, for pages that pin it (`integrity`)."""
    return f"/embed/{loader_file().digest}/embed.js"


def integrity() -> str:
    """What a page that pins the loader writes as `integrity` (https://www.w3.org/TR/SRI/)."""
    return "sha384-" + base64.b64encode(hashlib.sha384(loader_file().plain).digest()).decode()


@lru_cache(maxsize=1)
def script_file() -> Ready:
    """The frame's script without its comment lines and indentation."""
    source = (STATIC / "frame.js").read_text(encoding="utf-8")
    lines = (line.strip() for line in re.sub(r"\A/\*.*?\*/\s*", "", source, flags=re.DOTALL).splitlines())
    return Ready.of("\n".join(line for line in lines if line and not line.startswith("//")) + "\n")


def script_url() -> str:
    """The frame's script's address, which changes with its content."""
    return f"/embed/frame.js?v={script_file().digest[:12]}"


@lru_cache(maxsize=1)
def sheet_file() -> Ready:
    """The shop's design values and the frame's own rules as one file: one request less under every article."""
    values, rules = (_plain((STATIC / name).read_text(encoding="utf-8")) for name in ("tokens.css", "frame.css"))
    return Ready.of(_themed(_used(values, rules)) + rules)


def _plain(css: str) -> str:
    """A sheet without its comments, indentation and empty lines."""
    lines = (line.strip() for line in re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL).splitlines())
    return "\n".join(line for line in lines if line) + "\n"


def _themed(values: str) -> str:
    """The dark values where the page around asks for them, as well as where the reader's system does."""
    light, media, rest = values.partition("@media (prefers-color-scheme: dark) {\n:root {\n")
    dark, end, more = rest.partition("}\n}\n")
    return (
        f"{light}{media.replace(':root', ':root:not([data-theme=light])')}{dark}{end}"
        f":root[data-theme=dark] {{\ncolor-scheme: dark;\n{dark}}}\n:root[data-theme=light] {{\ncolor-scheme: light;\n}}\n{more}"
    )


def _used(values: str, rules: str) -> str:
    """The design values without those that the frame has no rule for, nor a value that has one."""
    named = re.compile(r"var\((--[\w-]+)")
    wanted: set[str] = set()
    more = set(named.findall(rules))
    while more - wanted:
        wanted |= more
        declared = re.findall(r"(--[\w-]+):([^;]*);", values)
        more = {name for own, value in declared if own in wanted for name in named.findall(value)}
    return re.sub(r"(--[\w-]+):[^;]*;\n?", lambda found: found[0] if found[1] in wanted else "", values)


def sheet_url() -> str:
    """The style sheet's address, which changes with its content."""
    return f"/embed/frame.css?v={sheet_file().digest[:12]}"


def loader() -> Response:
    """GET /embed.js: a stable address, fresh within five minutes everywhere."""
    response = loader_file().answer("application/javascript")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response.make_conditional(request)  # type: ignore[return-value]


def pinned_loader(digest: str) -> Response:
    """GET /embed/<digest>/embed.js: the loader for ever, or nothing. Another one would not be what the page has pinned."""
    if digest != loader_file().digest:
        raise NotFound("loader")
    response = loader_file().answer("application/javascript")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response.make_conditional(request)  # type: ignore[return-value]


def sheet() -> Response:
    """GET /embed/frame.css"""
    return _versioned(sheet_file(), "text/css")


def script() -> Response:
    """GET /embed/frame.js"""
    return _versioned(script_file(), "application/javascript")


def _versioned(file: Ready, mimetype: str) -> Response:
    response = file.answer(mimetype)
    fits = request.args.get("v") == file.digest[:12]
    response.headers["Cache-Control"] = f"public, max-age={31536000 if fits else 300}" + (", immutable" if fits else "")
    return response.make_conditional(request)  # type: ignore[return-value]
