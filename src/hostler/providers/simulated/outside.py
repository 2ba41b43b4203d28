"""The side door of the simulation: hosts made, the clock moved, and what somebody else does to VMs and files."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from msgspec.structs import replace

from hostler.domain.machines.spec import DiskFormat, VmSpec
from hostler.domain.machines.states import VmState
from hostler.providers.simulated import effects, files, fleet, load, machines
from hostler.providers.simulated.host import Did, Host, spec_of
from hostler.providers.simulated.knobs import Effect, Knobs, OutsideChange, SimulatedHost
from hostler.providers.simulated.tables import EMPTIED
from hostler.providers.simulated.world import World


class Outside:
    """Implements `Controls` beside the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._db = world.db

    @contextmanager
    def _host(self, host_id: str) -> Iterator[Host]:
        with self._world.transaction():
            host = self._world.host(host_id)
            yield host
            self._world.tell(host)

    def reset(self, seed: int) -> None:
        with self._world.transaction():
            for table in EMPTIED:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are our own constants
            self._db.execute("UPDATE settings SET seed = ?, clock_ns = 0, clock_rate = 0", (seed,))
            self._world.load_knobs()

    def add_host(self, host: SimulatedHost) -> None:
        with self._world.transaction():
            self._db.execute(
                "INSERT INTO hosts (host_id, shape, knobs, booted_ns) VALUES (?, ?, ?, ?)",
                (
                    host.host_id,
                    msgspec.json.encode(host),
                    msgspec.json.encode(Knobs()),
                    self._world.settings()["clock_ns"],
                ),
            )
            self._world.load_knobs()

    def hosts(self) -> tuple[str, ...]:
        return tuple(row["host_id"] for row in self._db.execute("SELECT host_id FROM hosts ORDER BY host_id"))

    def populate(self, seed: int, hosts: int, vms: int) -> None:
        with self._world.transaction():
            fleet.populate(self._db, seed, hosts, vms, self._world.settings()["clock_ns"])
            self._world.load_knobs()

    def set_knobs(self, host_id: str, knobs: Knobs) -> None:
        self._world.set_knobs(host_id, knobs)

    def knobs(self, host_id: str) -> Knobs:
        return self._world.knobs(host_id)

    def set_clock(self, rate: float) -> None:
        self._world.settings()
        self._db.execute("UPDATE settings SET clock_rate = ?", (rate,))

    def advance_clock(self, seconds: float) -> None:
        self._db.execute("UPDATE settings SET clock_ns = clock_ns + ?", (int(seconds * 1_000_000_000),))

    def add_file(self, host_id: str, path: str, size_bytes: int, capacity_bytes: int, disk_format: DiskFormat) -> None:
        with self._host(host_id) as host:
            files.put(host, path, capacity_bytes=capacity_bytes, disk_format=disk_format)
            files.take_space(host, path, size_bytes)
            files.make_whole(host, path)

    def vm_appears(self, host_id: str, spec: VmSpec, state: VmState) -> None:
        with self._host(host_id) as host:
            machines.define_vm(host, spec)
            self._set_state(host, spec.vm_id, state)

    def vm_changes(self, host_id: str, native_id: str, change: OutsideChange) -> None:
        with self._host(host_id) as host:
            row = machines.need(host, native_id)
            spec = spec_of(row)
            spec = replace(
                spec,
                name=change.name or spec.name,
                cpu_count=change.cpu_count or spec.cpu_count,
                memory_mib=change.memory_mib or spec.memory_mib,
            )
            host.db.execute(
                "UPDATE vms SET name = ?, spec = ? WHERE host_id = ? AND native_id = ?",
                (spec.name, msgspec.json.encode(spec), host_id, native_id),
            )
            host.did(Did.VM_CHANGED, native_id)
            host.tell(native_id, spec.name, None)
            if change.state is not None:
                self._set_state(host, native_id, change.state)

    def _set_state(self, host: Host, native_id: str, state: VmState) -> None:
        row = machines.need(host, native_id)
        if state == row["state"]:
            return
        if state in _ENDED:
            load.retire(host, row)
        else:
            host.db.execute(
                "UPDATE vms SET started_ns = ? WHERE host_id = ? AND native_id = ?",
                (host.clock_ns, host.host_id, native_id),
            )
        machines.set_state(host, row, state)
        host.did(_BECAME.get(state, Did.VM_CHANGED), native_id)

    def vm_vanishes(self, host_id: str, native_id: str) -> None:
        with self._host(host_id) as host:
            row = machines.need(host, native_id)
            if row["state"] not in (VmState.POWER_OFF, VmState.SAVED):
                machines.stopped(host, row)
            machines.undefine_vm(host, native_id)

    def effects(self, job_id: str | None = None) -> tuple[Effect, ...]:
        return effects.read_effects(self._db, job_id)

    def duplicates(self) -> tuple[Effect, ...]:
        return effects.duplicates(effects.read_effects(self._db, None))

    def leftovers(self, named: tuple[str, ...]) -> tuple[str, ...]:
        return effects.leftovers(self._db, named)


_ENDED = frozenset({VmState.POWER_OFF, VmState.SAVED, VmState.CRASHED})

_BECAME = {
    VmState.RUNNING: Did.VM_STARTED,
    VmState.PAUSED: Did.VM_PAUSED,
    VmState.POWER_OFF: Did.VM_STOPPED,
    VmState.SAVED: Did.VM_SAVED,
    VmState.CRASHED: Did.VM_STOPPED,
}
