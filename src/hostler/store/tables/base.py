"""The metadata that every table belongs to, and the column kinds they share."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, MetaData, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Json(TypeDecorator[Any]):
    """A JSON document, written and read by msgspec: several times as fast as the standard library's."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)


def id_column(name: str = "id", *, primary_key: bool = True) -> Column[str]:
    """A UUID as its 36 characters."""
    return Column(name, String(36), primary_key=primary_key, nullable=False)


def time_column(name: str, *, nullable: bool = True) -> Column[int]:
    """Microseconds since the epoch, UTC."""
    return Column(name, BigInteger, nullable=nullable)
