"""A report for other programs: JSON with whole minor units, CSV for spreadsheets with decimals. Both say what the page says."""

import csv
import json
from collections.abc import Iterator
from io import StringIO

from shop.insights.report import BEFORE, STEPS, Line, Report
from shop.money import decimal_text

# A spreadsheet takes a cell that begins so for a formula, and headlines are written by strangers
# (owasp.org/www-community/attacks/CSV_Injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
COLUMNS = (
    "row",
    "key",
    "label",
    *STEPS,
    "pieces",
    "refunded_orders",
    "currency",
    "sold",
    "refunded",
    "disputed",
    "net",
    "net_per_thousand_seen",
    *(f"{step}_of_{before}" for step, before in BEFORE.items()),
)


def as_json(report: Report) -> str:
    """The report as an object with `rows`, `shipping` and `total`. Amounts in minor units, rates as parts of one."""
    said = {
        "by": report.by,
        "since": report.since.isoformat() if report.since else None,
        "until": report.until.isoformat() if report.until else None,
        "currency": report.currency,
        "rows_overlap": report.overlaps,
        "rows": [_described(line) for line in report.lines],
        "shipping": _described(report.shipping),
        "total": _described(report.total),
        "unverified": report.unverified,
        "other_currencies": list(report.elsewhere),
    }
    return json.dumps(said, ensure_ascii=False, indent=2) + "\n"


def _described(line: Line) -> dict[str, object]:
    return {
        "key": line.key,
        "label": line.label,
        **line.steps,
        "pieces": line.pieces,
        "refunded_orders": line.refunded_orders,
        "sold_minor": line.sold.minor,
        "refunded_minor": line.refunded.minor,
        "disputed_minor": line.disputed.minor,
        "net_minor": line.net.minor,
        "net_minor_per_thousand_seen": line.per_thousand.minor if line.per_thousand else None,
        **{f"{step}_of_{before}": line.rate(step) for step, before in BEFORE.items()},
    }


def as_csv(report: Report) -> str:
    """The report as a table, with the shipping and the total at its end. Amounts are decimals; what is unknown is empty."""
    table = StringIO()
    writer = csv.writer(table, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in report.lines:
        writer.writerow(_cells("row", line))
    writer.writerow(_cells("shipping", report.shipping))
    writer.writerow(_cells("total", report.total))
    return table.getvalue()


def _cells(kind: str, line: Line) -> Iterator[object]:
    yield from (kind, _text(line.key), _text(line.label))
    yield from line.steps.values()
    yield from (line.pieces, line.refunded_orders, line.currency.upper())
    for amount in (line.sold, line.refunded, line.disputed, line.net, line.per_thousand):
        yield "" if amount is None else decimal_text(amount.minor, amount.currency)
    for step in BEFORE:
        rate = line.rate(step)
        yield "" if rate is None else rate


def _text(words: str) -> str:
    """A cell that every spreadsheet shows as it is written."""
    return f"'{words}" if words.lstrip(" ").startswith(FORMULA) else words
