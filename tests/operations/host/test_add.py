"""Add a host."""

from typing import Any

import pytest
from tests.every.stage import CALLER, HOST, VM_PATH, Case, Stage

from hostler.jobs.acceptance import Request
from hostler.jobs.errors import ConflictError, InvalidError


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    arguments = {"name": "kvm-01", "provider": "simulated", "address": f"{stage.socket}#{HOST}", "vm_path": VM_PATH}
    return None, arguments


CASE = Case(arrange)


@pytest.mark.parametrize(
    "address",
    [
        "qemu+ext:///system?command=/tmp/anything",
        "qemu+ssh://root@elsewhere/system?command=/tmp/anything",
        "test+ext:///default?command=/tmp/anything",
        "qemu:///system?socket=/tmp/x",
        "qemu+unix:///system?socket=/tmp/x&command=/tmp/anything",
        "qemu+unix:///system?socket=/tmp/x%26command=/tmp/anything",
        "qemu+unix:///system?command=/tmp/anything&socket=/tmp/x",
        "QEMU:///system",
        "qemu:///system\n",
    ],
)
async def test_an_address_that_could_run_a_program_is_refused(stage: Stage, address: str) -> None:
    with pytest.raises(InvalidError, match="not one of libvirt on this machine") as refusal:
        await stage.accept("host.add", None, {"name": "kvm-01", "address": address, "vm_path": VM_PATH})
    assert "qemu:///system" in refusal.value.remedy


@pytest.mark.parametrize("path", ["/.", "/..", "/vms/../etc", "//vms", "/vms/./a", "/vms//a"])
async def test_a_vm_path_that_is_not_plain_is_refused(stage: Stage, path: str) -> None:
    with pytest.raises(InvalidError):
        await stage.accept("host.add", None, {"name": "kvm-01", "vm_path": path})


async def test_one_hypervisor_is_not_added_twice(stage: Stage) -> None:
    host_id = await stage.host()
    arguments = {"provider": "simulated", "address": f"{stage.socket}#{HOST}", "vm_path": VM_PATH}
    with pytest.raises(ConflictError, match=host_id):
        await stage.accept("host.add", None, {"name": "again"} | arguments)
    await stage.run("host.remove", host_id, {})
    await stage.run("host.add", None, {"name": "again"} | arguments)


async def test_libvirt_on_a_socket_of_its_own_is_this_machine(stage: Stage) -> None:
    address = "qemu+unix:///system?socket=/var/tmp/hostler-kvm-x_1/run/libvirt/libvirt-sock"
    arguments = {"name": "real", "address": address, "vm_path": VM_PATH}
    asked = Request(job_id="x", operation="host.add", subject=None, arguments=arguments, caller=CALLER)
    assert (await stage.engine.dry_run(asked)).title == "Add host real"
