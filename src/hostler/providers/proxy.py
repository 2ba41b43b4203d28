"""The contract's calls, each handed to one way of sending it: what every proxy of a provider shares."""

from abc import ABC, abstractmethod
from typing import Any

from hostler.domain.fabric.facts import HostFacts, HostLoad
from hostler.domain.machines.facts import FileFacts, GuestFacts, VmFacts, VmsRead
from hostler.domain.machines.spec import CloudInitSeed, VmSpec
from hostler.providers.capabilities import Capabilities
from hostler.providers.contract import Fence, PowerChange, TaskFacts, TaskWork


class Proxy(ABC):
    """A provider that is elsewhere; a subclass knows the way there, and adds `events` and `close`."""

    @abstractmethod
    async def _call(self, name: str, *arguments: object) -> Any:
        """Send one call and return its result, decoded, or raise its error."""

    async def capabilities(self) -> Capabilities:
        result: Capabilities = await self._call("capabilities")
        return result

    async def read_host(self) -> HostFacts:
        result: HostFacts = await self._call("read_host")
        return result

    async def read_load(self) -> HostLoad:
        result: HostLoad = await self._call("read_load")
        return result

    async def read_vms(self) -> VmsRead:
        result: VmsRead = await self._call("read_vms")
        return result

    async def read_vm(self, native_id: str) -> VmFacts | None:
        result: VmFacts | None = await self._call("read_vm", native_id)
        return result

    async def read_guest(self, native_id: str) -> GuestFacts | None:
        result: GuestFacts | None = await self._call("read_guest", native_id)
        return result

    async def read_file(self, path: str) -> FileFacts | None:
        result: FileFacts | None = await self._call("read_file", path)
        return result

    async def write_seed(self, fence: Fence, path: str, seed: CloudInitSeed) -> None:
        await self._call("write_seed", fence, path, seed)

    async def delete_file(self, fence: Fence, path: str) -> None:
        await self._call("delete_file", fence, path)

    async def define_vm(self, fence: Fence, spec: VmSpec) -> None:
        await self._call("define_vm", fence, spec)

    async def undefine_vm(self, fence: Fence, native_id: str) -> None:
        await self._call("undefine_vm", fence, native_id)

    async def change_power(self, fence: Fence, native_id: str, change: PowerChange) -> None:
        await self._call("change_power", fence, native_id, change)

    async def start_task(self, fence: Fence, task_id: str, work: TaskWork) -> TaskFacts:
        result: TaskFacts = await self._call("start_task", fence, task_id, work)
        return result

    async def read_task(self, task_id: str) -> TaskFacts | None:
        result: TaskFacts | None = await self._call("read_task", task_id)
        return result

    async def cancel_task(self, fence: Fence, task_id: str) -> None:
        await self._call("cancel_task", fence, task_id)
