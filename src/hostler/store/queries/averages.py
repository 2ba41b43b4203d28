"""Averages of hosts and VMs: minutes written, rolled up into longer spans, and read for one object."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Insert, case, delete, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from hostler.domain.fabric.averages import COARSER, SECOND, Averages, MinuteShare, slot_of
from hostler.store.database import AnyRow
from hostler.store.queries.observations.freshness import last_read, record_read
from hostler.store.tables import load_average

_MEASURES = Averages.__struct_fields__
_GRACE_SECONDS = 120
"""A slot is rolled up only this long after its end: reads that span the end come in later."""
_SLOTS_AT_ONCE = 100


class Measured(NamedTuple):
    """What was measured of one object, and which part of which minute it covers."""

    object_id: str
    share: MinuteShare
    averages: Averages


def add_minutes(connection: Connection, measured: Iterable[Measured]) -> None:
    """Write averages of parts of minutes; parts of one minute become their mean, weighted by what they cover."""
    rows = [
        {
            "object_id": one.object_id,
            "span_seconds": 60,
            "slot_at": one.share.slot_at,
            "covered_seconds": one.share.covered_seconds,
            **{measure: getattr(one.averages, measure) for measure in _MEASURES},
        }
        for one in measured
    ]
    if rows:
        connection.execute(_merging(connection), rows)


def _merging(connection: Connection) -> Insert:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(load_average)
    more = statement.excluded
    covered = load_average.c.covered_seconds + more.covered_seconds
    merged: dict[str, ColumnElement[float]] = {
        measure: case(
            (load_average.c[measure].is_(None), more[measure]),
            (more[measure].is_(None), load_average.c[measure]),
            else_=(load_average.c[measure] * load_average.c.covered_seconds + more[measure] * more.covered_seconds)
            / covered,
        )
        for measure in _MEASURES
    }
    key = ["object_id", "span_seconds", "slot_at"]
    return statement.on_conflict_do_update(index_elements=key, set_={"covered_seconds": covered, **merged})


def roll_up(connection: Connection, now: int) -> int:
    """Make every longer slot that is over; how many were made. What was made is remembered, so none is left out."""
    made = 0
    for fine, coarse in COARSER:
        source, step = "averages", coarse * SECOND
        end = slot_of(now - _GRACE_SECONDS * SECOND, coarse)
        last = last_read(connection, source, str(coarse))
        first = last.read_started_at + step if last is not None else _oldest(connection, fine, coarse)
        slots = range(first, end, step)[:_SLOTS_AT_ONCE] if first is not None else range(0)
        for slot_at in slots:
            _make(connection, fine, coarse, slot_at)
        if slots:
            done = slots[-1]
            record_read(
                connection, source, str(coarse), last, started_at=done, ended_at=now, complete=True, problems=()
            )
        made += len(slots)
    return made


def _oldest(connection: Connection, fine: int, coarse: int) -> int | None:
    oldest = connection.execute(
        select(func.min(load_average.c.slot_at)).where(load_average.c.span_seconds == fine)
    ).scalar()
    return None if oldest is None else slot_of(oldest, coarse)


def _make(connection: Connection, fine: int, coarse: int, slot_at: int) -> None:
    means = [mean(load_average.c[measure]) for measure in _MEASURES]
    slots = select(
        load_average.c.object_id, literal(coarse), literal(slot_at), func.sum(load_average.c.covered_seconds), *means
    ).where(
        load_average.c.span_seconds == fine,
        load_average.c.slot_at >= slot_at,
        load_average.c.slot_at < slot_at + coarse * SECOND,
    )
    names = ["object_id", "span_seconds", "slot_at", "covered_seconds", *_MEASURES]
    connection.execute(
        delete(load_average).where(load_average.c.span_seconds == coarse, load_average.c.slot_at == slot_at)
    )
    connection.execute(load_average.insert().from_select(names, slots.group_by(load_average.c.object_id)))


def mean(measure: ColumnElement[float]) -> ColumnElement[float]:
    """The mean of one measure over rows, each weighted by what it covers; rows without it do not count."""
    covered = load_average.c.covered_seconds
    return func.sum(measure * covered) / func.sum(case((measure.is_not(None), covered)))


def averages_of(connection: Connection, object_id: str, span_seconds: int, since: int) -> list[AnyRow]:
    """The averages of one host or VM since a moment, oldest first."""
    return list(
        connection.execute(
            select(load_average)
            .where(
                load_average.c.object_id == object_id,
                load_average.c.span_seconds == span_seconds,
                load_average.c.slot_at >= since,
            )
            .order_by(load_average.c.slot_at)
        )
    )
