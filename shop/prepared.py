"""Writing statements that are put into words once and sent often.

For each execution SQLAlchemy looks a statement up, works out what every value needs on its way to the driver, and readies itself
for results that a writing statement has not. That takes longer than the database takes to run it (docs/benchmarks.md).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.sql.dml import UpdateBase

Values = Mapping[str, Any]


class Prepared:
    """An INSERT, UPDATE or DELETE of the tables' own columns, or a function that makes it for a dialect's name.

    Values are bound by name; columns with a default of ours (`default=now`) may be left out. What RETURNING gives back is as the
    driver has it, which is all that ids and numbers need. Safe between threads: at worst it is put into words twice.
    """

    def __init__(self, statement: UpdateBase | Callable[[str], UpdateBase]) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}

    def run(self, connection: Connection, values: Values | Sequence[Values]) -> CursorResult[Any]:
        """Execute it once, with one set of values or with many. Raises KeyError for a value that is missing."""
        text = self._texts.get(connection.dialect.name)
        if text is None:
            made = self._statement(connection.dialect.name) if callable(self._statement) else self._statement
            text = self._texts[connection.dialect.name] = _Text(made, connection.dialect)
        rows = [values] if isinstance(values, Mapping) else values
        return connection.exec_driver_sql(text.sql, [text.for_driver(row) for row in rows])


class _Text:
    """A statement in one dialect's words, and what its values need there."""

    def __init__(self, statement: UpdateBase, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = compiled.string
        self._positional = compiled.positional
        self._names = list(compiled.positiontup or ()) if compiled.positional else list(compiled.binds)
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if bind.value is not None}
        self._defaults: dict[str, Any] = {column.key: column.default for column in compiled.insert_prefetch}
        self._processes: dict[str, Callable[[Any], Any]] = {}
        for name, bind in compiled.binds.items():
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if process is not None:
                self._processes[name] = process

    def for_driver(self, values: Values) -> Any:
        """The values as the driver wants them: by their places or by their names."""
        given = {**self._fixed, **values}
        for name, default in self._defaults.items():
            if name not in given:
                given[name] = default.arg(None) if default.is_callable else default.arg
        for name, process in self._processes.items():
            given[name] = process(given[name])
        if self._positional:
            return tuple([given[name] for name in self._names])
        return given
