"""What the house asks of a database: units of work that commit whole, reads on a snapshot, news of commits."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Row

T = TypeVar("T")

AnyRow = Row[*tuple[Any, ...]]
"""A row of whatever columns were asked for."""

Unit = Callable[[Connection], T]
"""Work on one connection, inside one transaction. It may be rolled back and must have no other effect."""


class Database(Protocol):
    """SQLite or PostgreSQL, the same to its users."""

    async def write(self, work: Unit[T]) -> T:
        """Run `work` and commit; the answer comes only when it is durable."""
        ...

    async def read(self, query: Unit[T], *, brief: bool = False) -> T:
        """Run `query` on a snapshot. `brief`: it reads a few rows by an index, for which a thread costs more than it
        saves; the event loop waits for it."""
        ...

    def on_commit(self, listener: Callable[[], object]) -> Callable[[], None]: ...

    def close(self) -> None: ...
