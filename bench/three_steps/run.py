"""The operation that is measured: three steps without effect, on a VM of its own, sharing a host with a limit."""

from collections.abc import Callable
from typing import Annotated

from msgspec import Struct
from pydantic import Field

from hostler.jobs.operation import Acceptance, Operation, Params, Prepared, Subject
from hostler.jobs.step import Result, Step, StepContext
from hostler.store.database import AnyRow


class RunThreeStepsParams(Params):
    host: Annotated[int, Field(ge=0)] = 0


class RunThreeStepsPlan(Struct, frozen=True, kw_only=True):
    """What acceptance fixed: the object of the job, and the host it counts against."""

    vm_id: str
    host: int


Trace = Callable[[int, str], None]
"""Told the host and `first` or `last`, as the first step of a job begins and as its last one ends."""

_traces: list[Trace] = []


def follow(trace: Trace) -> None:
    """Tell `trace` of each job's first and last step from now on."""
    _traces.append(trace)


async def _not_there(at: StepContext[RunThreeStepsPlan]) -> Result | None:
    return None


async def _first(at: StepContext[RunThreeStepsPlan]) -> Result:
    for trace in _traces:
        trace(at.plan.host, "first")
    return {"ok": at.plan.vm_id}


async def _middle(at: StepContext[RunThreeStepsPlan]) -> Result:
    return {"ok": at.plan.vm_id}


async def _last(at: StepContext[RunThreeStepsPlan]) -> Result:
    for trace in _traces:
        trace(at.plan.host, "last")
    return {"ok": at.plan.vm_id}


_WHY = "It has no effect."


class RunThreeSteps(Operation[RunThreeStepsParams, RunThreeStepsPlan]):
    """Do nothing, in three steps."""

    privilege = "Start"
    cmdlet = ""
    makes_new = True
    Params = RunThreeStepsParams
    Plan = RunThreeStepsPlan
    steps = (
        Step(name="first", title="Do nothing", look=_not_there, do=_first, why_no_undo=_WHY),
        Step(name="middle", title="Do nothing more", look=_not_there, do=_middle, why_no_undo=_WHY),
        Step(name="last", title="Do nothing at last", look=_not_there, do=_last, why_no_undo=_WHY),
    )

    def prepare(
        self, at: Acceptance, subject: AnyRow | None, params: RunThreeStepsParams
    ) -> Prepared[RunThreeStepsPlan]:
        vm_id = at.new_id()
        return Prepared(
            plan=RunThreeStepsPlan(vm_id=vm_id, host=params.host),
            subject=Subject(kind="vm", id=vm_id, name=f"bench-{vm_id}"),
            title=f"Do nothing to bench-{vm_id}",
            exclusive=[f"vm/{vm_id}"],
            shared=[f"host/{params.host}"],
            limit_key=f"host/{params.host}",
        )
