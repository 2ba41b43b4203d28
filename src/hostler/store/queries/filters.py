"""The filter grammar of lists: `column:operator:value`, several of them all holding."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Text, bindparam, cast

from hostler.store.queries.columns import EPOCH, Column, ColumnType, Listing

GRAMMAR = (
    "`column:operator:value`, repeated for conditions that must all hold. Operators: `eq`, `ne`, `lt`, `le`, `gt`, "
    "`ge`; `like` (`*` stands for any text, ASCII letters of either case); `in` (values separated by commas); "
    "`null` (`true` or `false`). The value is everything after the second colon. Times are RFC 3339."
)


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    LIKE = "like"
    IN = "in"
    NULL = "null"


class BadFilterError(Exception):
    """A filter that cannot be read; `allowed` are the columns or operators that can."""

    def __init__(self, message: str, allowed: list[str]) -> None:
        super().__init__(message)
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Shape:
    """A filter without its values. `null` keeps its answer here, as it is not a value of the column."""

    column: str
    operator: Operator
    is_null: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one column."""

    shape: Shape
    value: Any = None

    def values(self, n: int) -> dict[str, Any]:
        return {} if self.shape.operator is Operator.NULL else {f"filter_{n}": self.value}


def parse_filter(listing: Listing, text: str) -> Filter:
    """Read `column:operator:value`; BadFilterError otherwise."""
    name, _, rest = text.partition(":")
    spelled, colon, value = rest.partition(":")
    if name not in listing.searchable:
        raise BadFilterError(f"{listing.plural} cannot be filtered by {name!r}.", listing.searchable)
    if spelled not in Operator.__members__.values() or not colon:
        raise BadFilterError(f"{text!r} is not column:operator:value.", list(Operator))
    column, operator = listing.column(name), Operator(spelled)
    if operator is Operator.NULL:
        return Filter(Shape(name, operator, is_null=_boolean(value, name)))
    if operator is Operator.IN:
        return Filter(Shape(name, operator), [_parse(column, part) for part in value.split(",")])
    if operator is Operator.LIKE:
        return Filter(Shape(name, operator), _pattern(value))
    return Filter(Shape(name, operator), _parse(column, value))


def condition(column: Column, shape: Shape, n: int) -> ColumnElement[bool]:
    """The WHERE of a shape; its value comes by the parameter `filter_<n>`."""
    expression = column.expression
    if shape.operator is Operator.NULL:
        return expression.is_(None) if shape.is_null else expression.is_not(None)
    if shape.operator is Operator.IN:
        return expression.in_(bindparam(f"filter_{n}", expanding=True))
    value: BindParameter[Any] = bindparam(f"filter_{n}")
    if shape.operator is Operator.LIKE:
        return cast(expression, Text).ilike(value, escape="\\")
    comparison: ColumnElement[bool] = getattr(expression, f"__{shape.operator}__")(value)
    return comparison


def _parse(column: Column, text: str) -> Any:
    if column.type is ColumnType.INTEGER:
        return _integer(text, column.name)
    if column.type is ColumnType.BOOLEAN:
        return _boolean(text, column.name)
    if column.type is ColumnType.TIME:
        return _time(text, column.name)
    return text


def _integer(text: str, name: str) -> int:
    try:
        value = int(text)
    except ValueError as bad:
        raise BadFilterError(f"{name} is a whole number, not {text!r}.", []) from bad
    if abs(value) >= 1 << 63:
        raise BadFilterError(f"{text!r} is out of range for {name}.", [])
    return value


def _boolean(text: str, name: str) -> bool:
    if text not in ("true", "false"):
        raise BadFilterError(f"{name} takes true or false, not {text!r}.", ["true", "false"])
    return text == "true"


def _time(text: str, name: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as bad:
        raise BadFilterError(f"{name} is a time in RFC 3339, not {text!r}.", []) from bad
    if moment.tzinfo is None:
        raise BadFilterError(f"{name}: give the time's offset, as in 2026-01-31T12:00:00Z.", [])
    return (moment - EPOCH) // timedelta(microseconds=1)


def _pattern(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return text.replace("*", "%")
