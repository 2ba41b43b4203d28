"""What a list shows of a noun: its columns, declared once, for the query, the filter grammar and OpenAPI alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, FromClause, Text, true, type_coerce

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(microseconds: int | None) -> datetime | None:
    """A time of the store as msgspec writes it: UTC, RFC 3339."""
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def _raw(document: str | None) -> msgspec.Raw | None:
    return None if document is None else msgspec.Raw(document.encode())


class ColumnType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIME = "time"
    JSON = "json"


FROM_STORE: Mapping[ColumnType, Callable[[Any], Any]] = {ColumnType.TIME: moment, ColumnType.JSON: _raw}
"""How a stored value becomes one that is written; other types are written as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `listed`: shown when none are chosen. JSON can be neither sorted nor filtered by."""

    name: str
    expression: ColumnElement[Any]
    type: ColumnType
    about: str
    listed: bool = True
    nullable: bool = False

    @property
    def searchable(self) -> bool:
        return self.type is not ColumnType.JSON

    @property
    def selected(self) -> ColumnElement[Any]:
        """JSON passes through as the text it is stored as."""
        shown = type_coerce(self.expression, Text) if self.type is ColumnType.JSON else self.expression
        return shown.label(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A column that other tables fill, for a whole page at once: `load` gives values by the objects' ids."""

    name: str
    about: str
    load: Callable[[Connection, Sequence[str]], Mapping[str, Any]]
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All that can be listed of a noun. `key` is the unique column that ends every order."""

    plural: str
    source: FromClause
    columns: Sequence[Column]
    attachments: Sequence[Attachment] = ()
    key: str = "id"
    order: str = "name"
    where: ColumnElement[bool] = field(default_factory=true)
    owned_by: ColumnElement[Any] | None = None
    """Id of the user whose each one is, for who may read only their own; None: they see none."""

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns] + [attached.name for attached in self.attachments]

    @property
    def listed(self) -> tuple[str, ...]:
        plain = [column.name for column in self.columns if column.listed]
        return (*plain, *(attached.name for attached in self.attachments if attached.listed))

    @property
    def searchable(self) -> list[str]:
        return [column.name for column in self.columns if column.searchable]
