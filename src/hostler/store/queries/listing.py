"""Lists of any noun: filtered, sorted, column-chosen, and paged by key: a late page costs what the first does."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import BindParameter, ColumnElement, Connection, Select, bindparam, func, select, tuple_

from hostler.store.queries.columns import FROM_STORE, Column, ColumnType, Listing
from hostler.store.queries.filters import Filter, Shape, condition
from hostler.store.queries.scope import Scope

BRIEF_LIMIT = 200
DEFAULT_LIMIT = 100
MOST_ROWS = 1000


class BadQueryError(Exception):
    """A column, an order, a filter or a place that the list does not know; `allowed` are those it does."""

    def __init__(self, message: str, parameter: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.allowed = list(allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """What is asked of a list. `columns` empty: those a list shows by itself; `after` is the `next` of a page."""

    columns: tuple[str, ...] = ()
    sort: str = ""
    filters: tuple[Filter, ...] = ()
    after: str | None = None
    limit: int = DEFAULT_LIMIT
    total: bool = False

    @property
    def is_brief(self) -> bool:
        """A page in the list's own order, which an index gives: it reads no more rows than it shows."""
        return not (self.filters or self.total or self.sort) and self.limit <= BRIEF_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows ready to be written, and where the next page starts."""

    items: list[dict[str, Any]]
    next: str | None
    total: int | None


@dataclass(frozen=True, slots=True)
class _Order:
    column: Column
    descending: bool
    spelled: str


_LOWEST: Mapping[ColumnType, Any] = {
    ColumnType.TEXT: "",
    ColumnType.INTEGER: -1,
    ColumnType.TIME: -1,
    ColumnType.BOOLEAN: False,
}
"""Where rows without a value stand in an order."""


def read_page(connection: Connection, listing: Listing, query: PageQuery, scope: Scope) -> Page:
    """One page; BadQueryError says what the list does not know."""
    columns, order = _columns(listing, query.columns), _order(listing, query.sort)
    shapes = tuple(wanted.shape for wanted in query.filters)
    statement = _page_statement(_Asked(listing, columns, order, shapes, query.after is not None, scope))
    values = _values(query.filters) | scope.values
    if query.after is not None:
        values["after_value"], values["after_key"] = _place(query.after, order)
    rows = connection.execute(statement, values | {"most": query.limit + 1}).all()
    page, more = rows[: query.limit], len(rows) > query.limit
    return Page(
        items=_items(connection, listing, columns, page),
        next=place_after(order.spelled, page[-1][0], page[-1][1]) if more else None,
        total=_count(connection, listing, query.filters, scope) if query.total else None,
    )


def read_one(connection: Connection, listing: Listing, key: str, scope: Scope) -> dict[str, Any] | None:
    """Everything that is shown of one object, by its id."""
    names = tuple(listing.names)
    chosen = [column.selected for column in listing.columns]
    identity = listing.column("id").expression
    statement = select(identity.label("found"), identity.label("attached_to"), *chosen).select_from(listing.source)
    rows = connection.execute(
        statement.where(identity == key, listing.where, scope.condition(listing.owned_by)), scope.values
    ).all()
    return _items(connection, listing, names, rows)[0] if rows else None


@dataclass(frozen=True, eq=False)
class _Asked:
    """The shape of a query, values apart: equal shapes share one statement."""

    listing: Listing
    columns: tuple[str, ...]
    order: _Order
    shapes: tuple[Shape, ...]
    goes_on: bool
    scope: Scope
    key: tuple[object, ...] = field(init=False)

    def __post_init__(self) -> None:
        shape = (self.listing.plural, self.columns, self.order.spelled, self.shapes, self.goes_on, self.scope.is_narrow)
        object.__setattr__(self, "key", shape)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self.key == other.key


@lru_cache(maxsize=256)
def _page_statement(asked: _Asked) -> Select[*tuple[Any, ...]]:
    listing, order = asked.listing, asked.order
    value, key = _sort_value(order.column), listing.column(listing.key).expression
    attached = {attachment.name for attachment in listing.attachments}
    chosen = [listing.column(name).selected for name in asked.columns if name not in attached]
    statement = select(value.label("sort_value"), key.label("sort_key"), *chosen)
    if attached.intersection(asked.columns):
        statement = statement.add_columns(listing.column("id").expression.label("attached_to"))
    statement = statement.select_from(listing.source).where(listing.where, asked.scope.condition(listing.owned_by))
    statement = statement.where(*_conditions(listing, asked.shapes))
    if asked.goes_on:
        here: BindParameter[Any] = bindparam("after_value")
        there: BindParameter[Any] = bindparam("after_key")
        place, row = tuple_(here, there), tuple_(value, key)
        statement = statement.where(row < place if order.descending else row > place)
    ends = (value.desc(), key.desc()) if order.descending else (value, key)
    return statement.order_by(*ends).limit(bindparam("most"))


def _sort_value(column: Column) -> ColumnElement[Any]:
    return func.coalesce(column.expression, _LOWEST[column.type]) if column.nullable else column.expression


def _conditions(listing: Listing, shapes: Sequence[Shape]) -> list[ColumnElement[bool]]:
    return [condition(listing.column(shape.column), shape, n) for n, shape in enumerate(shapes)]


def _values(filters: Sequence[Filter]) -> dict[str, Any]:
    return {name: value for n, wanted in enumerate(filters) for name, value in wanted.values(n).items()}


def _count(connection: Connection, listing: Listing, filters: Sequence[Filter], scope: Scope) -> int:
    statement = select(func.count()).select_from(listing.source).where(listing.where, scope.condition(listing.owned_by))
    statement = statement.where(*_conditions(listing, [wanted.shape for wanted in filters]))
    return connection.execute(statement, _values(filters) | scope.values).scalar_one()


def _items(
    connection: Connection, listing: Listing, columns: tuple[str, ...], rows: Sequence[Any]
) -> list[dict[str, Any]]:
    attached = [attachment for attachment in listing.attachments if attachment.name in columns]
    plain = [name for name in columns if name not in {attachment.name for attachment in attached}]
    items = [dict(zip(plain, row[2:], strict=False)) for row in rows]
    for name in plain:
        convert = FROM_STORE.get(listing.column(name).type)
        if convert is not None:
            for item in items:
                item[name] = convert(item[name])
    if attached:
        ids = [row.attached_to for row in rows]
        for attachment in attached:
            values = attachment.load(connection, ids)
            for identity, item in zip(ids, items, strict=True):
                item[attachment.name] = values.get(identity, [])
    return items


def _columns(listing: Listing, chosen: tuple[str, ...]) -> tuple[str, ...]:
    for name in chosen:
        if name not in listing.names:
            raise BadQueryError(f"{listing.plural} have no column {name!r}.", "columns", listing.names)
    return tuple(dict.fromkeys(chosen)) or listing.listed


def _order(listing: Listing, sort: str) -> _Order:
    spelled = sort or listing.order
    name = spelled.removeprefix("-")
    if name not in listing.searchable:
        raise BadQueryError(f"{listing.plural} cannot be sorted by {name!r}.", "sort", listing.searchable)
    return _Order(listing.column(name), spelled.startswith("-"), spelled)


def place_after(order: str, value: Any, key: Any) -> str:
    """The place in a list behind the row with this sort value and key, as an opaque text."""
    return base64.urlsafe_b64encode(msgspec.json.encode([order, value, key])).decode().rstrip("=")


def _place(text: str, order: _Order) -> tuple[Any, Any]:
    try:
        padded = text + "=" * (-len(text) % 4)
        spelled, value, key = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=tuple[str, Any, Any])
    except (binascii.Error, msgspec.DecodeError, ValueError) as bad:
        raise BadQueryError("`after` is not the `next` of a page of this list.", "after") from bad
    if spelled != order.spelled:
        raise BadQueryError(f"`after` belongs to a list sorted by {spelled!r}.", "after", [spelled])
    if not all(isinstance(part, str) or (isinstance(part, int) and abs(part) < 1 << 63) for part in (value, key)):
        raise BadQueryError("`after` is not the `next` of a page of this list.", "after")
    return value, key
