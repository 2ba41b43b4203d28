"""What every provider owes its readers."""

import uuid

import pytest
from tests.providers.workshop import Workshop

from hostler.domain.machines.states import VmState


class Reading:
    """Reads of a host and of what is not there."""

    async def test_the_host_describes_itself(self, shop: Workshop) -> None:
        host = await shop.provider.read_host()
        assert host.host_name
        assert host.hypervisor
        assert min(host.cpu_count, host.memory_mib) > 0
        assert shop.subject.network in host.networks
        assert host.volumes
        assert all(0 <= volume.free_bytes <= volume.capacity_bytes for volume in host.volumes)
        assert any(shop.subject.folder.startswith(volume.path) for volume in host.volumes)

    async def test_capabilities_do_not_change(self, shop: Workshop) -> None:
        assert await shop.provider.capabilities() == await shop.provider.capabilities()

    async def test_counters_never_fall_and_show_every_vm(self, shop: Workshop) -> None:
        spec = await shop.running()
        first = await shop.provider.read_load()
        second = await shop.provider.read_load()
        assert 0 <= first.cpu_busy_ns <= first.cpu_total_ns
        assert 0 < first.memory_used_mib <= first.memory_mib
        assert second.cpu_total_ns >= first.cpu_total_ns
        assert second.cpu_busy_ns >= first.cpu_busy_ns
        assert second.net_bytes >= first.net_bytes
        assert second.volumes
        assert first.vms_complete
        vm_loads = [next(vm for vm in load.vms if vm.native_id == spec.vm_id) for load in (first, second)]
        assert [vm.state for vm in vm_loads] == [VmState.RUNNING, VmState.RUNNING]
        assert vm_loads[1].cpu_time_ns >= vm_loads[0].cpu_time_ns

    @pytest.mark.parametrize("native_id", [str(uuid.UUID(int=7)), "no-such-vm", "", "' OR 1=1 --"])
    async def test_what_is_not_there_reads_as_none(self, shop: Workshop, native_id: str) -> None:
        assert await shop.provider.read_vm(native_id) is None
        assert await shop.provider.read_guest(native_id) is None
        assert await shop.provider.read_task(native_id) is None
        assert await shop.provider.read_file(shop.path("absent")) is None

    async def test_a_stopped_guest_does_not_answer(self, shop: Workshop) -> None:
        spec = await shop.defined()
        assert await shop.provider.read_guest(spec.vm_id) is None
