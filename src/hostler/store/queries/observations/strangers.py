"""VMs that a host has and we do not know there: ours from elsewhere, ghosts of deleted ones, or somebody else's."""

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Text, select, type_coerce

from hostler.domain.machines.facts import VmFacts
from hostler.store.database import AnyRow
from hostler.store.queries.observations.changes import Changes
from hostler.store.queries.observations.known import portions
from hostler.store.tables import host, presence, vm


def take_in(changes: Changes, strangers: Sequence[VmFacts], known: Mapping[str, AnyRow], *, in_pass: bool) -> None:
    """Give each a VM of ours. `known` has the tombstones of this host, which only a later read may outlive."""
    native_ids = [facts.native_id for facts in strangers]
    elsewhere = _elsewhere(changes, native_ids)
    ours = _by_our_id(changes.connection, native_ids)
    for facts in strangers:
        here, other, own = known.get(facts.native_id), elsewhere.get(facts.native_id), ours.get(facts.native_id)
        dead = [row.deleted_at for row in (here, other, own) if row is not None and row.deleted_at is not None]
        alive = next((row for row in (other, own) if row is not None and row.deleted_at is None), None)
        if any(deleted_at >= changes.at for deleted_at in dead):
            continue
        vm_id = alive.vm_id if alive is not None else _new_id(facts.native_id, taken=own is not None)
        if here is None:
            changes.is_here(facts.native_id, vm_id, in_last_pass=in_pass)
        else:
            changes.presence_is(facts.native_id, vm_id, seen_at=changes.at, in_last_pass=in_pass)
        if alive is None:
            changes.adopt(vm_id, facts)
        elif other is None and (alive.observed_at or 0) < changes.at:
            changes.vm_is(alive, facts)


def _elsewhere(changes: Changes, native_ids: Sequence[str]) -> dict[str, AnyRow]:
    """Whom other hosts know by these ids. Ids that are no UUIDs mean nothing beyond their own host."""
    rows: dict[str, AnyRow] = {}
    for some in portions(native_id for native_id in native_ids if _is_uuid(native_id)):
        places = _presences(changes.connection, some, changes.host_id)
        rows.update({row.native_id: row for row in places if row.native_id not in rows or row.deleted_at is None})
    return rows


def _presences(connection: Connection, native_ids: Sequence[str], but_host_id: str) -> Sequence[AnyRow]:
    """Presences on other hosts that are still under management."""
    return connection.execute(
        select(presence.c.native_id, presence.c.vm_id, vm.c.deleted_at, vm.c.observed_at)
        .join(vm, vm.c.id == presence.c.vm_id)
        .join(host, host.c.id == presence.c.host_id)
        .where(presence.c.native_id.in_(native_ids), presence.c.host_id != but_host_id, host.c.deleted_at.is_(None))
    ).all()


def _by_our_id(connection: Connection, native_ids: Sequence[str]) -> dict[str, AnyRow]:
    """Our own VMs whose id became the hypervisor's."""
    rows: dict[str, AnyRow] = {}
    columns = (vm.c.id.label("vm_id"), vm.c.deleted_at, vm.c.observed_at, vm.c.state, vm.c.job_state)
    for some in portions(native_ids):
        found = connection.execute(
            select(*columns, type_coerce(vm.c.facts, Text).label("facts")).where(vm.c.id.in_(some))
        )
        rows.update({row.vm_id: row for row in found})
    return rows


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _new_id(native_id: str, *, taken: bool) -> str:
    return native_id if _is_uuid(native_id) and not taken else str(uuid.uuid4())
