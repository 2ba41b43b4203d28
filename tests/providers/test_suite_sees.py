"""The contract suite can fail: each planted breach of the contract is seen by the test that is there for it."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.providers.contract_suite import ContractSuite
from tests.providers.workshop import Subject, Workshop

from hostler.domain.machines.facts import FileFacts, GuestFacts, VmEvent, VmFacts, VmsRead
from hostler.domain.machines.spec import CloudInitSeed, DiskFormat, VmSpec
from hostler.domain.machines.states import VmState
from hostler.providers.contract import CloneDisk, Fence, PowerChange, Provider, TaskFacts, TaskState, TaskWork
from hostler.providers.errors import HostNotResponding, NotThere, ProviderError, Refused
from hostler.providers.simulated.connect import SideDoor, SimulatedProcess
from hostler.providers.simulated.provider import SimulatedProvider

SUITE = ContractSuite()
FRESH = Fence(job_id="a job that nobody knows", attempt=1)


class Honest(SimulatedProvider):
    """No breach."""


class RefusesTwice(SimulatedProvider):
    async def define_vm(self, fence: Fence, spec: VmSpec) -> None:
        if await self.read_vm(spec.vm_id) is not None:
            raise Refused("it is there already")
        await super().define_vm(fence, spec)


class HalfMade(SimulatedProvider):
    async def define_vm(self, fence: Fence, spec: VmSpec) -> None:
        await super().define_vm(fence, replace(spec, name=f"{uuid.uuid4()}"))
        if "/" in spec.name:
            raise Refused("no slashes")


class Silent(SimulatedProvider):
    async def read_vm(self, native_id: str) -> VmFacts | None:
        found = await super().read_vm(native_id)
        if found is None:
            raise NotThere("no such VM")
        return found


class Lenient(SimulatedProvider):
    """Lets late attempts in."""

    async def change_power(self, fence: Fence, native_id: str, change: PowerChange) -> None:
        await super().change_power(FRESH, native_id, change)

    async def start_task(self, fence: Fence, task_id: str, work: TaskWork) -> TaskFacts:
        return await super().start_task(FRESH if fence.attempt == 1 else fence, task_id, work)


class EarlyFile(SimulatedProvider):
    """Shows files that are not whole."""

    async def read_file(self, path: str) -> FileFacts | None:
        return await super().read_file(path) or FileFacts(path=path, size_bytes=1)


class TakesDisks(SimulatedProvider):
    async def undefine_vm(self, fence: Fence, native_id: str) -> None:
        found = await self.read_vm(native_id)
        await super().undefine_vm(fence, native_id)
        for disk in found.disks if found else ():
            await self.delete_file(fence, disk.path)


class KillsFirst(SimulatedProvider):
    async def undefine_vm(self, fence: Fence, native_id: str) -> None:
        if await self.read_vm(native_id) is not None:
            await self.change_power(fence, native_id, PowerChange.POWER_OFF)
        await super().undefine_vm(fence, native_id)


class Forgetful(SimulatedProvider):
    """Its tasks live and die with the connection, and each start is a new task."""

    started: dict[str, str]

    async def start_task(self, fence: Fence, task_id: str, work: TaskWork) -> TaskFacts:
        self.started = {**getattr(self, "started", {}), task_id: str(uuid.uuid4())}
        return replace(await super().start_task(fence, self.started[task_id], work), task_id=task_id)

    async def read_task(self, task_id: str) -> TaskFacts | None:
        known = getattr(self, "started", {}).get(task_id)
        found = None if known is None else await super().read_task(known)
        return None if found is None else replace(found, task_id=task_id)


class LeavesHalves(SimulatedProvider):
    """A cancelled clone leaves its target."""

    async def cancel_task(self, fence: Fence, task_id: str) -> None:
        while (task := await super().read_task(task_id)) and task.state is TaskState.RUNNING:
            pass
        self.cancelled = task_id

    async def read_task(self, task_id: str) -> TaskFacts | None:
        found = await super().read_task(task_id)
        if found is not None and getattr(self, "cancelled", "") == task_id:
            return replace(found, state=TaskState.CANCELLED)
        return found


class Overwrites(SimulatedProvider):
    async def start_task(self, fence: Fence, task_id: str, work: TaskWork) -> TaskFacts:
        if isinstance(work, CloneDisk):
            await self.delete_file(fence, work.target)
        return await super().start_task(fence, task_id, work)


class Incomplete(SimulatedProvider):
    async def read_vms(self) -> VmsRead:
        read = await super().read_vms()
        return replace(read, vms=read.vms[:1])


class Deaf(SimulatedProvider):
    """Tells of VMs that come and go, but not of their power."""

    async def events(self) -> AsyncIterator[VmEvent]:
        async for event in super().events():
            if event.state in {None, VmState.POWER_OFF}:
                yield event


class PausedIsRunning(SimulatedProvider):
    async def change_power(self, fence: Fence, native_id: str, change: PowerChange) -> None:
        if change is not PowerChange.PAUSE:
            await super().change_power(fence, native_id, change)


class Leaky(SimulatedProvider):
    """Lets a library's own error out."""

    async def change_power(self, fence: Fence, native_id: str, change: PowerChange) -> None:
        try:
            await super().change_power(fence, native_id, change)
        except NotThere as error:
            raise KeyError(native_id) from error


