"""What jobs write of VMs: that one is planned, that a job has it, that it is gone."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select, update

from hostler.domain.fabric.facts import HostState
from hostler.domain.machines.shown_state import shown_state
from hostler.domain.machines.states import VmState
from hostler.store.queries.events import notify
from hostler.store.tables import host, presence, vm, vm_mac


def mark_vm(connection: Connection, vm_id: str, job_state: VmState | None, now: int) -> None:
    """Show the VM as what a job makes of it; None: as what was observed again."""
    row = connection.execute(
        select(vm.c.observed_state, host.c.state.label("host_state"))
        .join(host, host.c.id == vm.c.host_id, isouter=True)
        .where(vm.c.id == vm_id)
    ).one()
    observed = None if row.observed_state is None else VmState(row.observed_state)
    shown = shown_state(job_state, observed, None if row.host_state is None else HostState(row.host_state))
    connection.execute(update(vm).where(vm.c.id == vm_id).values(job_state=job_state, state=shown))
    notify(connection, now, "vm", vm_id, {"state": shown})


def plan_vm(
    connection: Connection, values: dict[str, object], host_id: str, native_id: str, macs: Iterable[str], now: int
) -> None:
    """Write a VM before it exists, with its place and addresses, so that it is never adopted as somebody else's."""
    connection.execute(insert(vm).values(created_at=now, **values))
    vm_id = values["id"]
    connection.execute(insert(presence).values(host_id=host_id, native_id=native_id, vm_id=vm_id))
    rows = [{"mac": mac, "vm_id": vm_id} for mac in macs]
    if rows:
        connection.execute(insert(vm_mac), rows)
    notify(connection, now, "vm", str(vm_id), {"state": values["state"]})


def bury_vm(connection: Connection, vm_id: str, now: int) -> None:
    """The VM is gone. Its row and place stay as a tombstone, so that no read begun before revives it."""
    connection.execute(
        update(vm)
        .where(vm.c.id == vm_id)
        .values(deleted_at=now, job_state=None, state=VmState.MISSING, observed_state=VmState.MISSING, conflict=None)
    )
    connection.execute(update(presence).where(presence.c.vm_id == vm_id).values(in_last_pass=False))
    connection.execute(delete(vm_mac).where(vm_mac.c.vm_id == vm_id))
    notify(connection, now, "vm", vm_id, {"deleted": True})
