"""A KVM host through libvirt, as the contract wants it: calls run fenced, in bounded pools, their errors translated."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import libvirt

from hostler.domain.fabric.facts import HostFacts, HostLoad
from hostler.domain.machines.facts import FileFacts, GuestFacts, VmEvent, VmFacts, VmsRead
from hostler.domain.machines.spec import CloudInitSeed, VmSpec
from hostler.providers.capabilities import Capabilities
from hostler.providers.contract import Fence, PowerChange, TaskFacts, TaskWork
from hostler.providers.kvm import disks, events, host, inventory, machines
from hostler.providers.kvm.acceleration import AccelerationFacts, read_acceleration
from hostler.providers.kvm.connect import Connection
from hostler.providers.kvm.domain_xml import VM_NAMES
from hostler.providers.kvm.fences import Fences
from hostler.providers.kvm.tasks import Tasks

T = TypeVar("T")

VERSION = "1"
PROBE_TIMEOUT_SECONDS = 90.0
BULK_TIMEOUT_SECONDS = 60.0
FILE_TIMEOUT_WORKERS = 4


class KvmProvider:
    """One host. `vm_paths` are the folders that VMs may lie in; `state_dir` is this provider's alone, on that host."""

    def __init__(self, *, vm_paths: tuple[Path, ...], state_dir: Path, uri: str = "qemu:///system") -> None:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._uri = uri
        self._vm_paths = vm_paths
        self._state_dir = state_dir
        self._connection = Connection(uri)
        self._files = ThreadPoolExecutor(FILE_TIMEOUT_WORKERS, thread_name_prefix="vm-files")
        self._fences = Fences(state_dir / "fences.sqlite")
        self._tasks = Tasks(self._connection, vm_paths, state_dir / "tasks")
        self._inventory = inventory.Inventory()
        self._probing = asyncio.Lock()
        self._acceleration: AccelerationFacts | None = None

    async def _in_files(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._files, work)

    async def _fenced(self, fence: Fence, work: Callable[[], T]) -> T:
        """The fence is passed in the same thread, right before the work."""

        def pass_and_work() -> T:
            self._fences.pass_or_raise(fence)
            return work()

        return await self._in_files(pass_and_work)

    async def capabilities(self) -> Capabilities:
        return Capabilities()

    async def read_acceleration(self) -> AccelerationFacts:
        """Proven once a boot; the first call may take half a minute."""
        async with self._probing:
            if self._acceleration is None:
                self._acceleration = await self._connection.call(
                    lambda connection: read_acceleration(connection, self._state_dir, self._probe_folder()),
                    "proving the host's acceleration",
                    timeout_seconds=PROBE_TIMEOUT_SECONDS,
                )
            return self._acceleration

    def _probe_folder(self) -> Path:
        return next((path for path in self._vm_paths if path.is_dir()), Path("/var/lib/libvirt/images"))

    async def read_host(self) -> HostFacts:
        acceleration = await self.read_acceleration()
        return await self._connection.call(
            lambda connection: self._host_facts(connection, acceleration), "reading the host"
        )

    def _host_facts(self, connection: libvirt.virConnect, acceleration: AccelerationFacts) -> HostFacts:
        _model, _memory, cpu_count, cpu_mhz, *_topology = connection.getInfo()
        libvirt_version = host.version_text(connection.getLibVersion())
        return HostFacts(
            host_name=connection.getHostname(),
            hypervisor="kvm",
            hypervisor_version=f"QEMU {host.version_text(connection.getVersion())}, libvirt {libvirt_version}",
            provider_version=VERSION,
            cpu_model=host.cpu_model(connection),
            cpu_count=cpu_count,
            cpu_mhz=cpu_mhz,
            memory_mib=host.memory_mib(connection)[0],
            acceleration=acceleration.acceleration,
            acceleration_note=acceleration.note,
            volumes=host.volumes(self._vm_paths),
            networks=host.networks(connection)[0],
            vm_names=VM_NAMES,
            firmwares=host.firmwares(connection),
        )

    async def read_load(self) -> HostLoad:
        return await self._connection.call(
            self._host_load, "reading the host's load", timeout_seconds=BULK_TIMEOUT_SECONDS
        )

    def _host_load(self, connection: libvirt.virConnect) -> HostLoad:
        vms, complete = inventory.read_vm_loads(connection)
        cpu_total_ns, cpu_busy_ns = host.cpu_times_ns(connection)
        memory_mib, memory_used_mib = host.memory_mib(connection)
        return HostLoad(
            cpu_total_ns=cpu_total_ns,
            cpu_busy_ns=cpu_busy_ns,
            memory_mib=memory_mib,
            memory_used_mib=memory_used_mib,
            disk_requests=host.disk_requests(),
            net_bytes=host.net_bytes(),
            volumes=host.volumes(self._vm_paths),
            vms=vms,
            vms_complete=complete,
        )

    async def read_vms(self) -> VmsRead:
        return await self._connection.call(
            self._inventory.read_vms, "reading all VMs", timeout_seconds=BULK_TIMEOUT_SECONDS
        )

    async def read_vm(self, native_id: str) -> VmFacts | None:
        return await self._connection.call(
            lambda connection: self._inventory.read_vm(connection, native_id), f"reading VM {native_id}"
        )

    async def read_guest(self, native_id: str) -> GuestFacts | None:
        return await self._connection.call(
            lambda connection: inventory.read_guest(connection, native_id), f"asking the guest of VM {native_id}"
        )

    async def read_file(self, path: str) -> FileFacts | None:
        return await self._in_files(lambda: disks.read_file(path))

    def events(self) -> AsyncIterator[VmEvent]:
        return events.listen(self._uri)

    async def write_seed(self, fence: Fence, path: str, seed: CloudInitSeed) -> None:
        await self._fenced(fence, lambda: disks.write_seed(path, seed, self._vm_paths))

    async def delete_file(self, fence: Fence, path: str) -> None:
        await self._fenced(fence, lambda: disks.delete_file(path, self._vm_paths))

    async def define_vm(self, fence: Fence, spec: VmSpec) -> None:
        await self._fenced(fence, lambda: None)
        acceleration = (await self.read_acceleration()).acceleration
        await self._connection.call(
            lambda connection: self._pass(fence, lambda: machines.define_vm(connection, spec, acceleration)),
            f"defining VM {spec.name}",
        )

    async def undefine_vm(self, fence: Fence, native_id: str) -> None:
        await self._connection.call(
            lambda connection: self._pass(fence, lambda: machines.undefine_vm(connection, native_id)),
            f"removing VM {native_id}",
        )

    async def change_power(self, fence: Fence, native_id: str, change: PowerChange) -> None:
        await self._connection.call(
            lambda connection: self._pass(fence, lambda: machines.change_power(connection, native_id, change)),
            f"{change.value} of VM {native_id}",
            timeout_seconds=machines.POWER_TIMEOUT_SECONDS,
        )

    def _pass(self, fence: Fence, work: Callable[[], None]) -> None:
        self._fences.pass_or_raise(fence)
        work()

    async def start_task(self, fence: Fence, task_id: str, work: TaskWork) -> TaskFacts:
        return await self._fenced(fence, lambda: self._tasks.start(fence, task_id, work))

    async def read_task(self, task_id: str) -> TaskFacts | None:
        return await self._in_files(lambda: self._tasks.read(task_id))

    async def cancel_task(self, fence: Fence, task_id: str) -> None:
        await self._fenced(fence, lambda: self._tasks.cancel(task_id))

    async def close(self) -> None:
        """Copies go on: they belong to the host, not to this connection."""
        await self._connection.close()
        self._files.shutdown(wait=False, cancel_futures=True)
