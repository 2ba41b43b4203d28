"""Power of a simulated VM: what each state allows, and what remains when a change breaks half-way."""

import sqlite3
from collections.abc import Callable

from hostler.domain.machines.states import VmAction, VmState, why_not
from hostler.providers.contract import PowerChange
from hostler.providers.errors import NotThere, Refused
from hostler.providers.simulated import files, machines
from hostler.providers.simulated.host import Did, Host, spec_of

_ALREADY = {
    PowerChange.START: frozenset({VmState.RUNNING}),
    PowerChange.SHUT_DOWN: frozenset({VmState.POWERING_OFF, VmState.POWER_OFF}),
    PowerChange.POWER_OFF: frozenset({VmState.POWER_OFF}),
    PowerChange.PAUSE: frozenset({VmState.PAUSED}),
    PowerChange.RESUME: frozenset({VmState.RUNNING}),
}


def change_power(host: Host, native_id: str, change: PowerChange) -> None:
    row = _checked(host, native_id, change)
    if row is not None:
        _CHANGES[change](host, row)


def half_change_power(host: Host, native_id: str, change: PowerChange) -> None:
    """A start that broke leaves the VM paused, its memory taken; other changes have no half: they hold."""
    row = _checked(host, native_id, change)
    if row is None:
        return
    _CHANGES[change](host, row)
    if change is PowerChange.START:
        _pause(host, row)


def _checked(host: Host, native_id: str, change: PowerChange) -> sqlite3.Row | None:
    """The VM when there is something to do, None when it already is as asked; `Refused` in a wrong state."""
    row = machines.need(host, native_id)
    state = VmState(row["state"])
    if state in _ALREADY[change]:
        return None
    if reason := why_not(VmAction(change.value), state):
        raise Refused(f"VM {row['name']!r}: {reason}", "Bring the VM into one of these states first.")
    return row


def _start(host: Host, row: sqlite3.Row) -> None:
    if row["state"] == VmState.PAUSED:
        _resume(host, row)
        return
    spec = spec_of(row)
    if row["half"]:
        raise Refused(f"VM {spec.name!r} is half-made", "Define it again, or delete it.")
    for path in (*(disk.path for disk in spec.disks), *((spec.seed_path,) if spec.seed_path else ())):
        files.need(host, path)
    for nic in spec.nics:
        if nic.network not in host.shape.networks:
            raise NotThere(
                f"host {host.host_id} has no network {nic.network!r}",
                f"Connect the VM to one of: {', '.join(host.shape.networks)}.",
            )
    if spec.memory_mib > host.shape.memory_mib:
        raise Refused(
            f"host {host.host_id} cannot give {spec.memory_mib} MiB: it has {host.shape.memory_mib}",
            "Give the VM less memory, or choose a larger host.",
        )
    restored = row["state"] == VmState.SAVED
    host.db.execute(
        "UPDATE vms SET started_ns = ?, guest_reads = ?, guest_name = coalesce(guest_name, ?)"
        " WHERE host_id = ? AND native_id = ?",
        (
            host.clock_ns,
            row["guest_reads"] if restored else 0,
            machines.seed_name(host, spec),
            host.host_id,
            row["native_id"],
        ),
    )
    machines.set_state(host, row, VmState.RUNNING)
    host.did(Did.VM_STARTED, row["native_id"])


def _shut_down(host: Host, row: sqlite3.Row) -> None:
    if host.knobs.shut_down_ignored:
        return
    host.db.execute(
        "UPDATE vms SET off_reads = ? WHERE host_id = ? AND native_id = ?",
        (host.knobs.shut_down_reads, host.host_id, row["native_id"]),
    )
    machines.set_state(host, row, VmState.POWERING_OFF)
    host.did(Did.VM_SHUTTING_DOWN, row["native_id"])


def _power_off(host: Host, row: sqlite3.Row) -> None:
    machines.stopped(host, row)


def _pause(host: Host, row: sqlite3.Row) -> None:
    machines.set_state(host, row, VmState.PAUSED)
    host.did(Did.VM_PAUSED, row["native_id"])


def _resume(host: Host, row: sqlite3.Row) -> None:
    machines.set_state(host, row, VmState.RUNNING)
    host.did(Did.VM_RESUMED, row["native_id"])


def reset(host: Host, native_id: str) -> None:
    """Press the reset button of a running VM."""
    row = machines.need(host, native_id)
    if reason := why_not(VmAction.RESET, VmState(row["state"])):
        raise Refused(f"VM {row['name']!r}: {reason}", "Start the VM first.")
    host.db.execute(
        "UPDATE vms SET guest_reads = 0 WHERE host_id = ? AND native_id = ?", (host.host_id, row["native_id"])
    )
    host.did(Did.VM_RESET, row["native_id"])


_CHANGES: dict[PowerChange, Callable[[Host, sqlite3.Row], None]] = {
    PowerChange.START: _start,
    PowerChange.SHUT_DOWN: _shut_down,
    PowerChange.POWER_OFF: _power_off,
    PowerChange.PAUSE: _pause,
    PowerChange.RESUME: _resume,
}
