"""What history is forgotten, and when: ended jobs, old news, averages, tombstones' places. The audit trail never."""

from msgspec import Struct
from sqlalchemy import Connection, Delete, Select, and_, delete, exists, or_, select

from hostler.domain.fabric.averages import MINUTE, SECOND, SIX_HOURS, TEN_MINUTES
from hostler.store.tables import event, job, load_average, presence, vm

_DAY = 86_400 * SECOND
_ROWS_AT_ONCE = 2_000
"""Rows in one unit of work, so that nobody waits long behind it."""

_COMPLETED = ("completed", "completed_with_info")
"""Any other job that ended may still be restarted or undone, with all its parts, until somebody decided on it."""


class Retention(Struct, frozen=True, kw_only=True):
    """How long history is kept."""

    jobs_days: float = 90
    events_days: float = 7
    minutes_days: float = 1 / 12
    ten_minutes_days: float = 2
    six_hours_days: float = 90
    tombstones_days: float = 1


def prune(connection: Connection, keep: Retention, now: int) -> int:
    """Delete some of what is too old; how many rows went. Call it again until it answers 0."""
    return sum(connection.execute(statement).rowcount for statement in _statements(keep, now))


def _statements(keep: Retention, now: int) -> list[Delete]:
    def before(days: float) -> int:
        return now - int(days * _DAY)

    root = job.alias()
    undecided = and_(root.c.state.not_in(_COMPLETED), root.c.resolution.is_(None))
    young = or_(root.c.ended_at.is_(None), root.c.ended_at >= before(keep.jobs_days))
    needed = exists().where(root.c.id == job.c.root_id, or_(young, undecided))
    ended = select(job.c.seq).where(job.c.ended_at < before(keep.jobs_days), ~needed)
    events = select(event.c.seq).where(event.c.at < before(keep.events_days))
    spans = ((MINUTE, keep.minutes_days), (TEN_MINUTES, keep.ten_minutes_days), (SIX_HOURS, keep.six_hours_days))
    old = [(load_average.c.span_seconds == span) & (load_average.c.slot_at < before(days)) for span, days in spans]
    dead = select(vm.c.id).where(vm.c.deleted_at < before(keep.tombstones_days))
    return [
        delete(job).where(job.c.seq.in_(_some(ended))),
        delete(event).where(event.c.seq.in_(_some(events))),
        delete(load_average).where(or_(*old)),
        delete(presence).where(presence.c.vm_id.in_(dead)),
    ]


def _some(query: Select[int]) -> Select[int]:
    return query.limit(_ROWS_AT_ONCE)
