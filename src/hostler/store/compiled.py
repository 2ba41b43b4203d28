"""Statements compiled once and run past SQLAlchemy's execution, which costs many times what SQLite itself does.

For the few statements that every job and every event runs through. The connection is in SQLAlchemy's transaction all the
same, and the statement is written for every dialect. Errors are the driver's own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Dialect, Select, Table, insert, update
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

Processor = Callable[[Any], Any]


class _Ready(NamedTuple):
    """A statement in one dialect's text, with its parameters in order and what turns each into the driver's value."""

    text: str
    binds: tuple[tuple[str, Processor | None], ...]
    fixed: Mapping[str, Any]
    positional: bool
    results: tuple[Processor | None, ...]

    def arguments(self, values: Mapping[str, Any]) -> Any:
        known = {**self.fixed, **values} if self.fixed else values
        if self.positional:
            return [known[name] if process is None else process(known[name]) for name, process in self.binds]
        return {name: known[name] if process is None else process(known[name]) for name, process in self.binds}

    def row(self, raw: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            [value if process is None else process(value) for value, process in zip(raw, self.results, strict=True)]
        )


def _ready(
    statement: ClauseElement, dialect: Dialect, keys: Iterable[str], returned: Iterable[ColumnElement[Any]]
) -> _Ready:
    compiled = statement.compile(dialect=dialect, column_keys=list(keys) or None)
    assert isinstance(compiled, SQLCompiler)
    names = compiled.positiontup if compiled.positional else list(compiled.binds)
    assert names is not None
    types = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
    return _Ready(
        text=str(compiled),
        binds=tuple((name, types[name].bind_processor(dialect)) for name in names),
        fixed={name: value for name, value in compiled.params.items() if value is not None},
        positional=bool(compiled.positional),
        results=tuple(column.type.dialect_impl(dialect).result_processor(dialect, None) for column in returned),
    )


def _driver(connection: Connection) -> Any:
    """The driver's own connection: sqlite3's or psycopg's, which execute alike."""
    return connection.connection.driver_connection


class Query:
    """A select with named parameters. It has no `in_`, whose text depends on its values."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        self._ready: dict[str, _Ready] = {}

    def rows(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        ready = self._ready.get(connection.dialect.name)
        if ready is None:
            ready = _ready(self._statement, connection.dialect, (), self._statement.selected_columns)
            self._ready[connection.dialect.name] = ready
        return [ready.row(raw) for raw in _driver(connection).execute(ready.text, ready.arguments(values)).fetchall()]

    def first(self, connection: Connection, **values: Any) -> tuple[Any, ...] | None:
        rows = self.rows(connection, **values)
        return rows[0] if rows else None


class Insert:
    """Rows into a table; one statement is compiled for each set of columns."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._defaults = {
            column.key: column.default.arg
            for column in table.columns
            if column.default is not None and column.default.is_scalar
        }
        self._ready: dict[tuple[str, ...], _Ready] = {}

    def one(self, connection: Connection, **values: Any) -> None:
        full = {**self._defaults, **values} if self._defaults else values
        ready = self._compiled(connection, full)
        _driver(connection).execute(ready.text, ready.arguments(full))

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows that all have the same columns."""
        full = [{**self._defaults, **row} for row in rows]
        ready = self._compiled(connection, full[0])
        cursor = _driver(connection).cursor()
        cursor.executemany(ready.text, [ready.arguments(values) for values in full])
        cursor.close()

    def _compiled(self, connection: Connection, row: Mapping[str, Any]) -> _Ready:
        key = (connection.dialect.name, *row)
        ready = self._ready.get(key)
        if ready is None:
            ready = self._ready[key] = _ready(insert(self._table).inline(), connection.dialect, row, ())
        return ready


class Update:
    """Sets columns where a condition with named parameters holds; one statement is compiled for each set of columns."""

    def __init__(
        self, table: Table, *condition: ColumnElement[bool], returning: Sequence[ColumnElement[Any]] = ()
    ) -> None:
        self._statement = update(table).where(*condition)
        self._returning = returning
        self._ready: dict[tuple[str, ...], _Ready] = {}

    def run(self, connection: Connection, where: Mapping[str, Any], **values: Any) -> list[tuple[Any, ...]]:
        """What was asked to be returned, of each row that was changed."""
        key = (connection.dialect.name, *values)
        ready = self._ready.get(key)
        if ready is None:
            statement = self._statement.returning(*self._returning) if self._returning else self._statement
            ready = self._ready[key] = _ready(statement, connection.dialect, values, self._returning)
        changed = _driver(connection).execute(ready.text, ready.arguments({**where, **values}))
        return [ready.row(raw) for raw in changed.fetchall()] if self._returning else []