class Ghost(SimulatedProvider):
    async def read_guest(self, native_id: str) -> GuestFacts | None:
        return GuestFacts(host_name="ghost")


class Growing(SimulatedProvider):
    """Each writing of a seed makes it larger."""

    async def write_seed(self, fence: Fence, path: str, seed: CloudInitSeed) -> None:
        text = seed.host_name + "x" * (await self.read_file(path) is not None)
        await super().write_seed(fence, path, replace(seed, host_name=text))


Test = Callable[[Workshop], Awaitable[Any]]

BREACHES: list[tuple[type[SimulatedProvider], Test]] = [
    (RefusesTwice, SUITE.test_defining_twice_is_defining_once),
    (HalfMade, lambda shop: SUITE.test_a_hostile_name_works_or_is_refused(shop, "a/b")),
    (HalfMade, SUITE.test_a_defined_vm_is_as_it_was_asked_for),
    (Silent, lambda shop: SUITE.test_what_is_not_there_reads_as_none(shop, str(uuid.UUID(int=7)))),
    (Lenient, lambda shop: SUITE.test_a_late_attempt_changes_nothing(shop, "change_power")),
    (Lenient, lambda shop: SUITE.test_a_late_attempt_changes_nothing(shop, "start_task")),
    (EarlyFile, SUITE.test_a_file_is_whole_whenever_it_is_seen),
    (EarlyFile, SUITE.test_deleting_a_file_twice_is_deleting_it_once),
    (TakesDisks, SUITE.test_undefining_keeps_the_disks),
    (KillsFirst, SUITE.test_a_running_vm_is_not_forgotten),
    (Forgetful, SUITE.test_a_task_goes_on_without_those_who_started_it),
    (Forgetful, SUITE.test_the_same_id_is_the_same_task),
    (LeavesHalves, SUITE.test_a_cancelled_task_leaves_nothing),
    (Overwrites, SUITE.test_a_clone_never_overwrites_a_file),
    (Incomplete, SUITE.test_a_complete_read_finds_each_vm_once),
    (PausedIsRunning, SUITE.test_a_paused_vm_refuses_a_shut_down),
    (Leaky, lambda shop: SUITE.test_power_of_a_vm_that_is_not_there(shop, PowerChange.START)),
    (Ghost, SUITE.test_a_stopped_guest_does_not_answer),
    (Growing, SUITE.test_a_seed_is_written_once_however_often_it_is_asked_for),
]


def subject_of(kind: type[SimulatedProvider], process: SimulatedProcess) -> Subject:
    async def reconnect() -> Provider:
        await subject.provider.close()
        return kind(process.socket_path, "sim-1")

    subject = Subject(
        provider=kind(process.socket_path, "sim-1"),
        source="/var/lib/vms/base.qcow2",
        source_format=DiskFormat.QCOW2,
        folder="/var/lib/vms",
        network="default",
        reconnect=reconnect,
    )
    return subject


@pytest.mark.parametrize(("kind", "test"), BREACHES, ids=[kind.__name__ for kind, _ in BREACHES])
async def test_a_breach_is_seen(
    side_door: SideDoor, simulated_process: SimulatedProcess, kind: type[SimulatedProvider], test: Test
) -> None:
    honest = subject_of(Honest, simulated_process)
    await test(Workshop(honest))
    await honest.provider.close()
    broken = subject_of(kind, simulated_process)
    with pytest.raises((AssertionError, ProviderError, KeyError, pytest.fail.Exception)) as seen:
        await test(Workshop(broken))
    assert not isinstance(seen.value, HostNotResponding)
    await broken.provider.close()


async def test_missing_events_are_seen(
    side_door: SideDoor, simulated_process: SimulatedProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.providers.suite.links.EVENT_SECONDS", 0.2)
    broken = subject_of(Deaf, simulated_process)
    with pytest.raises(AssertionError, match="no event says"):
        await SUITE.test_events_tell_of_every_change(Workshop(broken))
    await broken.provider.close()
