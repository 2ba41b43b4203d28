"""What is written of VMs from what was observed, and from what jobs do to them."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select, update

from hostler.domain.fabric.facts import HostFacts, HostState
from hostler.domain.machines.facts import GuestFacts, VmFacts
from hostler.domain.machines.states import VmState
from hostler.store.queries.events import notify
from hostler.store.tables import host, presence, vm, vm_mac


def mark_vm(connection: Connection, vm_id: str, job_state: VmState | None, now: int) -> None:
    """Show the VM as what a job makes of it; None: as what was observed again."""
    observed = connection.execute(select(vm.c.observed_state).where(vm.c.id == vm_id)).scalar()
    shown = job_state or observed or VmState.MISSING
    connection.execute(update(vm).where(vm.c.id == vm_id).values(job_state=job_state, state=shown))
    notify(connection, now, "vm", vm_id, {"state": shown})


def observe_vm(connection: Connection, vm_id: str, facts: VmFacts, now: int) -> None:
    """Keep what was just seen of a VM."""
    row = connection.execute(select(vm.c.job_state).where(vm.c.id == vm_id)).one()
    connection.execute(
        update(vm)
        .where(vm.c.id == vm_id)
        .values(
            name=facts.name,
            cpu_count=facts.cpu_count,
            memory_mib=facts.memory_mib,
            facts=facts,
            observed_state=facts.state,
            state=row.job_state or facts.state,
            observed_at=now,
        )
    )
    connection.execute(
        update(presence).where(presence.c.vm_id == vm_id, presence.c.native_id == facts.native_id).values(seen_at=now)
    )
    notify(connection, now, "vm", vm_id, {"state": row.job_state or facts.state})


def observe_guest(connection: Connection, vm_id: str, guest: GuestFacts, now: int) -> None:
    """Keep what the guest said of itself."""
    connection.execute(update(vm).where(vm.c.id == vm_id).values(guest=guest, guest_at=now))
    notify(connection, now, "vm", vm_id, {"guest": guest.host_name})


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
    """The VM is gone: its row stays as a tombstone, its place and addresses are free."""
    connection.execute(update(vm).where(vm.c.id == vm_id).values(deleted_at=now, job_state=None, state=VmState.MISSING))
    connection.execute(delete(presence).where(presence.c.vm_id == vm_id))
    connection.execute(delete(vm_mac).where(vm_mac.c.vm_id == vm_id))
    notify(connection, now, "vm", vm_id, {"deleted": True})


def observe_host(connection: Connection, host_id: str, facts: HostFacts, now: int) -> None:
    """Keep the costly facts of a host that has just answered."""
    connection.execute(
        update(host)
        .where(host.c.id == host_id)
        .values(facts=facts, facts_at=now, state=HostState.RESPONDING, state_note="", state_at=now)
    )
    notify(connection, now, "host", host_id, {"state": HostState.RESPONDING})
