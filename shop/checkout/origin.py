"""Where the lines of an order came from, in the words that Stripe keeps beside its payment and its refunds.

Metadata holds up to 50 keys, of at most 500 characters each (docs.stripe.com/metadata). Nothing in it is about the buyer: a story,
and the place in it where the product stood.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

LONGEST_VALUE = 500
# With an order's own keys below 50; a cart holds 50 lines. Each line says all of it again beside its product.
MOST_LINES = 40


class Line(Protocol):
    """A line of a cart or of an order, as far as its origin goes."""

    @property
    def sku(self) -> str: ...
    @property
    def article_id(self) -> int | None: ...
    @property
    def placement(self) -> str: ...
    @property
    def tie_in_id(self) -> int | None: ...
    @property
    def slot(self) -> str: ...


def origin_of(line: Line, story: str) -> dict[str, str]:
    """The article, tie-in, slot and layout that a line came from, by name; without what it has none of."""
    said = {
        "article": str(line.article_id or ""),
        "tie_in": str(line.tie_in_id or ""),
        "slot": line.slot,
        "layout": line.placement,
        "story": story if len(story) <= LONGEST_VALUE else "",
    }
    return {name: value for name, value in said.items() if value}


def origins(lines: Iterable[tuple[Line, str, int]]) -> Mapping[str, str]:
    """Metadata for the lines that came from a story (each with its story's address and its pieces): "line_1", "line_2"..."""
    told: dict[str, str] = {}
    for number, (line, story, pieces) in enumerate(lines, start=1):
        said = origin_of(line, story)
        if not said or len(told) == MOST_LINES:
            continue
        # An address that does not fit is left out: half of one would name another story.
        words = [f"{pieces} x {line.sku}", *(f"{name}={value}" for name, value in said.items())]
        if len(" ".join(words)) > LONGEST_VALUE:
            words.pop()
        told[f"line_{number}"] = " ".join(words)[:LONGEST_VALUE]
    return told
