"""Create a virtual machine from a template."""

import secrets
import string
from typing import Annotated, Any

import msgspec
from pydantic import Field
from sqlalchemy import Connection, select

from hostler.domain.fabric.facts import HostFacts
from hostler.domain.library.cloud_config import user_data
from hostler.domain.library.computer_names import expand
from hostler.domain.library.profiles import GuestOs, Hardware
from hostler.domain.machines.facts import GuestFacts
from hostler.domain.machines.spec import CloneKind, CloudInitSeed, Disk, DiskFormat, Nic, VmSpec
from hostler.domain.machines.states import VmState
from hostler.domain.placement.model import Rating
from hostler.domain.references import RefersTo
from hostler.jobs.errors import InvalidError
from hostler.jobs.operation import Acceptance, Change, Params, Prepared, Subject
from hostler.jobs.step import LongStep, Progress, Result, Step, StepContext
from hostler.operations.naming import Name, name_lock
from hostler.operations.on_vm import VmOperation, VmPlan, change_power, host_of, in_state, record_vm
from hostler.operations.placing import Placed, choose_host, needs_from
from hostler.operations.tasks import follow_task, start_task, stop_task
from hostler.providers.contract import CloneDisk, PowerChange
from hostler.providers.errors import Refused
from hostler.store.database import AnyRow
from hostler.store.queries.observations import bury_vm, observe_guest, plan_vm
from hostler.store.tables import library_object, vm


class CreateVmParams(Params):
    name: Name
    template: Annotated[str, RefersTo("template")]
    host: Annotated[str | None, RefersTo("host")] = None
    description: Annotated[str, Field(max_length=4096)] = ""
    cpu_count: Annotated[int | None, Field(ge=1, le=512)] = None
    memory_mib: Annotated[int | None, Field(ge=32, le=16 * 1024 * 1024)] = None
    clone: CloneKind = CloneKind.LINKED
    start: bool = True
    wait_for_guest: bool = False
    guest_timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600


class CreateVmPlan(VmPlan, frozen=True, kw_only=True):
    """Every choice is made: which host, which files, which ids, which addresses."""

    spec: VmSpec
    seed: CloudInitSeed
    source_path: str
    source_format: DiskFormat
    clone: CloneKind
    start: bool
    wait_for_guest: bool
    guest_timeout_seconds: int
    rating: Rating
    row: dict[str, Any]


At = StepContext[CreateVmPlan]


def clone_of(plan: CreateVmPlan) -> CloneDisk:
    return CloneDisk(
        source=plan.source_path, source_format=plan.source_format, target=plan.spec.disks[0].path, kind=plan.clone
    )


async def file_is_there(at: At, path: str) -> Result | None:
    facts = await (await host_of(at)).read_file(path)
    return None if facts is None else {"path": facts.path, "size_bytes": facts.size_bytes}


async def disk_is_there(at: At) -> Result | None:
    return await file_is_there(at, at.plan.spec.disks[0].path)


async def delete_disk(at: At) -> None:
    await (await host_of(at)).delete_file(at.fence, at.plan.spec.disks[0].path)


def seed_path(plan: CreateVmPlan) -> str:
    return plan.spec.seed_path or ""


async def seed_is_there(at: At) -> Result | None:
    return await file_is_there(at, seed_path(at.plan))


async def write_seed(at: At) -> Result:
    await (await host_of(at)).write_seed(at.fence, seed_path(at.plan), at.plan.seed)
    return {"path": seed_path(at.plan)}


async def delete_seed(at: At) -> None:
    await (await host_of(at)).delete_file(at.fence, seed_path(at.plan))


async def is_defined(at: At) -> Result | None:
    return await in_state(at)


async def define(at: At) -> Result:
    await (await host_of(at)).define_vm(at.fence, at.plan.spec)
    return await is_defined(at) or {}


async def undefine(at: At) -> None:
    provider = await host_of(at)
    facts = await provider.read_vm(at.plan.native_id)
    if facts is None:
        return
    if facts.state is not VmState.POWER_OFF:
        await provider.change_power(at.fence, at.plan.native_id, PowerChange.POWER_OFF)
    await provider.undefine_vm(at.fence, at.plan.native_id)


