"""The rows of a report while it is being made: counts and orders are added, one after the other."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row

from shop.insights.days import Days
from shop.insights.naming import Names
from shop.insights.report import Line, Report
from shop.insights.sums import Share, shares


class Books:
    """The rows of a report while it is being made."""

    def __init__(self, by: str, currency: str, names: Names) -> None:
        self._by, self._currency, self._names = by, currency, names
        self._lines: dict[str, Line] = {}
        self._shipping = Line("shipping", "Shipping", currency)
        self._total = Line("total", "Total", currency)

    def _line(self, key: str, label: str) -> Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(key, label, self._currency)
        return line

    def add_counts(self, rows: Iterable[Row[Any]]) -> None:
        """How often steps were taken, each with the columns that the names need."""
        for row in rows:
            times = int(row.times)  # PostgreSQL adds up in decimals
            self._total.steps[row.step] += times
            for key, label in self._names.of(row, getattr(row, "day", None)):
                self._line(key, label).steps[row.step] += times

    def add_order(
        self, rows: Sequence[Row[Any]], days: Days, of_lines: Mapping[int, int], of_shipping: Mapping[int, int]
    ) -> None:
        """An order with its lines: as one that was sent to the payment page, as one that was paid, or as both."""
        order = rows[0]
        if days.holds(order.placed_at):
            self._total.steps["checkout"] += 1
            for key, label in {
                key: label for row in rows for key, label in self._names.of(row, order.placed_at)
            }.items():
                self._line(key, label).steps["checkout"] += 1
        if order.paid_at is None or not days.holds(order.paid_at):
            return
        parts, way = shares(
            [row.unit_price_minor * row.quantity for row in rows],
            order.shipping_minor,
            refunded=order.refunded_minor,
            disputed=order.disputed_minor,
            of_lines={place: of_lines[row.line_id] for place, row in enumerate(rows) if row.line_id in of_lines},
            of_shipping=of_shipping.get(order.id, 0),
        )
        touched: dict[str, Line] = {}
        back: set[str] = set()
        for row, part in zip(rows, parts, strict=True):
            _add(self._total, part, row.quantity)
            for key, label in self._names.of(row, order.paid_at):
                line = touched[key] = self._line(key, label)
                _add(line, part, row.quantity)
                if part.refunded or part.disputed:
                    back.add(key)
        for line in touched.values():
            line.steps["paid"] += 1
            line.refunded_orders += line.key in back
        for line in (self._shipping, self._total):
            _add(line, way, 0)
        self._total.steps["paid"] += 1
        self._total.refunded_orders += bool(order.refunded_minor or order.disputed_minor)

    def report(self, since: date | None, until: date | None, unverified: int, elsewhere: Sequence[str]) -> Report:
        """What has been added, in order."""
        lines = list(self._lines.values())
        if self._by == "day":
            lines.sort(key=lambda line: line.key)
        else:
            lines.sort(key=lambda line: (-line.net.minor, -line.steps["seen"], line.label, line.key))
        return Report(
            by=self._by,
            since=since,
            until=until,
            currency=self._currency,
            lines=tuple(lines),
            shipping=self._shipping,
            total=self._total,
            unverified=unverified,
            elsewhere=tuple(sorted(elsewhere)),
        )


def _add(line: Line, part: Share, pieces: int) -> None:
    line.sold_minor += part.sold
    line.refunded_minor += part.refunded
    line.disputed_minor += part.disputed
    line.pieces += pieces
