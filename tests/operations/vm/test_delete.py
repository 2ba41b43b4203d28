"""Delete a VM with its files."""

import uuid
from typing import Any

import msgspec
import pytest
from sqlalchemy import update
from tests.every.stage import HOST, VM_PATH, Case, Stage

from hostler.domain.machines.spec import Disk, DiskFormat, VmSpec
from hostler.domain.machines.states import VmState
from hostler.jobs.errors import ConflictError
from hostler.jobs.states import JobState
from hostler.providers.simulated.connect import connect
from hostler.providers.simulated.knobs import GIB, Knobs
from hostler.store.tables import library_object


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    return await stage.machine(start=False), {}


CASE = Case(arrange)


async def observed(stage: Stage, name: str) -> str:
    """The id of the VM of this name, after a refresh of its host."""
    await stage.run("host.refresh", HOST, {})
    return next(str(row.id) for row in await stage.vms() if row.name == name and row.deleted_at is None)


def foreign(path: str) -> VmSpec:
    return VmSpec(
        vm_id=str(uuid.uuid4()),
        name="foreign",
        cpu_count=1,
        memory_mib=64,
        disks=(Disk(path=path, format=DiskFormat.QCOW2),),
    )


async def test_a_disk_outside_the_vm_path_is_refused_before_anything_is_changed(stage: Stage) -> None:
    await stage.host()
    stage.door.vm_appears(HOST, foreign("/srv/elsewhere/disk.qcow2"), VmState.POWER_OFF)
    vm_id = await observed(stage, "foreign")
    with pytest.raises(ConflictError, match=r"not below the VM path .* nothing was changed"):
        await stage.accept("vm.delete", vm_id, {})
    assert [facts.name for facts in await stage.simulated_vms()] == ["foreign"]


async def test_a_missing_vm_is_taken_off_the_list_and_its_foreign_disk_is_left(stage: Stage) -> None:
    await stage.host()
    spec, path = foreign(f"{VM_PATH}/foreign/disk.qcow2"), f"{VM_PATH}/foreign/disk.qcow2"
    stage.door.add_file(HOST, path, GIB, GIB, DiskFormat.QCOW2)
    stage.door.vm_appears(HOST, spec, VmState.POWER_OFF)
    vm_id = await observed(stage, "foreign")
    stage.door.vm_vanishes(HOST, spec.vm_id)
    assert await observed(stage, "foreign") == vm_id
    await stage.run("vm.delete", vm_id, {})
    assert [row for row in await stage.vms() if row.deleted_at is None] == []
    provider = connect(stage.socket, HOST)
    assert await provider.read_file(path) is not None
    await provider.close()


async def test_a_vm_that_a_job_works_on_is_refused_with_that_job(stage: Stage) -> None:
    vm_id = await stage.machine()
    stage.door.set_knobs(HOST, Knobs(shut_down_ignored=True))
    stopping = await stage.accept("vm.shut-down", vm_id, {})
    for operation in ("vm.delete", "vm.start"):
        with pytest.raises(ConflictError) as refused:
            await stage.accept(operation, vm_id, {})
        assert refused.value.detail["job"] == stopping


async def test_a_disk_that_the_library_has_is_not_deleted(stage: Stage) -> None:
    await stage.host()
    path = f"{VM_PATH}/foreign/disk.qcow2"
    disk = await stage.disk()
    await stage.database.write(
        lambda c: c.execute(update(library_object).where(library_object.c.id == disk).values(path=path))
    )
    stage.door.add_file(HOST, path, GIB, GIB, DiskFormat.QCOW2)
    stage.door.vm_appears(HOST, foreign(path), VmState.POWER_OFF)
    vm_id = await observed(stage, "foreign")
    with pytest.raises(ConflictError, match="is the library object"):
        await stage.accept("vm.delete", vm_id, {})


async def test_a_disk_that_was_detached_since_is_left(stage: Stage) -> None:
    await stage.host()
    old, new = f"{VM_PATH}/foreign/old.qcow2", f"{VM_PATH}/foreign/new.qcow2"
    for path in (old, new):
        stage.door.add_file(HOST, path, GIB, GIB, DiskFormat.QCOW2)
    spec = foreign(old)
    stage.door.vm_appears(HOST, spec, VmState.POWER_OFF)
    vm_id = await observed(stage, "foreign")
    stage.door.vm_vanishes(HOST, spec.vm_id)
    changed = msgspec.structs.replace(spec, disks=(Disk(path=new, format=DiskFormat.QCOW2),))
    stage.door.vm_appears(HOST, changed, VmState.POWER_OFF)
    row = await stage.ended(await stage.accept("vm.delete", vm_id, {}))
    assert row.state == JobState.FAILED
    assert old in row.error["message"]
    assert [facts.name for facts in await stage.simulated_vms()] == ["foreign"]
    provider = connect(stage.socket, HOST)
    assert await provider.read_file(old) is not None
    await provider.close()
