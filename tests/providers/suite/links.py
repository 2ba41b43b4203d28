"""What every provider owes those who connect: fences, events, errors, the same truth after a reconnect."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace
from tests.providers.conditions import until
from tests.providers.workshop import Workshop, refused

from hostler.domain.machines.facts import VmEvent
from hostler.domain.machines.states import VmState
from hostler.providers.contract import Fence, PowerChange
from hostler.providers.errors import Fenced

OFF = VmState.POWER_OFF
ON = VmState.RUNNING
START, POWER_OFF = PowerChange.START, PowerChange.POWER_OFF
PAUSE = PowerChange.PAUSE

EVENT_SECONDS = 10.0
"""How long an event may take on a busy machine."""


class Links:
    """Fences, events and reconnects."""

    @pytest.mark.parametrize(
        "call",
        ["define_vm", "undefine_vm", "change_power", "write_seed", "delete_file", "start_task", "cancel_task"],
    )
    async def test_a_late_attempt_changes_nothing(self, shop: Workshop, call: str) -> None:
        spec = await shop.running() if call != "undefine_vm" else await shop.defined()
        work, task_id, path = shop.clone(), shop.task_id(), shop.path("seed.iso")
        later = Fence(job_id=str(uuid.uuid4()), attempt=2)
        await shop.provider.delete_file(later, shop.path("absent"))
        shop.subject.provider = await shop.subject.reconnect()
        late = replace(later, attempt=1)
        provider, fresh = shop.provider, shop.spec(disks=spec.disks)
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "define_vm": lambda: provider.define_vm(late, fresh),
            "undefine_vm": lambda: provider.undefine_vm(late, spec.vm_id),
            "change_power": lambda: provider.change_power(late, spec.vm_id, POWER_OFF),
            "write_seed": lambda: provider.write_seed(late, path, shop.seed()),
            "delete_file": lambda: provider.delete_file(late, spec.disks[0].path),
            "start_task": lambda: provider.start_task(late, task_id, work),
            "cancel_task": lambda: provider.cancel_task(late, task_id),
        }
        before = await shop.vm(spec)
        with pytest.raises(Fenced):
            await calls[call]()
        assert await shop.vm(spec) == before
        assert await provider.read_vm(fresh.vm_id) is None
        assert await provider.read_file(path) is None
        assert await provider.read_task(task_id) is None
        assert await provider.read_file(spec.disks[0].path) is not None

    async def test_the_same_attempt_and_other_jobs_are_let_in(self, shop: Workshop) -> None:
        path = shop.path("absent")
        for attempt, job in ((5, "a"), (5, "a"), (1, "b"), (6, "a")):
            await shop.provider.delete_file(Fence(job_id=f"{shop.fence.job_id}-{job}", attempt=attempt), path)

    async def test_events_tell_of_every_change(self, shop: Workshop) -> None:
        if not (await shop.provider.capabilities()).events:
            pytest.skip("this provider sends no events")
        heard: list[VmEvent] = []
        spec = await shop.defined()
        listener = asyncio.create_task(self._listen(shop, heard))
        try:
            await self._connected(shop, heard)
            await shop.power(spec, START)
            await self._hears(heard, spec.vm_id, ON)
            await shop.power(spec, PAUSE)
            await self._hears(heard, spec.vm_id, VmState.PAUSED)
            await shop.power(spec, POWER_OFF)
            await self._hears(heard, spec.vm_id, OFF)
            await shop.provider.undefine_vm(shop.fence, spec.vm_id)
            await self._hears(heard, spec.vm_id, None)
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener

    @staticmethod
    async def _listen(shop: Workshop, heard: list[VmEvent]) -> None:
        async for event in shop.provider.events():
            heard.append(event)  # noqa: PERF401 - others read the list while it grows

    @staticmethod
    async def _connected(shop: Workshop, heard: list[VmEvent]) -> None:
        """Define and forget a VM until a listener hears of it: from then on it misses nothing."""
        spec = shop.spec(disks=(await shop.disk(),))

        async def made_and_heard() -> bool | None:
            await shop.defined(spec)
            await shop.provider.undefine_vm(shop.fence, spec.vm_id)
            return True if heard else None

        await until(made_and_heard, "no event comes")

    @staticmethod
    async def _hears(heard: list[VmEvent], native_id: str, state: VmState | None) -> None:
        """`state` None: that the VM is gone."""

        async def told() -> bool | None:
            mine = [event for event in heard if event.native_id == native_id]
            return any(event.gone if state is None else event.state in {state, None} for event in mine) or None

        await until(told, f"no event says that VM {native_id} is {state or 'gone'}", EVENT_SECONDS)

    async def test_after_closing_another_connection_sees_the_same(self, shop: Workshop) -> None:
        spec = await shop.defined()
        before = await shop.vm(spec)
        shop.subject.provider = await shop.subject.reconnect()
        assert await shop.vm(spec) == before

    async def test_errors_are_the_seams_own(self, shop: Workshop) -> None:
        for wrong in (
            shop.provider.change_power(shop.fence, "no-such-vm", START),
            shop.provider.define_vm(shop.fence, replace(shop.spec(), vm_id="no-uuid")),
        ):
            error = await refused(wrong)
            assert error is not None
            assert error.message
            assert error.remedy
