"""A real guest from the image: by both clones, with its seed, network, agent, saved state and events."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import libvirt
import pytest
from tests.providers.conditions import until
from tests.providers.kvm.libvirt_host import LibvirtHost

from hostler.domain.fabric.facts import Acceleration
from hostler.domain.machines.facts import GuestFacts, VmEvent
from hostler.domain.machines.spec import CloneKind, CloudInitSeed, Disk, DiskFormat, Nic, VmSpec
from hostler.domain.machines.states import VmState
from hostler.providers.contract import CloneDisk, Fence, PowerChange, SaveVm, TaskFacts, TaskState
from hostler.providers.kvm.acceleration import probe_acceleration
from hostler.providers.kvm.connect import open_connection
from hostler.providers.kvm.provider import KvmProvider

pytestmark = pytest.mark.xdist_group("libvirt")
NAME = 'it\'s <"&"> ünï 漢字'


@pytest.fixture
async def spec(libvirt_host: LibvirtHost, guest_image: Path, kvm: KvmProvider) -> AsyncIterator[VmSpec]:
    """Defined, with a seed and a linked disk; everything of it is gone after the test."""
    vm_id = str(uuid.uuid4())
    fence = Fence(job_id=vm_id, attempt=1)
    disk, seed = f"{libvirt_host.vm_path}/{vm_id}/disk.qcow2", f"{libvirt_host.vm_path}/{vm_id}/seed.iso"
    work = CloneDisk(source=str(guest_image), source_format=DiskFormat.QCOW2, target=disk, kind=CloneKind.LINKED)
    task = await kvm.start_task(fence, f"{vm_id}.disk", work)
    assert task.state is TaskState.DONE, task
    await kvm.write_seed(fence, seed, CloudInitSeed(instance_id=vm_id, host_name="web-01", user_data={}))
    made = VmSpec(
        vm_id=vm_id,
        name=NAME,
        cpu_count=1,
        memory_mib=256,
        disks=(Disk(path=disk, format=DiskFormat.QCOW2),),
        nics=(Nic(mac=f"52:54:00:{vm_id[0:2]}:{vm_id[2:4]}:{vm_id[4:6]}", network=libvirt_host.network),),
        seed_path=seed,
    )
    await kvm.define_vm(fence, made)
    yield made
    await kvm.change_power(fence, vm_id, PowerChange.POWER_OFF)
    await kvm.undefine_vm(fence, vm_id)
    await kvm.delete_file(fence, disk)
    await kvm.delete_file(fence, seed)
    assert not Path(disk).parent.exists()


async def answering(kvm: KvmProvider, native_id: str) -> GuestFacts:
    async def with_address() -> GuestFacts | None:
        guest = await kvm.read_guest(native_id)
        return guest if guest is not None and guest.addresses else None

    return await until(with_address, "the guest does not answer with an address", 90)


async def finished(kvm: KvmProvider, task_id: str) -> TaskFacts:
    async def ended() -> TaskFacts | None:
        task = await kvm.read_task(task_id)
        assert task is not None
        return None if task.state is TaskState.RUNNING else task

    return await until(ended, "the task does not end")


async def test_guest_has_its_name_and_address_is_saved_restored_and_shut_down(kvm: KvmProvider, spec: VmSpec) -> None:
    fence, vm_id = Fence(job_id=spec.vm_id, attempt=1), spec.vm_id
    await kvm.change_power(fence, vm_id, PowerChange.START)
    guest = await answering(kvm, vm_id)
    assert guest.host_name == "web-01"
    assert guest.addresses[0].startswith("10.203.")

    load = next(vm for vm in (await kvm.read_load()).vms if vm.native_id == vm_id)
    assert min(load.cpu_time_ns, load.disk_read_bytes, load.disk_requests, load.net_bytes) > 0
    assert load.memory_used_mib

    await kvm.start_task(fence, f"{vm_id}.save", SaveVm(native_id=vm_id))
    assert (await finished(kvm, f"{vm_id}.save")).state is TaskState.DONE
    found = await kvm.read_vm(vm_id)
    assert found is not None
    assert found.state is VmState.SAVED
    assert next(vm.state for vm in (await kvm.read_vms()).vms if vm.native_id == vm_id) is VmState.SAVED

    await kvm.change_power(fence, vm_id, PowerChange.START)
    assert (await answering(kvm, vm_id)).host_name == "web-01"

    await kvm.change_power(fence, vm_id, PowerChange.SHUT_DOWN)

    async def is_off() -> bool | None:
        found = await kvm.read_vm(vm_id)
        return True if found is not None and found.state is VmState.POWER_OFF else None

    await until(is_off, "the guest does not shut down")


async def test_save_goes_on_when_its_service_is_gone(
    kvm: KvmProvider, spec: VmSpec, libvirt_host: LibvirtHost, state_dir: Path
) -> None:
    fence, task_id = Fence(job_id=spec.vm_id, attempt=1), f"{spec.vm_id}.save"
    await kvm.change_power(fence, spec.vm_id, PowerChange.START)
    await kvm.start_task(fence, task_id, SaveVm(native_id=spec.vm_id))
    successor = KvmProvider(vm_paths=(libvirt_host.vm_path,), state_dir=state_dir, uri=libvirt_host.uri)
    assert (await successor.start_task(fence, task_id, SaveVm(native_id=spec.vm_id))).state in {
        TaskState.RUNNING,
        TaskState.DONE,
    }
    assert (await finished(successor, task_id)).state is TaskState.DONE
    await successor.close()


async def test_what_others_do_is_heard_within_a_second(
    kvm: KvmProvider, spec: VmSpec, libvirt_host: LibvirtHost
) -> None:
    heard: list[tuple[VmEvent, float]] = []
    listening = asyncio.Event()

    async def listen() -> None:
        events = kvm.events()
        async for event in events:
            heard.append((event, time.monotonic()))
            listening.set()

    listener = asyncio.create_task(listen())
    connection = await asyncio.to_thread(open_connection, libvirt_host.uri)
    domain = connection.lookupByUUIDString(spec.vm_id)

    async def define_again() -> bool | None:
        """Until the listener is there: its first event."""
        connection.defineXML(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        return True if listening.is_set() else None

    await until(define_again, "no event comes")
    await asyncio.to_thread(domain.create)
    created = time.monotonic()

    async def running() -> float | None:
        return next((at for event, at in heard if event.state is VmState.RUNNING), None)

    assert await until(running, "nobody tells of the start") - created < 1
    await asyncio.to_thread(domain.destroy)

    async def off() -> bool | None:
        return any(event.state is VmState.POWER_OFF for event, _ in heard) or None

    await until(off, "nobody tells of the stop")
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    connection.close()


async def test_vm_of_others_appears_and_a_transient_one_is_said_to_be_gone(
    kvm: KvmProvider, libvirt_host: LibvirtHost
) -> None:
    connection = await asyncio.to_thread(open_connection, libvirt_host.uri)
    xml = (
        "<domain type='qemu'><name>{}</name><memory unit='MiB'>32</memory>"
        "<os><type arch='x86_64'>hvm</type></os></domain>"
    )
    name = f"foreign-{uuid.uuid4()}"
    domain = await asyncio.to_thread(connection.createXML, xml.format(name))
    found = next(vm for vm in (await kvm.read_vms()).vms if vm.name == name)
    assert (found.state, found.persistent, found.memory_mib) == (VmState.RUNNING, False, 32)
    await asyncio.to_thread(domain.destroy)
    assert await kvm.read_vm(found.native_id) is None
    assert all(vm.name != name for vm in (await kvm.read_vms()).vms)
    connection.close()


async def test_acceleration_is_proven_and_remembered(kvm: KvmProvider, libvirt_host: LibvirtHost) -> None:
    host = await kvm.read_host()
    assert host.acceleration in {Acceleration.KVM, Acceleration.TCG}
    assert host.acceleration_note
    assert libvirt_host.network in host.networks
    connection = await asyncio.to_thread(open_connection, libvirt_host.uri)
    folder = libvirt_host.vm_path
    assert await asyncio.to_thread(probe_acceleration, connection, folder, "qemu") is None
    assert list(folder.glob(".hostler-probe-*")) == []
    assert not any(domain.name().startswith("hostler-probe") for domain in connection.listAllDomains(0))
    connection.close()
