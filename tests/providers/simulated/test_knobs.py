"""The simulation's knobs: each failure leaves exactly what it says, and the log of effects proves what was done."""

import itertools
import uuid

import pytest

from hostler.domain.fabric.facts import Volume
from hostler.domain.machines.spec import CloneKind, CloudInitSeed, Disk, DiskFormat, Nic, VmSpec
from hostler.domain.machines.states import VmState
from hostler.providers.contract import CloneDisk, Fence, PowerChange, ResetVm, TaskState
from hostler.providers.errors import HostNotResponding, NotThere, OutOfSpace, Refused
from hostler.providers.simulated.connect import SideDoor, SimulatedProcess, connect
from hostler.providers.simulated.knobs import GIB, Effect, Fault, FaultKind, Knobs, OutsideChange, SimulatedHost
from hostler.providers.simulated.provider import SimulatedProvider

HOST = "sim-1"
BASE = "/var/lib/vms/base.qcow2"
FENCE = Fence(job_id="job-1", attempt=1)
SEED = CloudInitSeed(instance_id="i-1", host_name="web-01", user_data={"users": []})


def a_vm(name: str = "web-01", disk: str = BASE) -> VmSpec:
    return VmSpec(
        vm_id=str(uuid.uuid4()),
        name=name,
        cpu_count=2,
        memory_mib=1024,
        disks=(Disk(path=disk, format=DiskFormat.QCOW2),),
        nics=(Nic(mac="52:54:00:00:00:01", network="default"),),
    )


def a_clone(kind: CloneKind = CloneKind.FULL, target: str = "/var/lib/vms/web-01/disk.qcow2") -> CloneDisk:
    return CloneDisk(source=BASE, source_format=DiskFormat.QCOW2, target=target, kind=kind)


def done(effects: tuple[Effect, ...]) -> list[str]:
    return [effect.effect for effect in effects]


async def finished(provider: SimulatedProvider, task_id: str) -> TaskState:
    for _ in range(20):
        task = await provider.read_task(task_id)
        assert task is not None
        if task.state is not TaskState.RUNNING:
            return task.state
    raise AssertionError("the task does not end")


