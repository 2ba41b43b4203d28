"""VMs of a simulated host: defined, read, and forgotten; what their guests say."""

import hashlib
import sqlite3
import uuid

import msgspec

from hostler.domain.machines.facts import DiskFacts, GuestFacts, NicFacts, VmFacts, VmsRead
from hostler.domain.machines.spec import CloudInitSeed, Disk, VmSpec
from hostler.domain.machines.states import VmAction, VmState, why_not
from hostler.providers.errors import NotThere, Refused
from hostler.providers.simulated import files, load
from hostler.providers.simulated.host import Did, Host, spec_of

_LONGEST_NAME = 255


def find(host: Host, native_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = host.db.execute(
        "SELECT * FROM vms WHERE host_id = ? AND native_id = ?", (host.host_id, native_id)
    ).fetchone()
    return row


def need(host: Host, native_id: str) -> sqlite3.Row:
    row = find(host, native_id)
    if row is None:
        raise NotThere(
            f"there is no VM {native_id} on host {host.host_id}", "Refresh the host to see which VMs it has."
        )
    return row


def set_state(host: Host, row: sqlite3.Row, state: VmState) -> None:
    """Change the state and tell those who listen."""
    host.db.execute(
        "UPDATE vms SET state = ? WHERE host_id = ? AND native_id = ?", (state.value, host.host_id, row["native_id"])
    )
    host.tell(row["native_id"], row["name"], state)


def _tick(host: Host, row: sqlite3.Row) -> str:
    """A guest that was asked to shut down gets on with it each time that somebody looks; the state now."""
    state: str = row["state"]
    if state != VmState.POWERING_OFF:
        return state
    if row["off_reads"] > 1:
        host.db.execute(
            "UPDATE vms SET off_reads = off_reads - 1 WHERE host_id = ? AND native_id = ?",
            (host.host_id, row["native_id"]),
        )
        return state
    stopped(host, row)
    return VmState.POWER_OFF.value


def stopped(host: Host, row: sqlite3.Row) -> None:
    """The VM is off, and its counters go into its host's."""
    load.retire(host, row)
    set_state(host, row, VmState.POWER_OFF)
    host.did(Did.VM_STOPPED, row["native_id"])


def _facts(host: Host, row: sqlite3.Row, sizes: dict[str, sqlite3.Row]) -> VmFacts:
    spec = spec_of(row)
    half = bool(row["half"])
    disks = () if half else tuple(_disk(disk, sizes.get(disk.path)) for disk in spec.disks)
    return VmFacts(
        native_id=row["native_id"],
        name=row["name"],
        state=VmState(_tick(host, row)),
        cpu_count=spec.cpu_count,
        memory_mib=spec.memory_mib,
        firmware=spec.firmware,
        disks=disks,
        nics=() if half else tuple(NicFacts(mac=nic.mac, network=nic.network) for nic in spec.nics),
    )


def _disk(disk: Disk, row: sqlite3.Row | None) -> DiskFacts:
    if row is None:
        return DiskFacts(path=disk.path, format=disk.format.value)
    return DiskFacts(
        path=disk.path,
        format=disk.format.value,
        capacity_bytes=row["capacity_bytes"],
        allocated_bytes=row["size_bytes"],
    )


def _sizes(host: Host) -> dict[str, sqlite3.Row]:
    rows = host.db.execute(
        "SELECT path, capacity_bytes, size_bytes FROM files WHERE host_id = ? AND whole = 1", (host.host_id,)
    )
    return {row["path"]: row for row in rows}


def read_vm(host: Host, native_id: str) -> VmFacts | None:
    row = find(host, native_id)
    if row is None:
        return None
    paths = [disk.path for disk in spec_of(row).disks]
    return _facts(host, row, {path: found for path in paths if (found := files.find(host, path)) is not None})


def read_vms(host: Host) -> VmsRead:
    rows = host.db.execute("SELECT * FROM vms WHERE host_id = ? ORDER BY native_id", (host.host_id,)).fetchall()
    sizes = _sizes(host)
    if host.knobs.incomplete_reads:
        seen = rows[: len(rows) // 2]
        problem = f"{len(rows) - len(seen)} VMs of host {host.host_id} could not be read"
        return VmsRead(vms=tuple(_facts(host, row, sizes) for row in seen), complete=False, problems=(problem,))
    return VmsRead(vms=tuple(_facts(host, row, sizes) for row in rows), complete=True)


def read_guest(host: Host, native_id: str) -> GuestFacts | None:
    row = find(host, native_id)
    if row is None or row["state"] != VmState.RUNNING:
        return None
    spec = spec_of(row)
    if not spec.disks:
        return None
    if row["guest_reads"] < host.knobs.guest_silent_reads:
        host.db.execute(
            "UPDATE vms SET guest_reads = guest_reads + 1 WHERE host_id = ? AND native_id = ?",
            (host.host_id, native_id),
        )
        return None
    return GuestFacts(
        host_name=row["guest_name"] or "localhost",
        addresses=tuple(_address(nic.mac) for nic in spec.nics),
        os_name="Simulated Linux",
    )


def _address(mac: str) -> str:
    """The address that a DHCP server would lease: always the same for the same MAC."""
    a, b, c = hashlib.sha256(mac.encode()).digest()[:3]
    return f"10.{a}.{b}.{1 + c % 254}"


def seed_name(host: Host, spec: VmSpec) -> str | None:
    """The host name that the guest reads from its seed at the first boot."""
    row = files.find(host, spec.seed_path) if spec.seed_path else None
    if row is None or row["seed"] is None:
        return None
    return msgspec.json.decode(row["seed"], type=CloudInitSeed).host_name


def _check(host: Host, spec: VmSpec) -> None:
    try:
        plain = str(uuid.UUID(spec.vm_id)) == spec.vm_id
    except ValueError:
        plain = False
    if not plain:
        raise Refused(f"{spec.vm_id!r} is not a UUID in lower case", "Let Hostler plan the VM's id.")
    if not spec.name or len(spec.name) > _LONGEST_NAME or "/" in spec.name or not spec.name.isprintable():
        raise Refused(
            f"{spec.name[:80]!r} cannot be a VM's name on host {host.host_id}",
            f"Use 1 to {_LONGEST_NAME} printable characters without '/'.",
        )
    if spec.cpu_count < 1 or spec.memory_mib < 1:
        raise Refused(f"VM {spec.name!r} needs at least one processor and 1 MiB", "Give it more.")
    taken = host.db.execute(
        "SELECT native_id FROM vms WHERE host_id = ? AND name = ? AND native_id <> ?",
        (host.host_id, spec.name, spec.vm_id),
    ).fetchone()
    if taken is not None:
        raise Refused(
            f"the name {spec.name!r} is in use on host {host.host_id} by VM {taken['native_id']}",
            "Choose another name.",
        )


def define_vm(host: Host, spec: VmSpec) -> None:
    _check(host, spec)
    row = find(host, spec.vm_id)
    if row is None:
        _insert(host, spec, half=False)
        host.did(Did.VM_DEFINED, spec.vm_id)
    elif row["half"] or spec_of(row) != spec:
        _redefine(host, row, spec)


def _redefine(host: Host, row: sqlite3.Row, spec: VmSpec) -> None:
    if VmState(row["state"]) is not VmState.POWER_OFF:
        raise Refused(f"VM {row['name']!r} is {row['state']}: its settings stand", "Turn the VM off first.")
    host.db.execute(
        "UPDATE vms SET half = 0, name = ?, spec = ? WHERE host_id = ? AND native_id = ?",
        (spec.name, msgspec.json.encode(spec), host.host_id, spec.vm_id),
    )
    host.did(Did.VM_CHANGED, spec.vm_id)
    host.tell(spec.vm_id, spec.name, None)


def half_define_vm(host: Host, spec: VmSpec) -> None:
    """The VM is there without its disks and adapters: what a hypervisor leaves that adds them one by one."""
    _check(host, spec)
    if find(host, spec.vm_id) is None:
        _insert(host, spec, half=True)
        host.did(Did.VM_DEFINED, spec.vm_id)


def _insert(host: Host, spec: VmSpec, *, half: bool) -> None:
    host.db.execute(
        "INSERT INTO vms (host_id, native_id, name, state, spec, job_id, half) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (host.host_id, spec.vm_id, spec.name, VmState.POWER_OFF.value, msgspec.json.encode(spec), host.job_id, half),
    )
    host.tell(spec.vm_id, spec.name, VmState.POWER_OFF)


def undefine_vm(host: Host, native_id: str) -> None:
    row = find(host, native_id)
    if row is None:
        return
    if reason := why_not(VmAction.DELETE, VmState(row["state"])):
        raise Refused(f"VM {row['name']!r} cannot be forgotten: {reason}", "Turn the VM off first.")
    host.db.execute("DELETE FROM vms WHERE host_id = ? AND native_id = ?", (host.host_id, native_id))
    host.did(Did.VM_UNDEFINED, native_id)
    host.tell(native_id, row["name"], None, gone=True)


def half_undefine_vm(host: Host, native_id: str) -> None:
    """The saved memory is gone, the VM is still there."""
    row = find(host, native_id)
    if row is not None and row["state"] == VmState.SAVED:
        stopped(host, row)
