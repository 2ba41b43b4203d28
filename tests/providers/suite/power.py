"""What every provider owes for the power of VMs and for their saved state."""

import uuid

import pytest
from msgspec.structs import replace
from tests.providers.workshop import Workshop, refused

from hostler.domain.machines.spec import Disk, DiskFormat, Nic
from hostler.domain.machines.states import VmState
from hostler.providers.contract import PowerChange, ResetVm, SaveVm, TaskState
from hostler.providers.errors import NotThere, Refused

OFF = VmState.POWER_OFF
ON = VmState.RUNNING
START, SHUT_DOWN, POWER_OFF = PowerChange.START, PowerChange.SHUT_DOWN, PowerChange.POWER_OFF
PAUSE, RESUME = PowerChange.PAUSE, PowerChange.RESUME


class Power:
    """Power and saved state."""

    @pytest.mark.parametrize(
        ("changes", "state"),
        [
            ([START], ON),
            ([START, START], ON),
            ([START, POWER_OFF], OFF),
            ([START, POWER_OFF, POWER_OFF], OFF),
            ([POWER_OFF], OFF),
            ([SHUT_DOWN], OFF),
            ([START, PAUSE], VmState.PAUSED),
            ([START, PAUSE, PAUSE], VmState.PAUSED),
            ([START, PAUSE, RESUME], ON),
            ([START, RESUME], ON),
            ([START, PAUSE, START], ON),
            ([START, PAUSE, POWER_OFF], OFF),
            ([START, POWER_OFF, START], ON),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, list) else value.value,
    )
    async def test_power_holds_when_the_call_returns(
        self, shop: Workshop, changes: list[PowerChange], state: VmState
    ) -> None:
        spec = await shop.defined()
        for change in changes:
            await shop.power(spec, change)
        assert await shop.state(spec) is state

    @pytest.mark.parametrize("change", [PAUSE, RESUME])
    async def test_a_stopped_vm_refuses_what_needs_a_running_one(self, shop: Workshop, change: PowerChange) -> None:
        spec = await shop.defined()
        with pytest.raises(Refused) as refusal:
            await shop.power(spec, change)
        assert refusal.value.message
        assert refusal.value.remedy
        assert await shop.state(spec) is OFF

    async def test_a_paused_vm_refuses_a_shut_down(self, shop: Workshop) -> None:
        spec = await shop.running()
        await shop.power(spec, PAUSE)
        with pytest.raises(Refused):
            await shop.power(spec, SHUT_DOWN)
        assert await shop.state(spec) is VmState.PAUSED

    @pytest.mark.parametrize("change", list(PowerChange))
    async def test_power_of_a_vm_that_is_not_there(self, shop: Workshop, change: PowerChange) -> None:
        with pytest.raises(NotThere):
            await shop.power(shop.spec(), change)

    async def test_a_vm_without_its_disk_or_network_never_runs(self, shop: Workshop) -> None:
        disk = await shop.disk()
        without_disk = shop.spec(disks=(Disk(path=shop.path("absent"), format=DiskFormat.QCOW2),))
        spec = shop.spec(disks=(disk,))
        without_network = replace(spec, nics=(Nic(mac=spec.nics[0].mac, network="no-such-network"),))
        for broken in (without_disk, without_network):
            refusal = await refused(shop.defined(broken)) or await refused(shop.power(broken, START))
            assert isinstance(refusal, NotThere | Refused)
            found = await shop.provider.read_vm(broken.vm_id)
            assert found is None or found.state is OFF

    @pytest.fixture
    async def saving_shop(self, shop: Workshop) -> Workshop:
        if not (await shop.provider.capabilities()).saved_state:
            pytest.skip("this provider saves no state")
        return shop

    async def test_a_saved_vm_is_restored_by_its_start(self, saving_shop: Workshop) -> None:
        shop = saving_shop
        spec = await shop.running()
        for _ in range(2):
            assert (await shop.run(SaveVm(native_id=spec.vm_id))).state is TaskState.DONE
            assert await shop.state(spec) is VmState.SAVED
        await shop.power(spec, START)
        assert await shop.state(spec) is ON

    async def test_a_stopped_vm_has_nothing_to_save(self, saving_shop: Workshop) -> None:
        shop = saving_shop
        spec = await shop.defined()
        task = await shop.run(SaveVm(native_id=spec.vm_id))
        assert task.state is TaskState.FAILED
        assert task.error
        assert await shop.state(spec) is OFF

    async def test_forgetting_a_saved_vm_forgets_what_was_saved(self, saving_shop: Workshop) -> None:
        shop = saving_shop
        spec = await shop.running()
        await shop.run(SaveVm(native_id=spec.vm_id))
        await shop.provider.undefine_vm(shop.fence, spec.vm_id)
        await shop.defined(spec)
        assert await shop.state(spec) is OFF

    async def test_a_reset_vm_goes_on_running(self, shop: Workshop) -> None:
        spec, task_id = await shop.running(), shop.task_id()
        done = await shop.run(ResetVm(native_id=spec.vm_id), task_id)
        assert (done.state, done.error) == (TaskState.DONE, "")
        assert await shop.provider.start_task(shop.fence, task_id, ResetVm(native_id=spec.vm_id)) == done
        assert await shop.state(spec) is ON

    async def test_a_stopped_vm_cannot_be_reset(self, shop: Workshop) -> None:
        spec = await shop.defined()
        for native_id in (spec.vm_id, str(uuid.uuid4())):
            task = await shop.run(ResetVm(native_id=native_id))
            assert task.state is TaskState.FAILED
            assert task.error
        assert await shop.state(spec) is OFF