async def test_a_refusing_fault_does_nothing_and_goes_away(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    side_door.set_knobs(HOST, Knobs(faults=(Fault(call="define_vm", times=2, code="out_of_space", message="full"),)))
    spec = a_vm()
    for _ in range(2):
        with pytest.raises(OutOfSpace, match="full"):
            await simulated.define_vm(FENCE, spec)
    assert await simulated.read_vm(spec.vm_id) is None
    await simulated.define_vm(FENCE, spec)
    assert done(side_door.effects("job-1")) == ["vm_defined"]


async def test_a_fault_can_wait_for_later_calls(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    side_door.set_knobs(HOST, Knobs(faults=(Fault(call="read_vms", skip=1),)))
    await simulated.read_vms()
    with pytest.raises(Refused):
        await simulated.read_vms()
    await simulated.read_vms()


async def test_a_lost_reply_has_its_effect(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    side_door.set_knobs(HOST, Knobs(faults=(Fault(call="define_vm", kind=FaultKind.LOST_REPLY),)))
    spec = a_vm()
    with pytest.raises(HostNotResponding):
        await simulated.define_vm(FENCE, spec)
    assert await simulated.read_vm(spec.vm_id) is not None
    await simulated.define_vm(FENCE, spec)
    assert done(side_door.effects("job-1")) == ["vm_defined"]
    assert side_door.duplicates() == ()


async def test_a_half_defined_vm_is_there_and_is_completed(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    side_door.set_knobs(HOST, Knobs(faults=(Fault(call="define_vm", kind=FaultKind.HALF),)))
    spec = a_vm()
    with pytest.raises(Refused):
        await simulated.define_vm(FENCE, spec)
    half = await simulated.read_vm(spec.vm_id)
    assert half is not None
    assert half.disks == ()
    with pytest.raises(Refused, match="half-made"):
        await simulated.change_power(FENCE, spec.vm_id, PowerChange.START)
    await simulated.define_vm(FENCE, spec)
    whole = await simulated.read_vm(spec.vm_id)
    assert whole is not None
    assert [disk.path for disk in whole.disks] == [BASE]


async def test_a_half_written_seed_is_not_there_but_is_left_over(
    simulated: SimulatedProvider, side_door: SideDoor
) -> None:
    path = "/var/lib/vms/web-01/seed.iso"
    side_door.set_knobs(HOST, Knobs(faults=(Fault(call="write_seed", kind=FaultKind.HALF),)))
    with pytest.raises(Refused):
        await simulated.write_seed(FENCE, path, SEED)
    assert await simulated.read_file(path) is None
    assert side_door.leftovers(()) == (path,)
    assert side_door.leftovers((path,)) == ()
    await simulated.delete_file(FENCE, path)
    assert side_door.leftovers(()) == ()


async def test_a_half_start_leaves_the_vm_paused(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    spec = a_vm()
    await simulated.define_vm(FENCE, spec)
    side_door.set_knobs(HOST, Knobs(faults=(Fault(call="change_power", kind=FaultKind.HALF),)))
    with pytest.raises(Refused):
        await simulated.change_power(FENCE, spec.vm_id, PowerChange.START)
    found = await simulated.read_vm(spec.vm_id)
    assert found is not None
    assert found.state is VmState.PAUSED
    await simulated.change_power(FENCE, spec.vm_id, PowerChange.START)
    found = await simulated.read_vm(spec.vm_id)
    assert found is not None
    assert found.state is VmState.RUNNING


async def test_a_half_deleted_file_keeps_its_space_until_it_is_deleted_again(
    simulated: SimulatedProvider, side_door: SideDoor
) -> None:
    before = (await simulated.read_host()).volumes
    path = "/var/lib/vms/web-01/seed.iso"
    await simulated.write_seed(FENCE, path, SEED)
    side_door.set_knobs(HOST, Knobs(faults=(Fault(call="delete_file", kind=FaultKind.HALF),)))
    with pytest.raises(Refused):
        await simulated.delete_file(FENCE, path)
    assert await simulated.read_file(path) is None
    assert (await simulated.read_host()).volumes != before
    await simulated.delete_file(FENCE, path)
    assert (await simulated.read_host()).volumes == before


async def test_a_task_goes_by_reads_and_can_break_on_its_way(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    side_door.set_knobs(HOST, Knobs(task_steps=4, faults=(Fault(call="task", skip=2, message="the disk broke"),)))
    work = a_clone()
    started = await simulated.start_task(FENCE, "t-1", work)
    seen = [started, *[await simulated.read_task("t-1") for _ in range(3)]]
    assert [(task.percent, task.state.value) for task in seen if task] == [
        (0, "running"), (25, "running"), (50, "running"), (50, "failed"),
    ]  # fmt: skip
    assert seen[-1] is not None
    assert seen[-1].error == "the disk broke"
    assert await simulated.read_file(work.target) is None
    assert side_door.leftovers(()) == ()
    await simulated.start_task(FENCE, "t-2", work)
    assert await finished(simulated, "t-2") is TaskState.DONE
    assert side_door.duplicates() == ()


async def test_a_full_volume_ends_a_copy_and_takes_it_back(
    side_door: SideDoor, simulated_process: SimulatedProcess
) -> None:
    small = Volume(path="/small", capacity_bytes=3 * GIB, free_bytes=3 * GIB)
    side_door.add_host(SimulatedHost(host_id="small", volumes=(small,)))
    side_door.add_file("small", "/small/base.qcow2", 2 * GIB, 4 * GIB, DiskFormat.QCOW2)
    provider = connect(simulated_process.socket_path, "small")
    work = CloneDisk(
        source="/small/base.qcow2", source_format=DiskFormat.QCOW2, target="/small/new.qcow2", kind=CloneKind.FULL
    )
    await provider.start_task(FENCE, "t-1", work)
    assert await finished(provider, "t-1") is TaskState.FAILED
    assert await provider.read_file(work.target) is None
    assert (await provider.read_host()).volumes[0].free_bytes == 1 * GIB
    await provider.close()


async def test_work_done_twice_is_seen(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    spec = a_vm()
    await simulated.define_vm(FENCE, spec)
    await simulated.change_power(FENCE, spec.vm_id, PowerChange.START)
    for task_id in ("t-1", "t-1"):
        await simulated.start_task(FENCE, task_id, ResetVm(native_id=spec.vm_id))
    assert side_door.duplicates() == ()
    await simulated.start_task(FENCE, "t-2", ResetVm(native_id=spec.vm_id))
    assert done(side_door.duplicates()) == ["vm_reset"]


async def test_doing_again_what_was_undone_is_no_duplicate(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    spec = a_vm()
    work = a_clone(CloneKind.LINKED)
    for attempt in (1, 2):
        fence = Fence(job_id="job-1", attempt=attempt)
        await simulated.start_task(fence, f"t-{attempt}", work)
        await finished(simulated, f"t-{attempt}")
        await simulated.define_vm(fence, spec)
        for change in PowerChange:
            await simulated.change_power(fence, spec.vm_id, PowerChange.START)
            await simulated.change_power(fence, spec.vm_id, change)
            await simulated.read_vm(spec.vm_id)
        await simulated.change_power(fence, spec.vm_id, PowerChange.POWER_OFF)
        await simulated.undefine_vm(fence, spec.vm_id)
        await simulated.delete_file(fence, work.target)
    assert side_door.duplicates() == ()
    assert side_door.leftovers(()) == ()


async def test_an_unreachable_host_tells_nothing_and_heals(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    side_door.set_knobs(HOST, Knobs(unreachable=True))
    with pytest.raises(HostNotResponding):
        await simulated.read_vm("any")
    side_door.set_knobs(HOST, Knobs())
    assert await simulated.read_vm("any") is None


async def test_events_end_when_the_host_becomes_unreachable(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    stream = simulated.events()
    side_door.set_knobs(HOST, Knobs(unreachable=True))
    with pytest.raises(HostNotResponding):
        await anext(stream)


async def test_the_truth_outlives_the_process(simulated_process: SimulatedProcess, side_door: SideDoor) -> None:
    provider = connect(simulated_process.socket_path, HOST)
    spec = a_vm()
    await provider.define_vm(FENCE, spec)
    await provider.start_task(FENCE, "t-1", a_clone())
    simulated_process.kill()
    with pytest.raises(HostNotResponding):
        await provider.read_vm(spec.vm_id)
    simulated_process.start()
    assert await provider.read_vm(spec.vm_id) is not None
    assert await finished(provider, "t-1") is TaskState.DONE
    await provider.close()


async def test_drift_is_seen_and_told_apart(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    spec = a_vm("foreign")
    side_door.vm_appears(HOST, spec, VmState.RUNNING)
    side_door.vm_changes(HOST, spec.vm_id, OutsideChange(name="renamed", memory_mib=2048))
    found = await simulated.read_vm(spec.vm_id)
    assert found is not None
    assert (found.name, found.memory_mib, found.state) == ("renamed", 2048, VmState.RUNNING)
    assert side_door.leftovers(()) == ()
    side_door.vm_vanishes(HOST, spec.vm_id)
    assert (await simulated.read_vms()).vms == ()


async def test_an_incomplete_read_says_so(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    for name in ("a", "b"):
        side_door.vm_appears(HOST, a_vm(name), VmState.POWER_OFF)
    side_door.set_knobs(HOST, Knobs(incomplete_reads=True))
    read = await simulated.read_vms()
    assert (len(read.vms), read.complete, len(read.problems)) == (1, False, 1)
    assert not (await simulated.read_load()).vms_complete


async def test_a_guest_takes_its_name_from_its_seed_after_some_reads(
    simulated: SimulatedProvider, side_door: SideDoor
) -> None:
    side_door.set_knobs(HOST, Knobs(guest_silent_reads=1))
    path = "/var/lib/vms/seed.iso"
    await simulated.write_seed(FENCE, path, SEED)
    base = a_vm()
    spec = VmSpec(
        vm_id=base.vm_id, name=base.name, cpu_count=1, memory_mib=256, disks=base.disks, nics=base.nics, seed_path=path
    )
    await simulated.define_vm(FENCE, spec)
    await simulated.change_power(FENCE, spec.vm_id, PowerChange.START)
    assert await simulated.read_guest(spec.vm_id) is None
    guest = await simulated.read_guest(spec.vm_id)
    assert guest is not None
    assert guest.host_name == "web-01"
    assert len(guest.addresses) == 1


async def test_a_guest_can_ignore_a_shut_down(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    spec = a_vm()
    side_door.vm_appears(HOST, spec, VmState.RUNNING)
    side_door.set_knobs(HOST, Knobs(shut_down_ignored=True))
    await simulated.change_power(FENCE, spec.vm_id, PowerChange.SHUT_DOWN)
    found = await simulated.read_vm(spec.vm_id)
    assert found is not None
    assert found.state is VmState.RUNNING


async def test_a_vm_whose_base_was_deleted_does_not_start(simulated: SimulatedProvider) -> None:
    work = a_clone(CloneKind.LINKED)
    await simulated.start_task(FENCE, "t-1", work)
    assert await finished(simulated, "t-1") is TaskState.DONE
    spec = a_vm(disk=work.target)
    await simulated.define_vm(FENCE, spec)
    await simulated.delete_file(FENCE, BASE)
    with pytest.raises(NotThere, match=r"base\.qcow2"):
        await simulated.change_power(FENCE, spec.vm_id, PowerChange.START)


async def test_latency_delays_without_changing_the_answer(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    side_door.set_knobs(HOST, Knobs(latency_seconds=0.01))
    assert await simulated.read_vm("any") is None


async def test_counters_grow_with_the_clock_and_never_fall(simulated: SimulatedProvider, side_door: SideDoor) -> None:
    spec = a_vm()
    side_door.vm_appears(HOST, spec, VmState.RUNNING)
    loads = []
    for _ in range(12):
        side_door.advance_clock(2 * 3600)
        loads.append(await simulated.read_load())
    assert loads[-1] == await simulated.read_load()
    for earlier, later in itertools.pairwise(loads):
        assert later.cpu_busy_ns > earlier.cpu_busy_ns
        assert later.vms[0].cpu_time_ns > earlier.vms[0].cpu_time_ns
        assert later.disk_requests >= earlier.disk_requests
        assert later.cpu_busy_ns <= later.cpu_total_ns
    await simulated.change_power(FENCE, spec.vm_id, PowerChange.POWER_OFF)
    stopped = await simulated.read_load()
    assert stopped.cpu_busy_ns == loads[-1].cpu_busy_ns
    assert stopped.vms[0].cpu_time_ns == 0


async def test_a_fleet_is_the_same_for_the_same_seed(side_door: SideDoor, simulated_process: SimulatedProcess) -> None:
    reads = []
    for _ in range(2):
        side_door.reset()
        side_door.populate(7, 10, 250)
        provider = connect(simulated_process.socket_path, "sim-00003")
        reads.append((await provider.read_vms(), await provider.read_host()))
        await provider.close()
    assert reads[0] == reads[1]
    assert len(side_door.hosts()) == 10
    assert reads[0][0].complete
    assert len(reads[0][0].vms) > 5
