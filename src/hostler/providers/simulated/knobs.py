"""What can be turned on a simulated hypervisor from outside: failures, delays, drift, and what it tells of itself."""

from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from hostler.domain.fabric.facts import Volume
from hostler.domain.machines.spec import DiskFormat, VmSpec
from hostler.domain.machines.states import VmState

GIB = 1024**3


class FaultKind(StrEnum):
    """REFUSE: nothing done, then the error. HALF: half of the effect, then the error. LOST_REPLY: all of the effect,
    then `HostNotResponding`."""

    REFUSE = "refuse"
    HALF = "half"
    LOST_REPLY = "lost_reply"


class Fault(Struct, frozen=True, kw_only=True):
    """The next `times` uses of a call fail, after `skip` that go well.

    `call` is a method of the contract, or `task`: a step of a running task. `code` is the error's.
    """

    call: str
    kind: FaultKind = FaultKind.REFUSE
    times: int = 1
    skip: int = 0
    code: str = "refused"
    message: str = "a fault was asked for"


class Knobs(Struct, frozen=True, kw_only=True):
    """How one host behaves. Tasks and guests go by the number of times that they are read, not by time."""

    latency_seconds: float = 0.0
    unreachable: bool = False
    incomplete_reads: bool = False
    faults: tuple[Fault, ...] = ()
    task_steps: int = 2
    guest_silent_reads: int = 2
    shut_down_reads: int = 1
    shut_down_ignored: bool = False


class SimulatedHost(Struct, frozen=True, kw_only=True):
    """The hardware of a host that the simulation makes."""

    host_id: str
    host_name: str = ""
    cpu_count: int = 16
    cpu_mhz: int = 2400
    memory_mib: int = 65536
    volumes: tuple[Volume, ...] = (Volume(path="/var/lib/vms", capacity_bytes=500 * GIB, free_bytes=500 * GIB),)
    networks: tuple[str, ...] = ("default",)


class OutsideChange(Struct, frozen=True, kw_only=True):
    """What somebody else changes at a VM; None leaves it."""

    name: str | None = None
    state: VmState | None = None
    cpu_count: int | None = None
    memory_mib: int | None = None


class Effect(Struct, frozen=True, kw_only=True):
    """One thing that really changed. `job_id` is empty for what was done outside Hostler."""

    number: int
    host_id: str
    job_id: str
    attempt: int
    effect: str
    target: str


class Controls(Protocol):
    """The simulation's own side door; a real hypervisor has none of this."""

    def reset(self, seed: int) -> None:
        """Forget everything."""

    def add_host(self, host: SimulatedHost) -> None: ...

    def hosts(self) -> tuple[str, ...]: ...

    def populate(self, seed: int, hosts: int, vms: int) -> None:
        """Add a fleet, the same for the same seed: hosts `sim-00001`…, with `vms` VMs spread over them."""

    def set_knobs(self, host_id: str, knobs: Knobs) -> None: ...

    def knobs(self, host_id: str) -> Knobs: ...

    def set_clock(self, rate: float) -> None:
        """How fast the simulation's clock follows the wall's: 0 stands still, 1 follows."""

    def advance_clock(self, seconds: float) -> None: ...

    def add_file(self, host_id: str, path: str, size_bytes: int, capacity_bytes: int, disk_format: DiskFormat) -> None:
        """A whole file that somebody else made."""

    def vm_appears(self, host_id: str, spec: VmSpec, state: VmState) -> None: ...

    def vm_changes(self, host_id: str, native_id: str, change: OutsideChange) -> None: ...

    def vm_vanishes(self, host_id: str, native_id: str) -> None: ...

    def effects(self, job_id: str | None = None) -> tuple[Effect, ...]:
        """What changed so far, in order; of one job only when it is given."""
        ...

    def duplicates(self) -> tuple[Effect, ...]:
        """Effects that happened again while the first of their kind still stood: work done twice."""
        ...

    def leftovers(self, named: tuple[str, ...]) -> tuple[str, ...]:
        """VM ids and file paths that jobs made (half-made files too) and `named` does not list."""
        ...
