"""Remove a host."""

from msgspec import Struct
from sqlalchemy import Connection, select

from hostler.jobs.operation import Acceptance, Change, Operation, Params, Prepared, Subject
from hostler.jobs.step import RecordStep, Result, StepContext
from hostler.store.database import AnyRow
from hostler.store.queries.observations import bring_back_host, bury_host
from hostler.store.tables import vm


class RemoveHostParams(Params):
    """Nothing but the host itself."""


class RemoveHostPlan(Struct, frozen=True, kw_only=True):
    """The host, and its VMs that go from the list with it."""

    host_id: str
    vm_ids: tuple[str, ...]


At = StepContext[RemoveHostPlan]


def remove(connection: Connection, at: At, result: Result) -> None:
    bury_host(connection, at.plan.host_id, at.plan.vm_ids, at.now())


def bring_back(connection: Connection, at: At) -> None:
    bring_back_host(connection, at.plan.host_id, at.plan.vm_ids, at.now())


class RemoveHost(Operation[RemoveHostParams, RemoveHostPlan]):
    """Take a host out of management. Its VMs go on running there and go from the list; nothing is deleted on it."""

    privilege = "ManageHosts"
    cmdlet = "Remove-SCVMHost"
    Params = RemoveHostParams
    Plan = RemoveHostPlan
    steps = (RecordStep(name="record", title="Take it out of the list", record=remove, unrecord=bring_back),)

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: RemoveHostParams) -> Prepared[RemoveHostPlan]:
        if subject is None:
            raise TypeError("a host is removed by its id")
        vm_ids = at.connection.execute(
            select(vm.c.id).where(vm.c.host_id == subject.id, vm.c.deleted_at.is_(None)).order_by(vm.c.id)
        ).scalars()
        return Prepared(
            plan=RemoveHostPlan(host_id=subject.id, vm_ids=tuple(vm_ids)),
            subject=Subject(kind="host", id=subject.id, name=subject.name),
            title=f"Remove host {subject.name}",
            exclusive=[f"host/{subject.id}"],
            changes=[Change(object=f"host/{subject.id}", property="managed", old=True, new=False)],
        )
