"""Structured logs: one line an event, with the request's id, as text for people or JSON for machines.

Nothing is logged that a log must not hold: no secrets, no card data, no addresses, no cart handles or access tokens.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

# What must never reach a log, should anybody pass it by mistake: keys of Stripe and card numbers.
_SECRETS = re.compile(r"\b((?:sk|rk)_(?:test|live)_|whsec_)\w+|\b\d{13,19}\b")


def _scrub(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _SECRETS.sub(lambda match: f"{match.group(1) or ''}[removed]", value)
    return event


def set_up(level: str = "info", form: str = "text") -> None:
    """Send structlog's and the standard library's records to standard error in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _scrub,
    ]
    render: Any = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
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
    root.setLevel(level.upper())
    # These say on every request what our own line says better, the SDK's with parameters in it.
    for name in ("stripe", "urllib3", "PIL", "alembic", "werkzeug", "huey"):
        logging.getLogger(name).setLevel(logging.WARNING)
