"""Counters of a simulated host: plausible, growing with its clock, the same for the same seed."""

import math
import sqlite3
import zlib

from hostler.domain.fabric.facts import Acceleration, HostFacts, HostLoad
from hostler.domain.machines.facts import VmLoad
from hostler.domain.machines.states import VmState
from hostler.providers.simulated import files
from hostler.providers.simulated.host import Host, spec_of

_SECOND = 1_000_000_000
_DAY_SECONDS = 86_400.0
_IDLE_SHARE = 0.01
_HOST_MEMORY_MIB = 1024
_COUNTING = frozenset({VmState.RUNNING, VmState.PAUSED, VmState.POWERING_OFF, VmState.SAVING})


def chance(*keys: object) -> float:
    """A number in 0–1, always the same for the same keys."""
    return zlib.crc32(repr(keys).encode()) / 0xFFFFFFFF


def _grown(seconds: float, rate: float, phase: float) -> float:
    """A total that grows by `rate` a second on average, more by day than by night, and never falls."""
    turn = 2 * math.pi / _DAY_SECONDS
    swing = math.cos(2 * math.pi * phase) - math.cos(turn * seconds + 2 * math.pi * phase)
    return rate * (seconds + 0.8 / turn * swing)


def _vm_load(host: Host, row: sqlite3.Row) -> VmLoad:
    state = VmState(row["state"])
    if state not in _COUNTING:
        return VmLoad(native_id=row["native_id"], state=state, cpu_time_ns=0)
    spec = spec_of(row)
    busy, thirst, talk = (chance(host.seed, row["native_id"], what) for what in ("cpu", "disk", "net"))
    seconds = max(0, host.clock_ns - row["started_ns"]) / _SECOND
    grown = _grown(seconds, 1.0, busy)
    requests = int(grown * 40 * thirst**2)
    return VmLoad(
        native_id=row["native_id"],
        state=state,
        cpu_time_ns=int(grown * spec.cpu_count * 0.5 * busy**2 * _SECOND),
        memory_used_mib=int(spec.memory_mib * (0.3 + 0.6 * thirst)),
        disk_read_bytes=requests * 24_576,
        disk_write_bytes=requests * 8_192,
        disk_requests=requests,
        net_bytes=int(grown * 200_000 * talk**2),
    )


def retire(host: Host, row: sqlite3.Row) -> None:
    """Keep the last counters of a VM that stops in its host's totals, which never fall."""
    last = _vm_load(host, row)
    host.db.execute(
        "UPDATE hosts SET retired_cpu_ns = retired_cpu_ns + ?, retired_disk_requests = retired_disk_requests + ?,"
        " retired_net_bytes = retired_net_bytes + ? WHERE host_id = ?",
        (last.cpu_time_ns, last.disk_requests, last.net_bytes, host.host_id),
    )


def read_load(host: Host) -> HostLoad:
    kept = host.db.execute("SELECT * FROM hosts WHERE host_id = ?", (host.host_id,)).fetchone()
    rows = host.db.execute("SELECT * FROM vms WHERE host_id = ? ORDER BY native_id", (host.host_id,)).fetchall()
    vms = tuple(_vm_load(host, row) for row in rows)
    used = sum(vm.memory_used_mib or 0 for vm in vms)
    total = (host.clock_ns - kept["booted_ns"]) * host.shape.cpu_count
    busy = kept["retired_cpu_ns"] + sum(vm.cpu_time_ns for vm in vms) + int(total * _IDLE_SHARE)
    shown = vms[: len(vms) // 2] if host.knobs.incomplete_reads else vms
    return HostLoad(
        cpu_total_ns=total,
        cpu_busy_ns=min(busy, total),
        memory_mib=host.shape.memory_mib,
        memory_used_mib=min(host.shape.memory_mib, _HOST_MEMORY_MIB + used),
        disk_requests=kept["retired_disk_requests"] + sum(vm.disk_requests for vm in vms),
        net_bytes=kept["retired_net_bytes"] + sum(vm.net_bytes for vm in vms),
        volumes=files.volumes(host),
        vms=shown,
        vms_complete=not host.knobs.incomplete_reads,
    )


def read_host(host: Host) -> HostFacts:
    shape = host.shape
    return HostFacts(
        host_name=shape.host_name or shape.host_id,
        hypervisor="simulated",
        hypervisor_version="1.0",
        provider_version="1.0",
        cpu_model="Simulated CPU",
        cpu_count=shape.cpu_count,
        cpu_mhz=shape.cpu_mhz,
        memory_mib=shape.memory_mib,
        acceleration=Acceleration.NONE,
        acceleration_note="simulated: no guest runs",
        volumes=files.volumes(host),
        networks=shape.networks,
        firmwares=("bios", "uefi"),
    )
