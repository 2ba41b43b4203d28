"""Bulk reads on libvirt's own test driver, which lacks some calls: what is missing is left out, never made up."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import libvirt
import pytest

from hostler.domain.fabric.facts import Acceleration
from hostler.domain.machines.states import VmState
from hostler.providers.kvm.inventory import vm_state
from hostler.providers.kvm.provider import KvmProvider

DOMAIN = "<domain type='test'><name>vm-{}</name><memory unit='MiB'>512</memory><os><type>hvm</type></os></domain>"
COUNT = 200


@pytest.fixture
async def crowded(tmp_path: Path) -> AsyncIterator[KvmProvider]:
    node = tmp_path / "node.xml"
    node.write_text("<node>" + "".join(DOMAIN.format(number) for number in range(COUNT)) + "</node>")
    provider = KvmProvider(vm_paths=(tmp_path,), state_dir=tmp_path / "state", uri=f"test://{node}")
    yield provider
    await provider.close()


async def test_all_vms_are_read_twice_the_same(crowded: KvmProvider) -> None:
    first = await crowded.read_vms()
    assert first.complete
    assert {vm.name for vm in first.vms} == {f"vm-{number}" for number in range(COUNT)}
    assert {(vm.state, vm.memory_mib) for vm in first.vms} == {(VmState.RUNNING, 512)}
    assert sorted((await crowded.read_vms()).vms, key=str) == sorted(first.vms, key=str)


async def test_driver_without_guests_says_so(crowded: KvmProvider) -> None:
    host = await crowded.read_host()
    assert host.acceleration is Acceleration.NONE
    assert "TEST" in host.acceleration_note
    load = await crowded.read_load()
    assert load.vms_complete
    assert len(load.vms) == COUNT


async def test_stop_by_others_is_seen(crowded: KvmProvider) -> None:
    before = (await crowded.read_vms()).vms[0]

    def stop(connection: libvirt.virConnect) -> None:
        connection.lookupByUUIDString(before.native_id).destroy()

    await crowded._connection.call(stop, "stopping a VM")
    after = next(vm for vm in (await crowded.read_vms()).vms if vm.native_id == before.native_id)
    assert after.state is VmState.POWER_OFF


async def test_absent_vm(crowded: KvmProvider) -> None:
    assert await crowded.read_vm(str(uuid.uuid4())) is None


@pytest.mark.parametrize(
    ("state", "reason", "saved", "expected"),
    [
        (libvirt.VIR_DOMAIN_RUNNING, 1, False, VmState.RUNNING),
        (libvirt.VIR_DOMAIN_BLOCKED, 0, False, VmState.RUNNING),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER, False, VmState.PAUSED),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SAVE, False, VmState.SAVING),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP, False, VmState.STARTING),
        (libvirt.VIR_DOMAIN_SHUTDOWN, 0, False, VmState.POWERING_OFF),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED, False, VmState.POWER_OFF),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, False, VmState.CRASHED),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN, True, VmState.SAVED),
        (libvirt.VIR_DOMAIN_CRASHED, 0, False, VmState.CRASHED),
        (libvirt.VIR_DOMAIN_PMSUSPENDED, 0, False, VmState.PAUSED),
    ],
)
def test_states(state: int, reason: int, *, saved: bool, expected: VmState) -> None:
    assert vm_state(state, reason, saved=saved) is expected
