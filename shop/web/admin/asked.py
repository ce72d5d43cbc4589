"""What an address asks for after its question mark, made harmless: a stranger's link may hold anything."""

from flask import request


def words(name: str, limit: int = 100) -> str:
    """The parameter as one trimmed line without control characters, cut at `limit`; empty when there is none."""
    given = request.args.get(name, "")
    return "".join(character for character in given if ord(character) >= 32 and ord(character) != 127).strip()[:limit]


def one_of(name: str, known: frozenset[str]) -> str:
    """The parameter if it is one of the `known` words, else empty."""
    given = request.args.get(name, "")
    return given if given in known else ""
