"""Create several virtual machines at once from a template."""

from typing import Annotated

from msgspec import Struct
from pydantic import Field
from sqlalchemy import select

from hostler.domain.machines.names import numbered
from hostler.jobs.errors import InvalidError
from hostler.jobs.operation import Acceptance, ChildCall, Operation, Prepared, Subject
from hostler.jobs.step import ChildrenStep
from hostler.operations.vm.create import CreateVm, CreateVmParams
from hostler.store.database import AnyRow
from hostler.store.tables import vm


class CreateManyVmsParams(CreateVmParams):
    """`name` is a pattern: a run of `#` becomes a number of that width; without one, a number is added."""

    count: Annotated[int, Field(ge=1, le=100)]


class CreateManyVmsPlan(Struct, frozen=True, kw_only=True):
    """The names; each machine's own plan is that of its job."""

    names: tuple[str, ...]


class CreateManyVms(Operation[CreateManyVmsParams, CreateManyVmsPlan]):
    """Create several virtual machines from a template, named by a pattern as web-##: one job, with one job for each.

    Intelligent Placement chooses for each what suits it beside the others. Restart runs only those that failed again;
    undo takes all of them back.
    """

    privilege = "Create"
    cmdlet = "New-SCVirtualMachine"
    makes_new = True
    why_no_changes = "each of its jobs names its own"
    Params = CreateManyVmsParams
    Plan = CreateManyVmsPlan
    steps = (ChildrenStep(name="create", title="Create each virtual machine"),)

    def prepare(
        self, at: Acceptance, subject: AnyRow | None, params: CreateManyVmsParams
    ) -> Prepared[CreateManyVmsPlan]:
        template = at.find("template", params.template)
        taken = at.connection.execute(select(vm.c.name).where(vm.c.deleted_at.is_(None))).scalars()
        try:
            names = numbered(params.name, params.count, set(taken))
        except ValueError as unfit:
            raise InvalidError(f"The machines cannot be named: {unfit}.", "Use more # in the pattern.") from unfit
        common = params.model_dump(mode="json", exclude_unset=True, exclude={"name", "count"})
        return Prepared(
            plan=CreateManyVmsPlan(names=tuple(names)),
            subject=Subject(kind="template", id=template.id, name=template.name),
            title=f"Create {params.count} virtual machines {names[0]} to {names[-1]}",
            shared=[f"template/{template.id}"],
            children=[
                ChildCall(
                    job_id=at.new_id(), operation=CreateVm.name(), subject=None, arguments={**common, "name": name}
                )
                for name in names
            ],
        )
