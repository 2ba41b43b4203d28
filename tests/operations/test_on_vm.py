"""What a change of power records is what the hypervisor says afterwards, not what was hoped for."""

from typing import Any

import msgspec
import pytest
from tests.every.stage import HOST, Stage

from hostler.domain.machines.states import VmState
from hostler.jobs.step import StepContext
from hostler.operations.on_vm import VmPlan, change_power
from hostler.providers.contract import PowerChange
from hostler.providers.simulated.connect import connect


class StopsAtOnce:
    """A provider whose guests stop as soon as they are started."""

    def __init__(self, real: Any) -> None:
        self._real = real

    async def provider(self, _host_id: str) -> Any:
        return self

    async def change_power(self, *_: object) -> None: ...

    async def read_vm(self, native_id: str) -> Any:
        return await self._real.read_vm(native_id)


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_guest_that_stops_at_once_is_recorded_as_it_is(stage: Stage, is_there: bool) -> None:
    vm_id = await stage.machine(start=False)
    provider = connect(stage.socket, HOST)
    plan = VmPlan(vm_id=vm_id, name="web", host_id=HOST, native_id=vm_id if is_there else HOST)
    services: Any = StopsAtOnce(provider)
    at = StepContext("job", 1, 0, plan, {}, services, lambda: 7)
    result = await change_power(at, PowerChange.START)
    await provider.close()
    if not is_there:
        assert result == {}
        return
    assert result["read_at"] == 7
    assert msgspec.convert(result["vm"]["state"], VmState) is VmState.POWER_OFF
