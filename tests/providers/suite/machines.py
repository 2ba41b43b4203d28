"""What every provider owes for VMs: defined, forgotten."""

import uuid

import pytest
from msgspec.structs import replace
from tests.providers.workshop import Workshop, refused

from hostler.domain.machines.states import OBSERVABLE, VmState
from hostler.providers.errors import Refused

HOSTILE_NAMES = {
    "apostrophe": "o'brien",
    "quotes": 'say "hello"',
    "markup": "<vm>&amp;</vm>",
    "cdata": "]]><!--",
    "spaces": "  two words  ",
    "longest": "x" * 255,
    "too-long": "x" * 256,
    "long-in-bytes": "й" * 255,
    "cyrillic": "сервер-база",
    "arabic": "خادم",
    "emoji": "vm-\N{ROCKET}",
    "shell": "$(id)`id`;id|id",
    "option": "--all",
    "percent": "%s%n{0}",
    "dots": "..",
    "slash": "a/b",
    "newline": "two\nlines",
    "tab": "a\tb",
    "nul": "a\0b",
    "override": "abc\u202edef",
    "surrogate": "\ud800",
    "empty": "",
}


class Machines:
    """Defining and forgetting."""

    async def test_a_defined_vm_is_as_it_was_asked_for(self, shop: Workshop) -> None:
        spec = await shop.defined()
        found = await shop.vm(spec)
        assert found.state is VmState.POWER_OFF
        assert found.persistent
        assert (found.name, found.cpu_count, found.memory_mib) == (spec.name, spec.cpu_count, spec.memory_mib)
        assert [(disk.path, disk.format) for disk in found.disks][:1] == [(spec.disks[0].path, spec.disks[0].format)]
        assert [(nic.mac, nic.network) for nic in found.nics] == [(nic.mac, nic.network) for nic in spec.nics]

    async def test_defining_twice_is_defining_once(self, shop: Workshop) -> None:
        spec = await shop.defined()
        before = await shop.vm(spec)
        await shop.defined(spec)
        assert await shop.vm(spec) == before

    async def test_defining_a_running_vm_again_leaves_it_running(self, shop: Workshop) -> None:
        spec = await shop.running()
        await shop.defined(spec)
        assert await shop.state(spec) is VmState.RUNNING

    async def test_a_complete_read_finds_each_vm_once(self, shop: Workshop) -> None:
        specs = [await shop.defined() for _ in range(2)]
        read = await shop.provider.read_vms()
        assert read.complete
        assert read.problems == ()
        assert {vm.state for vm in read.vms} <= OBSERVABLE
        for spec in specs:
            assert [vm.name for vm in read.vms if vm.native_id == spec.vm_id] == [spec.name]

    async def test_a_name_in_use_is_refused_and_nothing_is_made(self, shop: Workshop) -> None:
        first = await shop.defined()
        second = shop.spec(first.name, disks=first.disks)
        with pytest.raises(Refused) as refusal:
            await shop.provider.define_vm(shop.fence, second)
        assert first.name in refusal.value.message
        assert await shop.provider.read_vm(second.vm_id) is None
        assert (await shop.vm(first)).name == first.name

    @pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES.keys())
    async def test_a_hostile_name_works_or_is_refused(self, shop: Workshop, name: str) -> None:
        spec = shop.spec(name, disks=(await shop.disk(),))
        refusal = await refused(shop.provider.define_vm(shop.fence, spec))
        if refusal is not None:
            assert refusal.message
            assert await shop.provider.read_vm(spec.vm_id) is None
            return
        assert (await shop.vm(spec)).name == name
        assert [vm.name for vm in (await shop.provider.read_vms()).vms if vm.native_id == spec.vm_id] == [name]
        await shop.provider.undefine_vm(shop.fence, spec.vm_id)
        assert await shop.provider.read_vm(spec.vm_id) is None

    async def test_an_id_that_is_no_uuid_is_refused(self, shop: Workshop) -> None:
        spec = replace(shop.spec(), vm_id="not-a-uuid")
        with pytest.raises(Refused):
            await shop.provider.define_vm(shop.fence, spec)

    async def test_undefining_keeps_the_disks(self, shop: Workshop) -> None:
        spec = await shop.defined()
        await shop.provider.undefine_vm(shop.fence, spec.vm_id)
        assert await shop.provider.read_vm(spec.vm_id) is None
        assert await shop.provider.read_file(spec.disks[0].path) is not None
        await shop.provider.undefine_vm(shop.fence, spec.vm_id)

    async def test_undefining_what_never_was_is_fine(self, shop: Workshop) -> None:
        await shop.provider.undefine_vm(shop.fence, str(uuid.uuid4()))

    async def test_a_running_vm_is_not_forgotten(self, shop: Workshop) -> None:
        spec = await shop.running()
        with pytest.raises(Refused):
            await shop.provider.undefine_vm(shop.fence, spec.vm_id)
        assert await shop.state(spec) is VmState.RUNNING

    async def test_a_forgotten_vm_can_be_defined_again(self, shop: Workshop) -> None:
        spec = await shop.defined()
        await shop.provider.undefine_vm(shop.fence, spec.vm_id)
        await shop.defined(spec)
        assert await shop.state(spec) is VmState.POWER_OFF
