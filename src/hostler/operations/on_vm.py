"""What every operation on a VM shares: its plan's core, its locks, and how the VM shows that a job has it."""

from typing import ClassVar, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from hostler.domain.machines.facts import VmFacts
from hostler.domain.machines.states import BECOMES, VmAction, VmState, why_not
from hostler.jobs import locks
from hostler.jobs.errors import ConflictError
from hostler.jobs.operation import Acceptance, Change, Operation, Params, ParamsT, Prepared, Subject
from hostler.jobs.step import Result, StepContext
from hostler.providers.contract import PowerChange, Provider
from hostler.store.database import AnyRow
from hostler.store.queries.observations import mark_vm, observe_vm
from hostler.store.tables import presence


class VmPlan(Struct, frozen=True, kw_only=True):
    """Which VM, where it is, and its identity there."""

    vm_id: str
    name: str
    host_id: str
    native_id: str


VmPlanT = TypeVar("VmPlanT", bound=VmPlan)


class NoParams(Params):
    """Nothing but the VM itself."""


def locate(at: Acceptance, subject: AnyRow) -> VmPlan:
    """Where the VM is. Two places at once are a conflict that a person must resolve first."""
    places = at.connection.execute(select(presence).where(presence.c.vm_id == subject.id)).all()
    if len(places) != 1:
        where = ", ".join(place.host_id for place in places) or "no host"
        raise ConflictError(
            f"The VM {subject.name!r} is seen on {where}: nothing is done to it until that is resolved.",
            "Remove the copy that should not be, then refresh its host.",
        )
    return VmPlan(vm_id=subject.id, name=subject.name, host_id=places[0].host_id, native_id=places[0].native_id)


def refuse_unless_allowed(at: Acceptance, action: VmAction, subject: AnyRow) -> None:
    """ConflictError when the VM's state does not allow the action; it names the job that the state comes from."""
    refusal = why_not(action, VmState(subject.state))
    if refusal is not None:
        locks.check(at.connection, "", exclusive=[f"vm/{subject.id}"], shared=())
        raise ConflictError(f"The VM {subject.name!r} cannot do {action.value}: {refusal}.", state=subject.state)


class VmOperation(Operation[ParamsT, VmPlanT], abstract=True):
    """An operation on one VM. While its job works, and after it failed, the VM shows that."""

    working_state: ClassVar[VmState] = VmState.UNDER_UPDATE
    failed_state: ClassVar[VmState] = VmState.UPDATE_FAILED

    def accepted(self, connection: Connection, plan: VmPlanT, job_id: str, now: int) -> None:
        mark_vm(connection, plan.vm_id, self.working_state, now)

    def resumed(self, connection: Connection, plan: VmPlanT, now: int) -> None:
        mark_vm(connection, plan.vm_id, self.working_state, now)

    def completed(self, connection: Connection, plan: VmPlanT, results: object, now: int) -> None:
        mark_vm(connection, plan.vm_id, None, now)

    def failed(self, connection: Connection, plan: VmPlanT, now: int) -> None:
        mark_vm(connection, plan.vm_id, self.failed_state, now)

    def released(self, connection: Connection, plan: VmPlanT, *, undone: bool, now: int) -> None:
        mark_vm(connection, plan.vm_id, None, now)

    def unreadable(self, connection: Connection, subject_id: str, now: int, *, dismissed: bool) -> None:
        mark_vm(connection, subject_id, None if dismissed else self.failed_state, now)


class PowerOperation(VmOperation[ParamsT, VmPlanT], abstract=True):
    """Changes the power state of a VM and nothing else."""

    action: ClassVar[VmAction]
    title: ClassVar[str]

    def plan(self, located: VmPlan, params: ParamsT) -> VmPlanT:
        """The plan, from where the VM is and what was asked."""
        raise TypeError(f"{self.name()} does not say how it is planned")

    def _change(self, subject: AnyRow) -> Change:
        state = BECOMES.get(self.action)
        if state is None:
            return Change(object=f"vm/{subject.id}", property=self.action.value, old=False, new=True)
        return Change(object=f"vm/{subject.id}", property="state", old=subject.state, new=state.value)

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: ParamsT) -> Prepared[VmPlanT]:
        if subject is None:
            raise TypeError("a VM's power is changed by its id")
        refuse_unless_allowed(at, self.action, subject)
        located = locate(at, subject)
        return Prepared(
            plan=self.plan(located, params),
            subject=Subject(kind="vm", id=located.vm_id, name=located.name),
            title=f"{self.title} {located.name}",
            exclusive=[f"vm/{located.vm_id}"],
            shared=[f"host/{located.host_id}"],
            limit_key=f"host/{located.host_id}",
            changes=[self._change(subject)],
        )


class SimplePowerOperation(PowerOperation[NoParams, VmPlan], abstract=True):
    """A power operation that needs to know nothing but the VM."""

    Params = NoParams
    Plan = VmPlan

    def plan(self, located: VmPlan, params: NoParams) -> VmPlan:
        return located


async def host_of(at: StepContext[VmPlanT]) -> Provider:
    return await at.services.provider(at.plan.host_id)


async def in_state(at: StepContext[VmPlanT], *states: VmState) -> Result | None:
    """The VM's facts as a step's result when it is in one of the states (none given: any); None when it is not."""
    begun = at.now()
    facts = await (await host_of(at)).read_vm(at.plan.native_id)
    if facts is None or (states and facts.state not in states):
        return None
    return {"vm": msgspec.to_builtins(facts), "read_at": begun}


async def change_power(at: StepContext[VmPlanT], change: PowerChange) -> Result:
    """Ask for the change and read the VM again: the result is what the hypervisor says, not what we hope.

    A guest that stopped again at once is recorded as stopped: the change was made, and what came of it is a fact.
    """
    provider = await host_of(at)
    await provider.change_power(at.fence, at.plan.native_id, change)
    return await in_state(at) or {}


def record_vm(connection: Connection, at: StepContext[VmPlanT], result: Result) -> None:
    """Keep what the step saw of the VM, at once: nobody waits for the next refresh."""
    if "vm" in result:
        observe_vm(connection, at.plan.vm_id, msgspec.convert(result["vm"], VmFacts), result["read_at"])
