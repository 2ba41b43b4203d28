"""When each source was last read, by class of fact: the one row that an unchanged pass writes."""

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update

from hostler.store.database import AnyRow
from hostler.store.tables import freshness


class FactClass(StrEnum):
    """Facts that are read together, each class at its own pace. The source is a host's id."""

    VMS = "vms"
    HOST = "host"
    LOAD = "load"


def last_read(connection: Connection, source: str, fact_class: str) -> AnyRow | None:
    """The row of the newest read, None before the first."""
    return connection.execute(
        select(freshness).where(freshness.c.source == source, freshness.c.fact_class == fact_class)
    ).one_or_none()


def record_read(
    connection: Connection,
    source: str,
    fact_class: str,
    last: AnyRow | None,
    *,
    started_at: int,
    ended_at: int,
    complete: bool,
    problems: Sequence[str],
) -> None:
    """Put the newest read in the place of `last`."""
    values = {
        "read_started_at": started_at,
        "read_ended_at": ended_at,
        "complete": complete,
        "problems": list(problems),
    }
    if last is None:
        connection.execute(insert(freshness).values(source=source, fact_class=fact_class, sequence=1, **values))
        return
    connection.execute(
        update(freshness)
        .where(freshness.c.source == source, freshness.c.fact_class == fact_class)
        .values(sequence=last.sequence + 1, **values)
    )
