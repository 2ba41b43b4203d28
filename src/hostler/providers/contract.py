"""The seam: what every hypervisor must do. The wire to an agent is derived from this file.

Every call is idempotent: asked for what already holds, it returns. A changing call carries a `Fence`; a host that has
seen a later attempt of that job refuses it. A file gets its final name only when it is whole. Long work is a task:
the same id is the same task, however often it is started, and the host remembers it.
"""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from hostler.domain.fabric.facts import HostFacts, HostLoad
from hostler.domain.machines.facts import FileFacts, GuestFacts, VmEvent, VmFacts, VmsRead
from hostler.domain.machines.spec import CloneKind, CloudInitSeed, DiskFormat, VmSpec
from hostler.providers.capabilities import Capabilities


class Fence(Struct, frozen=True, kw_only=True):
    """Who calls: the job and its attempt. Attempts only grow."""

    job_id: str
    attempt: int


class PowerChange(StrEnum):
    """Quick requests. SHUT_DOWN asks the guest and returns; the others hold when the call returns."""

    START = "start"
    SHUT_DOWN = "shut_down"
    POWER_OFF = "power_off"
    PAUSE = "pause"
    RESUME = "resume"


class CloneDisk(Struct, frozen=True, kw_only=True, tag="clone_disk"):
    """Make `target` from `source`; a full copy takes the time of its data, a linked clone none."""

    source: str
    source_format: DiskFormat
    target: str
    kind: CloneKind


class SaveVm(Struct, frozen=True, kw_only=True, tag="save_vm"):
    """Write the VM's memory to disk and stop it; the next start restores it."""

    native_id: str


class ResetVm(Struct, frozen=True, kw_only=True, tag="reset_vm"):
    """Press the reset button. A task, since nothing else would show after a crash that it was pressed."""

    native_id: str


TaskWork = CloneDisk | SaveVm | ResetVm


class TaskState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskFacts(Struct, frozen=True, kw_only=True):
    """A task as the host remembers it; `percent` is 0–100."""

    task_id: str
    state: TaskState
    percent: int = 0
    error: str = ""
    remedy: str = ""


class Provider(Protocol):
    """One host, connected. Raises only `ProviderError`s; `HostNotResponding` means that nothing is known."""

    async def capabilities(self) -> Capabilities: ...

    async def read_host(self) -> HostFacts: ...

    async def read_load(self) -> HostLoad: ...

    async def read_vms(self) -> VmsRead: ...

    async def read_vm(self, native_id: str) -> VmFacts | None:
        """None only when the host answered that there is no such VM."""
        ...

    async def read_guest(self, native_id: str) -> GuestFacts | None:
        """None while the guest does not answer by its agent."""
        ...

    async def read_file(self, path: str) -> FileFacts | None: ...

    def events(self) -> AsyncIterator[VmEvent]:
        """Changes as they happen, until the connection breaks (HostNotResponding) or the iterator is closed."""
        ...

    async def write_seed(self, fence: Fence, path: str, seed: CloudInitSeed) -> None: ...

    async def delete_file(self, fence: Fence, path: str) -> None:
        """Delete a file of ours; an absent one is fine. Empty folders that we made go with it."""
        ...

    async def define_vm(self, fence: Fence, spec: VmSpec) -> None: ...

    async def undefine_vm(self, fence: Fence, native_id: str) -> None:
        """Forget a stopped VM, its saved state and firmware variables; disks stay. An absent one is fine."""
        ...

    async def change_power(self, fence: Fence, native_id: str, change: PowerChange) -> None: ...

    async def start_task(self, fence: Fence, task_id: str, work: TaskWork) -> TaskFacts: ...

    async def read_task(self, task_id: str) -> TaskFacts | None: ...

    async def cancel_task(self, fence: Fence, task_id: str) -> None: ...

    async def close(self) -> None: ...
