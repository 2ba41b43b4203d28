"""One simulated host during one call: its rows, its clock, and what the call leaves in the log."""

import sqlite3
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from hostler.domain.machines.facts import VmEvent
from hostler.domain.machines.spec import VmSpec
from hostler.domain.machines.states import VmState
from hostler.providers.contract import Fence
from hostler.providers.errors import Fenced
from hostler.providers.simulated.knobs import Fault, Knobs, SimulatedHost

_decode_spec = msgspec.json.Decoder(VmSpec).decode


def spec_of(row: sqlite3.Row) -> VmSpec:
    """The settings in a VM's row."""
    return _decode_spec(row["spec"])


class Did(StrEnum):
    """Effects, as the log names them."""

    COPY_BEGUN = "copy_begun"
    COPY_CLEANED = "copy_cleaned"
    FILE_MADE = "file_made"
    FILE_DELETED = "file_deleted"
    VM_DEFINED = "vm_defined"
    VM_UNDEFINED = "vm_undefined"
    VM_STARTED = "vm_started"
    VM_SHUTTING_DOWN = "vm_shutting_down"
    VM_STOPPED = "vm_stopped"
    VM_PAUSED = "vm_paused"
    VM_RESUMED = "vm_resumed"
    VM_RESET = "vm_reset"
    VM_SAVE_BEGUN = "vm_save_begun"
    VM_SAVE_CANCELLED = "vm_save_cancelled"
    VM_SAVED = "vm_saved"
    VM_CHANGED = "vm_changed"


@dataclass(slots=True)
class Host:
    """`fence` is None for reads and for what is done outside Hostler."""

    db: sqlite3.Connection
    shape: SimulatedHost
    knobs: Knobs
    clock_ns: int
    seed: int
    fence: Fence | None = None
    events: list[VmEvent] = field(default_factory=list)

    @property
    def host_id(self) -> str:
        return self.shape.host_id

    @property
    def job_id(self) -> str:
        return self.fence.job_id if self.fence else ""

    def did(self, effect: Did, target: str) -> None:
        """Write an effect into the log, in the transaction that has it."""
        attempt = self.fence.attempt if self.fence else 0
        self.db.execute(
            "INSERT INTO effects (host_id, job_id, attempt, effect, target) VALUES (?, ?, ?, ?, ?)",
            (self.host_id, self.job_id, attempt, effect.value, target),
        )

    def tell(self, native_id: str, name: str, state: VmState | None, *, gone: bool = False) -> None:
        """Send an event to whoever listens, once the call has ended."""
        self.events.append(VmEvent(native_id=native_id, name=name, state=state, gone=gone))

    def let_in(self, fence: Fence) -> None:
        """Take the fence of a changing call; `Fenced` when a later attempt has spoken."""
        seen = self.db.execute(
            "SELECT attempt FROM fences WHERE host_id = ? AND job_id = ?", (self.host_id, fence.job_id)
        ).fetchone()
        if seen is not None and seen["attempt"] > fence.attempt:
            raise Fenced(
                f"attempt {fence.attempt} of job {fence.job_id} is late at host {self.host_id}: "
                f"attempt {seen['attempt']} has already spoken",
                "Nothing to do: the later attempt goes on.",
            )
        self.db.execute(
            "INSERT INTO fences (host_id, job_id, attempt) VALUES (?, ?, ?)"
            " ON CONFLICT (host_id, job_id) DO UPDATE SET attempt = excluded.attempt",
            (self.host_id, fence.job_id, fence.attempt),
        )
        self.fence = fence


def take_fault(knobs: Knobs, call: str) -> tuple[Knobs, Fault | None]:
    """The fault that this use of a call meets, if any, and the knobs that remain."""
    for position, fault in enumerate(knobs.faults):
        if fault.call != call:
            continue
        rest: tuple[Fault, ...]
        if fault.skip:
            rest, met = (replace(fault, skip=fault.skip - 1),), None
        else:
            rest, met = ((replace(fault, times=fault.times - 1),) if fault.times > 1 else ()), fault
        faults = (*knobs.faults[:position], *rest, *knobs.faults[position + 1 :])
        return replace(knobs, faults=faults), met
    return knobs, None
