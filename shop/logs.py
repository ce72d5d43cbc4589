"""Structured logs: one line an event, with the request's id, as text for people or JSON for machines.

Nothing is logged that a log must not hold: no secrets, no card data, no addresses, no cart handles or access tokens. So
tracebacks name places and never show the variables that lay there, and libraries speak only when something is wrong:
what they chatter (a statement with its row, a request with its parameters) is what must not be kept.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

# What must never reach a log, should anybody pass it by mistake: keys of Stripe, card numbers, e-mail addresses, and the
# rows that PostgreSQL quotes when it refuses one. Each part of an address has a longest length: without it, looking for one in
# a stranger's long path takes time by the square, and no other request is answered meanwhile.
_SECRETS = re.compile(
    r"\b((?:sk|rk)_(?:test|live)_|whsec_)\w+"
    r"|\b\d(?:[ -]?\d){12,18}\b"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,16}"
    r"|(?<=DETAIL:)[^\n]+"
)


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {_clean(name): _clean(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(inner) for inner in value]
    text = value if isinstance(value, str) else repr(value)
    return _SECRETS.sub(lambda match: f"{match.group(1) or ''}[removed]", text)


def _scrub(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if not name.startswith("_"):  # the formatter's own notes
            event[name] = _clean(value)
    return event


def set_up(level: str = "info", form: str = "text") -> None:
    """Send structlog's and the standard library's records to standard error in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Plain text from here on: the console's own tracebacks would print every local variable.
        structlog.processors.format_exc_info,
        _scrub,
    ]
    render: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger("shop").setLevel(threshold)
