"""Delete a VM with its files."""

from pathlib import PurePosixPath

from sqlalchemy import Connection, select

from hostler.domain.machines.states import VmAction, VmState
from hostler.jobs.errors import ConflictError
from hostler.jobs.operation import Acceptance, Change, Prepared, Subject
from hostler.jobs.step import RecordStep, Result, Step, StepContext
from hostler.operations.on_vm import NoParams, VmOperation, VmPlan, host_of, locate, refuse_unless_allowed
from hostler.providers.errors import Refused
from hostler.store.database import AnyRow
from hostler.store.queries.observations import bury_vm
from hostler.store.tables import host, library_object, vm


class DeleteVmPlan(VmPlan, frozen=True, kw_only=True):
    """`files` are those that go: the VM's own disks and seed, never what they were cloned from."""

    files: tuple[str, ...]


At = StepContext[DeleteVmPlan]


async def is_undefined(at: At) -> Result | None:
    return {} if await (await host_of(at)).read_vm(at.plan.native_id) is None else None


async def undefine(at: At) -> Result:
    """Its disks are read again first: one that was detached since may be somebody else's by now."""
    provider = await host_of(at)
    facts = await provider.read_vm(at.plan.native_id)
    if facts is not None:
        has = {disk.path for disk in facts.disks}
        lost = [path for path in at.plan.files if path not in has and not _is_in_folder_of(path, at.plan.vm_id)]
        if lost:
            raise Refused(
                f"The VM {at.plan.name!r} has no longer the disk {lost[0]}, which was to be deleted with it; "
                "nothing was changed.",
                "Dismiss this job, refresh the VM's host, and delete the VM again.",
            )
    await provider.undefine_vm(at.fence, at.plan.native_id)
    return {}


async def nothing_tells(at: At) -> Result | None:
    """Absent files do not prove that their folder went too: deleting again does no harm and takes it along."""
    return None


async def delete_files(at: At) -> Result:
    provider = await host_of(at)
    for path in at.plan.files:
        await provider.delete_file(at.fence, path)
    return {}


def bury(connection: Connection, at: At, result: Result) -> None:
    bury_vm(connection, at.plan.vm_id, at.now())


class DeleteVm(VmOperation[NoParams, DeleteVmPlan]):
    """Delete a stopped VM and its files, or take a missing one off the list. Nothing brings them back."""

    privilege = "Remove"
    cmdlet = "Remove-SCVirtualMachine"
    working_state = VmState.DELETING
    failed_state = VmState.DELETION_FAILED
    Params = NoParams
    Plan = DeleteVmPlan
    steps = (
        Step(
            name="undefine",
            title="Remove it from its host",
            look=is_undefined,
            do=undefine,
            why_no_undo="its definition is gone; until its files are deleted it can be made again from them",
        ),
        Step(
            name="files",
            title="Delete its files",
            look=nothing_tells,
            do=delete_files,
            why_no_undo="a deleted file is gone",
        ),
        RecordStep(name="record", title="Remove it from the list", record=bury, why_no_undo="it is gone"),
    )

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: NoParams) -> Prepared[DeleteVmPlan]:
        if subject is None:
            raise TypeError("a VM is deleted by its id")
        refuse_unless_allowed(at, VmAction.DELETE, subject)
        located = locate(at, subject)
        files = _files(subject)
        _refuse_outside(at, subject, files)
        _refuse_shared(at, subject, files)
        return Prepared(
            plan=DeleteVmPlan(
                vm_id=located.vm_id,
                name=located.name,
                host_id=located.host_id,
                native_id=located.native_id,
                files=files,
            ),
            subject=Subject(kind="vm", id=located.vm_id, name=located.name),
            title=f"Delete virtual machine {located.name}",
            exclusive=[f"vm/{located.vm_id}"],
            shared=[f"host/{located.host_id}"],
            limit_key=f"host/{located.host_id}",
            changes=[Change(object=f"vm/{located.vm_id}", property="exists", old=True, new=False)],
        )

    def completed(self, connection: Connection, plan: DeleteVmPlan, results: object, now: int) -> None:
        """Nothing is left to unmark."""


def _files(subject: AnyRow) -> tuple[str, ...]:
    """Its disks as they were last seen, and the seed that we wrote.

    Of a missing VM only what we made: whoever removed it may have given its other disks to somebody else.
    """
    seen = () if subject.state == VmState.MISSING else (subject.facts or {}).get("disks", ())
    disks = [disk["path"] for disk in seen]
    ours = [f"{subject.folder}/disk0.qcow2", f"{subject.folder}/seed.iso"] if subject.folder else []
    return tuple(dict.fromkeys([*disks, *ours]))


def _is_in_folder_of(path: str, vm_id: str) -> bool:
    """Whether the file lies in a folder that we made for this VM and no other."""
    return PurePosixPath(path).parent.name == vm_id


def _refuse_outside(at: Acceptance, subject: AnyRow, files: tuple[str, ...]) -> None:
    """ConflictError when a file lies where we delete none: better said now than after the VM is undefined."""
    vm_path = at.connection.execute(select(host.c.vm_path).where(host.c.id == subject.host_id)).scalar_one()
    for path in files:
        if not PurePosixPath(path).is_relative_to(vm_path):
            raise ConflictError(
                f"The disk {path} of {subject.name!r} is not below the VM path {vm_path} of its host, "
                "so it cannot be deleted from here; nothing was changed.",
                "Remove the VM on its host with the tool that made it; delete it here once it is missing.",
            )


def _refuse_shared(at: Acceptance, subject: AnyRow, files: tuple[str, ...]) -> None:
    """ConflictError when another VM of the host, or the library, has one of the files."""
    kept = select(library_object.c.name, library_object.c.path).where(library_object.c.path.in_(files))
    for name, path in at.connection.execute(kept):
        raise ConflictError(
            f"The disk {path} of {subject.name!r} is the library object {name!r} too: it is not deleted.",
            "Delete the library object first, or give the VM a disk of its own.",
        )
    others = at.connection.execute(
        select(vm.c.name, vm.c.facts).where(
            vm.c.host_id == subject.host_id, vm.c.id != subject.id, vm.c.deleted_at.is_(None)
        )
    )
    for name, facts in others:
        for disk in (facts or {}).get("disks", ()):
            if disk["path"] in files:
                raise ConflictError(
                    f"The VM {name!r} uses the file {disk['path']} of {subject.name!r} too: it is not deleted.",
                    "Detach the disk from one of them first.",
                )
