"""The embed's script and style sheet: put together once, packed once, answered from memory."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from flask import Response, request

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


@lru_cache(maxsize=1)
def loader_file() -> Ready:
    """The loader without its comment lines and indentation, which every reader of every article would fetch in vain."""
    source = (STATIC / "embed.js").read_text(encoding="utf-8")
    without_head = re.sub(r"\A/\*.*?\*/\s*", "", source, flags=re.DOTALL)
    lines = (line.strip() for line in without_head.splitlines())
    return Ready.of("\n".join(line for line in lines if line and not line.startswith("//")) + "\n")


@lru_cache(maxsize=1)
def sheet_file() -> Ready:
    """The shop's design values and the frame's own rules as one file: one request less under every article."""
    css = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in ("tokens.css", "frame.css"))
    return Ready.of(re.sub(r"\n\s*\n+", "\n", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)).strip() + "\n")


def sheet_url() -> str:
    """The style sheet's address, which changes with its content."""
    return f"/embed/frame.css?v={sheet_file().digest[:12]}"


def loader() -> Response:
    """GET /embed.js: a stable address, fresh within five minutes everywhere."""
    response = loader_file().answer("application/javascript")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response.make_conditional(request)  # type: ignore[return-value]


def sheet() -> Response:
    """GET /embed/frame.css"""
    response = sheet_file().answer("text/css")
    fits = request.args.get("v") == sheet_file().digest[:12]
    response.headers["Cache-Control"] = f"public, max-age={31536000 if fits else 300}" + (", immutable" if fits else "")
    return response.make_conditional(request)  # type: ignore[return-value]