async def is_running(at: At) -> Result | None:
    return await in_state(at, VmState.RUNNING)


async def start(at: At) -> Result:
    return await change_power(at, PowerChange.START)


async def guest_answers(at: At) -> Result | None:
    """The guest's own word: it has the computer name we gave it, and an address."""
    begun = at.now()
    guest = await (await host_of(at)).read_guest(at.plan.native_id)
    if guest is None or guest.host_name != at.plan.seed.host_name or not guest.addresses:
        return None
    return {"guest": msgspec.to_builtins(guest), "read_at": begun}


async def begin_waiting(at: At) -> str:
    """The handle is the moment, in microseconds, until which the guest has time."""
    return str(at.now() + at.plan.guest_timeout_seconds * 1_000_000)


async def wait_for_guest(at: At, handle: str) -> Progress | Result:
    answer = await guest_answers(at)
    if answer is not None:
        return answer
    if at.now() > int(handle):
        raise Refused(
            f"The guest of {at.plan.name!r} did not answer as {at.plan.seed.host_name} "
            f"within {at.plan.guest_timeout_seconds} s.",
            "Look at its console; restart this job to wait again, or dismiss it and keep the VM.",
        )
    return Progress(0)


def record_guest(connection: Connection, at: At, result: Result) -> None:
    observe_guest(connection, at.plan.vm_id, msgspec.convert(result["guest"], GuestFacts), result["read_at"])


class CreateVm(VmOperation[CreateVmParams, CreateVmPlan]):
    """Create a virtual machine from a template, on a host that you name or that Intelligent Placement chooses."""

    privilege = "Create"
    cmdlet = "New-SCVirtualMachine"
    makes_new = True
    working_state = VmState.UNDER_CREATION
    failed_state = VmState.CREATION_FAILED
    Params = CreateVmParams
    Plan = CreateVmPlan
    steps = (
        LongStep(
            name="disk",
            title="Clone the template's disk",
            look=disk_is_there,
            start=start_task("disk", clone_of),
            follow=follow_task(disk_is_there),
            stop=stop_task("disk"),
            undo=delete_disk,
            leaves=lambda plan: f"disk {plan.spec.disks[0].path}",
        ),
        Step(
            name="seed",
            title="Write what the guest reads at its first boot",
            look=seed_is_there,
            do=write_seed,
            undo=delete_seed,
            leaves=lambda plan: f"file {seed_path(plan)}",
        ),
        Step(
            name="define",
            title="Define the virtual machine",
            look=is_defined,
            do=define,
            undo=undefine,
            record=record_vm,
            leaves=lambda plan: f"virtual machine {plan.native_id} on host {plan.host_id}",
        ),
        Step(
            name="start",
            title="Start it",
            look=is_running,
            do=start,
            record=record_vm,
            why_no_undo="undefining the virtual machine powers it off first",
            when=lambda plan: plan.start,
        ),
        LongStep(
            name="answer",
            title="Wait until its guest answers",
            look=guest_answers,
            start=begin_waiting,
            follow=wait_for_guest,
            record=record_guest,
            why_no_undo="waiting changes nothing",
            when=lambda plan: plan.start and plan.wait_for_guest,
        ),
    )

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: CreateVmParams) -> Prepared[CreateVmPlan]:
        template = at.find("template", params.template)
        hardware = _hardware(template, params)
        disk = at.connection.execute(select(library_object).where(library_object.c.id == template.disk_id)).one()
        placed = choose_host(at, params.host, needs_from(hardware, disk, params.clone))
        _refuse_unfit_name(placed, params.name)
        _refuse_taken_on(at, placed.host.id, params.name)
        vm_id = at.new_id()
        plan = _plan(at, params, placed, template, hardware, disk, vm_id)
        return Prepared(
            plan=plan,
            subject=Subject(kind="vm", id=vm_id, name=params.name),
            title=f"Create virtual machine {params.name}",
            exclusive=[f"vm/{vm_id}", name_lock(f"vm-on-{placed.host.id}", params.name)],
            shared=[f"host/{placed.host.id}", f"template/{template.id}", f"library-object/{disk.id}"],
            limit_key=f"host/{placed.host.id}",
            changes=[Change(object=f"vm/{vm_id}", property="exists", old=False, new=True)],
        )

    def accepted(self, connection: Connection, plan: CreateVmPlan, job_id: str, now: int) -> None:
        macs = [nic.mac for nic in plan.spec.nics]
        plan_vm(connection, plan.row, plan.host_id, plan.native_id, macs, now)

    def released(self, connection: Connection, plan: CreateVmPlan, *, undone: bool, now: int) -> None:
        if undone:
            bury_vm(connection, plan.vm_id, now)
        else:
            super().released(connection, plan, undone=undone, now=now)


