"""Long steps that are a task on a host: started under a planned id, followed, stopped."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from hostler.jobs.step import Follow, Look, Lost, Progress, Result, Start, StepContext, Stop
from hostler.providers.contract import TaskState, TaskWork
from hostler.providers.errors import TaskFailed


class OnHost(Protocol):
    """A plan that names the host its tasks run on."""

    @property
    def host_id(self) -> str: ...


PlanT = TypeVar("PlanT", bound=OnHost)


def start_task(step: str, work: Callable[[PlanT], TaskWork]) -> Start[PlanT]:
    """Start the step's task; its id is the handle."""

    async def start(at: StepContext[PlanT]) -> str:
        provider = await at.services.provider(at.plan.host_id)
        return (await provider.start_task(at.fence, at.task_id(step), work(at.plan))).task_id

    return start


def follow_task(seen: Look[PlanT] | None = None) -> Follow[PlanT]:
    """Follow a task to its end, then look at its effect; its failure is the step's, with what would help."""

    async def follow(at: StepContext[PlanT], handle: str) -> Progress | Lost | Result:
        task = await (await at.services.provider(at.plan.host_id)).read_task(handle)
        if task is None:
            return Lost()
        if task.state is TaskState.RUNNING:
            return Progress(task.percent)
        if task.state is TaskState.DONE:
            return (seen and await seen(at)) or {}
        raise TaskFailed(task.error or f"The task was {task.state.value}.", task.remedy)

    return follow


def stop_task(step: str) -> Stop[PlanT]:
    async def stop(at: StepContext[PlanT]) -> None:
        await (await at.services.provider(at.plan.host_id)).cancel_task(at.fence, at.task_id(step))

    return stop
