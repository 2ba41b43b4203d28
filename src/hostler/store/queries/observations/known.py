"""What is already known of a host's VMs, read in bulk, and when each was last seen."""

from collections.abc import Iterable, Iterator

import msgspec
from sqlalchemy import ColumnElement, Connection, Text, and_, case, func, or_, select, type_coerce

from hostler.domain.machines.disk_sizes import with_known_sizes
from hostler.domain.machines.facts import VmFacts
from hostler.store.database import AnyRow
from hostler.store.queries.observations.freshness import FactClass
from hostler.store.tables import freshness, job, job_object, presence, vm

_NAMES_AT_ONCE = 500
"""Names in one IN list: databases limit the parameters of a statement."""

_COLUMNS = (
    presence.c.native_id,
    presence.c.vm_id,
    presence.c.seen_at,
    presence.c.in_last_pass,
    vm.c.host_id,
    vm.c.name,
    vm.c.state,
    vm.c.observed_state,
    vm.c.job_state,
    vm.c.observed_at,
    vm.c.created_at,
    vm.c.deleted_at,
    vm.c.conflict,
    type_coerce(vm.c.facts, Text).label("facts"),
)
"""Facts stay the text they are stored as: an unchanged VM is found so without reading it."""


def known_on(connection: Connection, host_id: str, native_id: str | None = None) -> dict[str, AnyRow]:
    """The VMs that have a place on the host, tombstones too, by native id; only one when it is given."""
    query = select(*_COLUMNS).join(vm, vm.c.id == presence.c.vm_id).where(presence.c.host_id == host_id)
    if native_id is not None:
        query = query.where(presence.c.native_id == native_id)
    return {row.native_id: row for row in connection.execute(query)}


def last_seen(row: AnyRow, last: AnyRow | None) -> int:
    """When the VM of a `known_on` row was last seen on that host; 0: never."""
    by_pass = last.read_started_at if last is not None and row.in_last_pass else 0
    return max(row.seen_at or 0, by_pass)


def last_observed(row: AnyRow, last: AnyRow | None, host_id: str) -> int:
    """The moment for which the VM of a `known_on` row was last known to be as it is written, or missing; 0: never."""
    confirmed = last_seen(row, last) if row.host_id == host_id else 0
    return max(row.observed_at or 0, confirmed)


def news_of(row: AnyRow, facts: VmFacts) -> VmFacts | None:
    """What is to be written of the VM of a `known_on` row; None when it is as it was."""
    same_state = row.observed_state == facts.state
    if same_state and row.facts == _text(facts):
        return None
    if row.facts is None:
        return facts
    whole = with_known_sizes(facts, msgspec.json.decode(row.facts, type=VmFacts))
    return None if same_state and row.facts == _text(whole) else whole


def _text(facts: VmFacts) -> str:
    return msgspec.json.encode(facts).decode()


def last_seen_at() -> ColumnElement[int | None]:
    """The same for lists of VMs, as a column: join nothing, it looks for itself. Null: never seen."""
    by_pass = case((presence.c.in_last_pass, freshness.c.read_started_at))
    own = presence.c.seen_at
    newest = case((or_(own.is_(None), by_pass > own), func.coalesce(by_pass, own)), else_=own)
    return (
        select(func.max(newest))
        .select_from(presence)
        .join(
            freshness,
            and_(freshness.c.source == presence.c.host_id, freshness.c.fact_class == FactClass.VMS),
            isouter=True,
        )
        .where(presence.c.vm_id == vm.c.id)
        .correlate(vm)
        .scalar_subquery()
    )


def held_since(connection: Connection, vm_ids: Iterable[str], since: int) -> set[str]:
    """Those VMs that a job holds now, or has held at any time since then."""
    held: set[str] = set()
    for some in portions(vm_ids):
        objects = connection.execute(
            select(job_object.c.object)
            .join(job, job.c.id == job_object.c.job_id)
            .where(
                job_object.c.object.in_([f"vm/{vm_id}" for vm_id in some]),
                or_(job_object.c.hold != "none", job.c.ended_at >= since),
            )
        ).scalars()
        held.update(name.removeprefix("vm/") for name in objects)
    return held


def portions(names: Iterable[str]) -> Iterator[list[str]]:
    """The names in lists short enough for one statement."""
    everything = list(names)
    for start in range(0, len(everything), _NAMES_AT_ONCE):
        yield everything[start : start + _NAMES_AT_ONCE]
