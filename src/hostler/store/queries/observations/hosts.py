"""What was observed of hosts: their facts, and whether they answer at all."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, Text, delete, func, or_, select, type_coerce, update

from hostler.domain.fabric.averages import HostUse
from hostler.domain.fabric.facts import HostFacts, HostState
from hostler.domain.machines.shown_state import SILENT
from hostler.domain.machines.states import VmState
from hostler.store.queries.events import notify, notify_many
from hostler.store.queries.observations.freshness import FactClass, last_read, record_read
from hostler.store.tables import freshness, host, vm


def observe_host(connection: Connection, host_id: str, facts: HostFacts, now: int) -> None:
    """Keep the costly facts of a host that has just answered a read begun at `now`."""
    last = last_read(connection, host_id, FactClass.HOST)
    if last is not None and last.read_started_at >= now:
        return
    record_read(connection, host_id, FactClass.HOST, last, started_at=now, ended_at=now, complete=True, problems=())
    before = connection.execute(select(type_coerce(host.c.facts, Text)).where(host.c.id == host_id)).scalar()
    connection.execute(update(host).where(host.c.id == host_id).values(facts=facts, facts_at=now))
    if before != msgspec.json.encode(facts).decode():
        notify(connection, now, "host", host_id, {"facts_at": now})
    host_state(connection, host_id, HostState.RESPONDING, "", now)


def observe_use(connection: Connection, host_id: str, use: HostUse, now: int) -> None:
    """Keep what the host used lately. It is news for nobody: it always changes."""
    connection.execute(
        update(host)
        .where(host.c.id == host_id, or_(host.c.load_at.is_(None), host.c.load_at < now))
        .values(load=use, load_at=now)
    )


def host_state(connection: Connection, host_id: str, state: HostState, note: str, now: int) -> None:
    """Write whether a host answers, and show its VMs so. `note` tells a person why it does not.

    `state_at` is since when it is so; what was observed of its VMs, and when, stays.
    """
    query = select(host.c.state, host.c.state_note, host.c.state_at, host.c.maintenance)
    row = connection.execute(query.where(host.c.id == host_id, host.c.deleted_at.is_(None))).one_or_none()
    if row is None or row.state_at > now:
        return
    if state is HostState.RESPONDING and row.maintenance:
        state = HostState.MAINTENANCE_MODE
    if row.state == state:
        if row.state_note != note:
            connection.execute(update(host).where(host.c.id == host_id).values(state_note=note))
            notify(connection, now, "host", host_id, {"state": state, "note": note})
        return
    connection.execute(update(host).where(host.c.id == host_id).values(state=state, state_note=note, state_at=now))
    notify(connection, now, "host", host_id, {"state": state, "note": note})
    if (row.state in SILENT) != (state in SILENT):
        _show_vms(connection, host_id, now, silent=state in SILENT)


def _show_vms(connection: Connection, host_id: str, now: int, *, silent: bool) -> None:
    """What `shown_state` says, for all VMs of a host at once."""
    shown = (
        type_coerce(VmState.HOST_NOT_RESPONDING.value, Text)
        if silent
        else func.coalesce(vm.c.observed_state, VmState.MISSING.value)
    )
    here = (vm.c.host_id == host_id, vm.c.deleted_at.is_(None), vm.c.job_state.is_(None))
    connection.execute(update(vm).where(*here).values(state=shown))
    rows = connection.execute(select(vm.c.id, vm.c.state).where(*here))
    notify_many(connection, now, "vm", [(row.id, {"state": row.state, "host_id": host_id}) for row in rows])


def bury_host(connection: Connection, host_id: str, vm_ids: Sequence[str], now: int) -> None:
    """The host is managed no more: it and its VMs go from every list. Their places are free for another host."""
    connection.execute(update(host).where(host.c.id == host_id).values(deleted_at=now))
    connection.execute(update(vm).where(vm.c.id.in_(list(vm_ids))).values(deleted_at=now))
    connection.execute(delete(freshness).where(freshness.c.source == host_id))
    notify(connection, now, "host", host_id, {"deleted": True})
    notify_many(connection, now, "vm", [(vm_id, {"deleted": True}) for vm_id in vm_ids])


def bring_back_host(connection: Connection, host_id: str, vm_ids: Sequence[str], now: int) -> None:
    """The host is managed again, as it was."""
    connection.execute(update(host).where(host.c.id == host_id).values(deleted_at=None))
    connection.execute(update(vm).where(vm.c.id.in_(list(vm_ids))).values(deleted_at=None))
    notify(connection, now, "host", host_id, {"deleted": False})
    notify_many(connection, now, "vm", [(vm_id, {"deleted": False}) for vm_id in vm_ids])