def _hardware(template: AnyRow, params: CreateVmParams) -> Hardware:
    hardware = msgspec.convert(template.hardware, Hardware)
    return msgspec.structs.replace(
        hardware,
        cpu_count=params.cpu_count or hardware.cpu_count,
        memory_mib=params.memory_mib or hardware.memory_mib,
    )


def _refuse_unfit_name(placed: Placed, name: str) -> None:
    facts = msgspec.convert(placed.host.facts, HostFacts)
    reason = facts.vm_names.why_not(name)
    if reason is not None:
        raise InvalidError(f"The host {placed.host.name} cannot take the name {name!r}: {reason}.", "Choose another.")


def _refuse_taken_on(at: Acceptance, host_id: str, name: str) -> None:
    taken = at.connection.execute(
        select(vm.c.id).where(vm.c.host_id == host_id, vm.c.name == name, vm.c.deleted_at.is_(None))
    ).scalar()
    if taken is not None:
        raise InvalidError(f"The host already has a virtual machine called {name!r} ({taken}).", "Choose another name.")


def _plan(
    at: Acceptance,
    params: CreateVmParams,
    placed: Placed,
    template: AnyRow,
    hardware: Hardware,
    disk: AnyRow,
    vm_id: str,
) -> CreateVmPlan:
    guest = msgspec.convert(template.guest, GuestOs)
    host_name = _computer_name(at, guest, params.name)
    folder = f"{placed.host.vm_path}/{vm_id}"
    spec = VmSpec(
        vm_id=vm_id,
        name=params.name,
        cpu_count=hardware.cpu_count,
        memory_mib=hardware.memory_mib,
        firmware=hardware.firmware,
        disks=(Disk(path=f"{folder}/disk0.qcow2", format=DiskFormat.QCOW2),),
        nics=tuple(Nic(mac=at.new_mac(), network=network) for network in hardware.networks),
        seed_path=f"{folder}/seed.iso",
    )
    row = {
        "id": vm_id,
        "name": params.name,
        "description": params.description,
        "host_id": placed.host.id,
        "state": VmState.UNDER_CREATION,
        "job_state": VmState.UNDER_CREATION,
        "cpu_count": hardware.cpu_count,
        "memory_mib": hardware.memory_mib,
        "owner": at.caller.user_name,
        "adopted": False,
        "template_id": template.id,
        "folder": folder,
        "computer_name": host_name,
    }
    return CreateVmPlan(
        vm_id=vm_id,
        name=params.name,
        host_id=placed.host.id,
        native_id=vm_id,
        spec=spec,
        seed=CloudInitSeed(instance_id=vm_id, host_name=host_name, user_data=user_data(guest, host_name)),
        source_path=disk.path,
        source_format=DiskFormat(disk.format),
        clone=params.clone,
        start=params.start,
        wait_for_guest=params.wait_for_guest,
        guest_timeout_seconds=params.guest_timeout_seconds,
        rating=placed.rating,
        row=row,
    )


def _computer_name(at: Acceptance, guest: GuestOs, vm_name: str) -> str:
    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))
    taken = at.connection.execute(select(vm.c.computer_name).where(vm.c.deleted_at.is_(None))).scalars()
    try:
        return expand(guest.computer_name, vm_name, [name for name in taken if name], letters)
    except ValueError as unfit:
        raise InvalidError(f"No computer name can be made: {unfit}.") from unfit
