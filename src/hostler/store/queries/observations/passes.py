"""One pass over all VMs of a host: changed ones written, strangers adopted, absent ones concluded missing, or not."""

from typing import NamedTuple

from sqlalchemy import Connection, select

from hostler.domain.machines.facts import VmFacts, VmsRead
from hostler.domain.machines.states import VmState
from hostler.store.database import AnyRow
from hostler.store.queries.observations.changes import Changes
from hostler.store.queries.observations.conflicts import settle_conflicts
from hostler.store.queries.observations.freshness import FactClass, last_read, record_read
from hostler.store.queries.observations.known import held_since, known_on, last_observed, last_seen, news_of, portions
from hostler.store.queries.observations.strangers import take_in
from hostler.store.tables import presence


class Outcome(NamedTuple):
    """`stale`: a later pass was there first and nothing was written. `changes`: rows beside the freshness row."""

    stale: bool
    changes: int


def observe_vms(connection: Connection, host_id: str, read: VmsRead, read_started_at: int, now: int) -> Outcome:
    """Write what a pass over the host's VMs found; it began at `read_started_at` and is over `now`."""
    last = last_read(connection, host_id, FactClass.VMS)
    if last is not None and last.read_started_at >= read_started_at:
        return Outcome(stale=True, changes=0)
    record_read(
        connection,
        host_id,
        FactClass.VMS,
        last,
        started_at=read_started_at,
        ended_at=now,
        complete=read.complete,
        problems=read.problems,
    )
    changes = Changes(connection, host_id, at=read_started_at, now=now)
    known = known_on(connection, host_id)
    found = {facts.native_id: facts for facts in read.vms}
    strangers = [facts for facts in found.values() if not _is_known(changes, known.get(facts.native_id), last, facts)]
    if strangers:
        take_in(changes, strangers, known, in_pass=True)
    absent = [row for row in known.values() if row.native_id not in found and row.deleted_at is None]
    if absent:
        _conclude(changes, absent, last, complete=read.complete)
    changes.write()
    return Outcome(stale=False, changes=len(changes) + settle_conflicts(connection, host_id, known.values(), now))


def _is_known(changes: Changes, row: AnyRow | None, last: AnyRow | None, facts: VmFacts) -> bool:
    """Take up what the pass says of a VM that is ours already."""
    if row is None or row.deleted_at is not None:
        return False
    if not row.in_last_pass:
        changes.presence_is(facts.native_id, row.vm_id, seen_at=_later(row.seen_at, changes.at), in_last_pass=True)
    if row.host_id not in (None, changes.host_id) or last_observed(row, last, changes.host_id) >= changes.at:
        return True
    if (news := news_of(row, facts)) is not None:
        changes.vm_is(row, news)
    return True


def _later(one: int | None, other: int) -> int:
    return other if one is None else max(one, other)


def _conclude(changes: Changes, absent: list[AnyRow], last: AnyRow | None, *, complete: bool) -> None:
    """Note who was not seen; who is gone by a complete pass, is missing, or lives on where else it was seen."""
    gone = [row for row in absent if complete and _may_be_gone(row, last, changes.at)]
    held = held_since(changes.connection, [row.vm_id for row in gone], changes.at)
    gone = [row for row in gone if row.vm_id not in held]
    elsewhere = _seen_elsewhere(changes, gone)
    left = set()
    for row in gone:
        place = elsewhere.get(row.vm_id)
        if place is None and row.host_id in (None, changes.host_id):
            if row.observed_state != VmState.MISSING:
                changes.vm_is_missing(row)
            continue
        left.add(row.native_id)
        changes.is_not_here(row.native_id)
        if place is not None and row.host_id == changes.host_id:
            changes.vm_lives_on(row, place)
    for row in absent:
        if row.in_last_pass and row.native_id not in left:
            changes.presence_is(row.native_id, row.vm_id, seen_at=last_seen(row, last), in_last_pass=False)


def _may_be_gone(row: AnyRow, last: AnyRow | None, at: int) -> bool:
    return row.job_state is None and at > max(last_seen(row, last), row.created_at)


def _seen_elsewhere(changes: Changes, gone: list[AnyRow]) -> dict[str, str]:
    places: dict[str, str] = {}
    for vm_ids in portions(row.vm_id for row in gone):
        rows = changes.connection.execute(
            select(presence.c.vm_id, presence.c.host_id).where(
                presence.c.vm_id.in_(vm_ids), presence.c.host_id != changes.host_id, presence.c.in_last_pass
            )
        )
        places.update((row.vm_id, row.host_id) for row in rows)
    return places
