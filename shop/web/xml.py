"""XML that stays well-formed whatever staff have typed."""

import re
from xml.sax.saxutils import escape

# What XML 1.0 has no way to write, not even as a reference: control characters, halves of characters, and two that are none.
UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(value: object) -> str:
    """`value` as the text of an element or of an attribute in double quotes."""
    return escape(UNWRITABLE.sub("", str(value)), {'"': "&quot;"})


def element(name: str, value: object) -> str:
    """`<name>value</name>`; nothing for an empty value."""
    return f"<{name}>{text(value)}</{name}>" if value not in {"", None} else ""
