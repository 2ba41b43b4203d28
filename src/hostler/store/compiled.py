"""Statements compiled once and run past SQLAlchemy's execution, which costs many times what SQLite itself does.

For the few statements that every job and every event runs through. The connection is in SQLAlchemy's transaction all
the same, and the statement is written for every dialect. Errors are the driver's own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Dialect, Select, Table, insert, update
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.sql.schema import ScalarElementColumnDefault

Processor = Callable[[Any], Any]


class _Ready(NamedTuple):
    """A statement in one dialect's text. Values are picked in C, and only those are touched that must be turned."""

    text: str
    names: tuple[str, ...]
    pick: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    fixed: Mapping[str, Any]
    positional: bool
    turned: tuple[tuple[int, Processor], ...]
    turned_back: tuple[tuple[int, Processor], ...]

    def arguments(self, values: Mapping[str, Any]) -> Any:
        found = _turn(self.pick({**self.fixed, **values} if self.fixed else values), self.turned)
        return found if self.positional else dict(zip(self.names, found, strict=True))

    def row(self, raw: tuple[Any, ...]) -> tuple[Any, ...]:
        return _turn(raw, self.turned_back)


def _turn(values: tuple[Any, ...], processors: tuple[tuple[int, Processor], ...]) -> tuple[Any, ...]:
    if not processors:
        return values
    turned = list(values)
    for place, process in processors:
        turned[place] = process(turned[place])
    return tuple(turned)


def _ready(
    statement: ClauseElement, dialect: Dialect, keys: Iterable[str], returned: Iterable[ColumnElement[Any]]
) -> _Ready:
    compiled = statement.compile(dialect=dialect, column_keys=list(keys) or None)
    assert isinstance(compiled, SQLCompiler)
    names = tuple(compiled.positiontup or () if compiled.positional else compiled.binds)
    types = [compiled.binds[name].type.dialect_impl(dialect) for name in names]
    return _Ready(
        text=str(compiled),
        names=names,
        pick=itemgetter(*names) if len(names) > 1 else lambda values: tuple(values[name] for name in names),
        fixed={name: _plain(value) for name, value in compiled.params.items() if value is not None},
        positional=bool(compiled.positional),
        turned=_processors(kind.bind_processor(dialect) for kind in types),
        turned_back=_processors(
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in returned
        ),
    )


def _plain(value: Any) -> Any:
    """The text of an enumeration's member, which drivers take more quickly."""
    return str(value) if isinstance(value, str) else value


def _processors(found: Iterable[Processor | None]) -> tuple[tuple[int, Processor], ...]:
    return tuple((place, process) for place, process in enumerate(found) if process is not None)


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
            if isinstance(column.default, ScalarElementColumnDefault)
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
