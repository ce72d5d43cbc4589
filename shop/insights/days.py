"""The days that a report is of: days of the shop's time zone, while everything is stored in UTC."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_


class Days:
    """From `since` to `until`, both included; None is open."""

    def __init__(self, zone: ZoneInfo, since: date | None, until: date | None) -> None:
        self._zone, self.since, self.until = zone, since, until
        self._from = datetime.combine(since, time(), zone) if since else None
        self._to = datetime.combine(until + timedelta(days=1), time(), zone) if until and until < date.max else None

    def of(self, moment: datetime) -> date:
        """The day of the shop's on which something happened."""
        return moment.astimezone(self._zone).date()

    def holds(self, moment: datetime | None) -> bool:
        """Whether a moment, if there was one, is in these days."""
        return (
            moment is not None
            and (self._from is None or moment >= self._from)
            and (self._to is None or moment < self._to)
        )

    def between(self, column: Any) -> ColumnElement[bool]:
        """The same of a column of moments."""
        bounds = [column >= self._from] if self._from else []
        return and_(True, *bounds, *([column < self._to] if self._to else []))

    def among(self, column: Any) -> ColumnElement[bool]:
        """The same of a column of days."""
        bounds = [column >= self.since] if self.since else []
        return and_(True, *bounds, *([column <= self.until] if self.until else []))
