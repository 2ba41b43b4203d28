"""What the contract suite works with at one host: names, specs and tasks of its own, all taken back at the end."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.providers.conditions import until

from hostler.domain.machines.facts import VmFacts
from hostler.domain.machines.spec import CloneKind, CloudInitSeed, Disk, DiskFormat, Nic, VmSpec
from hostler.domain.machines.states import VmState
from hostler.providers.contract import CloneDisk, Fence, PowerChange, Provider, TaskFacts, TaskState, TaskWork
from hostler.providers.errors import HostNotResponding, ProviderError


async def refused(call: Awaitable[object]) -> ProviderError | None:
    """The error that a call ends with; None when it goes well. A host that does not answer is no refusal."""
    try:
        await call
    except HostNotResponding:
        raise
    except ProviderError as error:
        return error
    return None


@dataclass
class Subject:
    """A provider under test and what its host offers.

    `source` is a whole disk image on the host that nobody writes to; `folder` lies on a volume and may be absent;
    `reconnect` closes the provider and gives another one to the same host.
    """

    provider: Provider
    source: str
    source_format: DiskFormat
    folder: str
    network: str
    reconnect: Callable[[], Awaitable[Provider]]


@dataclass
class Workshop:
    subject: Subject
    fence: Fence = field(default_factory=lambda: Fence(job_id=str(uuid.uuid4()), attempt=1))
    _vms: list[str] = field(default_factory=list)
    _files: list[str] = field(default_factory=list)
    _tasks: list[str] = field(default_factory=list)

    @property
    def provider(self) -> Provider:
        return self.subject.provider

    def path(self, name: str) -> str:
        """A path of our own, deleted at the end."""
        path = f"{self.subject.folder}/{uuid.uuid4()}/{name}"
        self._files.append(path)
        return path

    def spec(self, name: str | None = None, *, disks: tuple[Disk, ...] = (), seed_path: str | None = None) -> VmSpec:
        vm_id = str(uuid.uuid4())
        self._vms.append(vm_id)
        mac = f"52:54:00:{vm_id[0:2]}:{vm_id[2:4]}:{vm_id[4:6]}"
        return VmSpec(
            vm_id=vm_id,
            name=f"contract-{vm_id[:8]}" if name is None else name,
            cpu_count=1,
            memory_mib=64,
            disks=disks,
            nics=(Nic(mac=mac, network=self.subject.network),),
            seed_path=seed_path,
        )

    def clone(self, kind: CloneKind = CloneKind.FULL, *, source: str | None = None) -> CloneDisk:
        subject = self.subject
        return CloneDisk(
            source=source or subject.source, source_format=subject.source_format, target=self.path("disk"), kind=kind
        )

    def seed(self, host_name: str = "web-01") -> CloudInitSeed:
        return CloudInitSeed(instance_id=str(uuid.uuid4()), host_name=host_name, user_data={"hostname": host_name})

    def task_id(self) -> str:
        task_id = str(uuid.uuid4())
        self._tasks.append(task_id)
        return task_id

    async def disk(self, kind: CloneKind = CloneKind.FULL) -> Disk:
        """A disk of our own, made."""
        work = self.clone(kind)
        task = await self.run(work)
        assert task.state is TaskState.DONE, task
        # A linked clone is always a qcow2 file, whatever its source is.
        made = DiskFormat.QCOW2 if kind is CloneKind.LINKED else work.source_format
        return Disk(path=work.target, format=made)

    async def run(self, work: TaskWork, task_id: str | None = None) -> TaskFacts:
        """Start a task and follow it to its end; a start that refuses counts as a failed task."""
        task_id = task_id or self.task_id()
        try:
            await self.provider.start_task(self.fence, task_id, work)
        except ProviderError as error:
            return TaskFacts(task_id=task_id, state=TaskState.FAILED, error=error.message, remedy=error.remedy)
        return await self.finished(task_id)

    async def finished(self, task_id: str) -> TaskFacts:
        async def ended() -> TaskFacts | None:
            task = await self.provider.read_task(task_id)
            assert task is not None, f"the host forgot task {task_id}"
            return None if task.state is TaskState.RUNNING else task

        return await until(ended, f"task {task_id} does not end")

    async def defined(self, spec: VmSpec | None = None) -> VmSpec:
        spec = spec or self.spec(disks=(await self.disk(),))
        await self.provider.define_vm(self.fence, spec)
        return spec

    async def running(self) -> VmSpec:
        spec = await self.defined()
        await self.power(spec, PowerChange.START)
        return spec

    async def power(self, spec: VmSpec, change: PowerChange) -> None:
        await self.provider.change_power(self.fence, spec.vm_id, change)

    async def vm(self, spec: VmSpec) -> VmFacts:
        found = await self.provider.read_vm(spec.vm_id)
        assert found is not None, f"VM {spec.name!r} is not there"
        return found

    async def state(self, spec: VmSpec) -> VmState:
        return (await self.vm(spec)).state

    async def clean(self) -> None:
        """Take back everything; it also shows that nothing stands in the way of doing so."""
        fence = Fence(job_id=str(uuid.uuid4()), attempt=1)
        for task_id in self._tasks:
            await self.provider.cancel_task(fence, task_id)
        for native_id in self._vms:
            try:
                found = await self.provider.read_vm(native_id)
            except ProviderError:
                continue
            if found is None:
                continue
            if found.state not in (VmState.POWER_OFF, VmState.SAVED):
                await self.provider.change_power(fence, native_id, PowerChange.POWER_OFF)
            await self.provider.undefine_vm(fence, native_id)
        for path in self._files:
            await self.provider.delete_file(fence, path)
