"""The rows of an operation's table: what looks, what does, what undoes, and what is recorded with the result."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from hostler.providers.contract import Fence, Provider

PlanT = TypeVar("PlanT")

Result = dict[str, Any]
"""What a step found or made, as JSON; later steps and the journal read it."""


class Services(Protocol):
    """What steps may use of the service they run in."""

    async def provider(self, host_id: str) -> Provider: ...


@dataclass(frozen=True, slots=True)
class StepContext(Generic[PlanT]):
    """One step of one attempt of one job."""

    job_id: str
    attempt: int
    round: int
    plan: PlanT
    results: Mapping[str, Result]
    services: Services
    now: Callable[[], int]

    @property
    def fence(self) -> Fence:
        return Fence(job_id=self.job_id, attempt=self.attempt)

    def task_id(self, step: str) -> str:
        """The same until the job is restarted after the task ended, so that it is found again, never started twice."""
        return f"{self.job_id}.{step}.{self.round}"


Look = Callable[[StepContext[PlanT]], Awaitable[Result | None]]
Do = Callable[[StepContext[PlanT]], Awaitable[Result]]
Undo = Callable[[StepContext[PlanT]], Awaitable[None]]
Record = Callable[[Connection, StepContext[PlanT], Result], None]
Unrecord = Callable[[Connection, StepContext[PlanT]], None]


class Progress(int):
    """Percent done of a long step, 0–100: it is still going on."""


class Lost:
    """The followed task is not known any more: only a look can tell what became of it."""


Start = Callable[[StepContext[PlanT]], Awaitable[str]]
Follow = Callable[[StepContext[PlanT], str], Awaitable[Progress | Lost | Result]]
Stop = Callable[[StepContext[PlanT]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseStep(Generic[PlanT]):
    """What every kind of step says. `leaves` names, for a person, what stays if the step is not undone."""

    name: str
    title: str
    undo: Undo[PlanT] | None = None
    why_no_undo: str = ""
    record: Record[PlanT] | None = None
    unrecord: Unrecord[PlanT] | None = None
    leaves: Callable[[PlanT], str] | None = None
    when: Callable[[PlanT], bool] | None = None

    @property
    def can_be_undone(self) -> bool:
        return self.undo is not None or self.unrecord is not None

    def check(self) -> None:
        """Refuse a step that neither undoes nor says why not."""
        if not self.can_be_undone and not self.why_no_undo:
            raise TypeError(f"step {self.name!r}: give undo= (or unrecord=), or why_no_undo=")
        if self.undo is not None and self.leaves is None:
            raise TypeError(f"step {self.name!r}: what it makes can be left behind; say what with leaves=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(BaseStep[PlanT]):
    """A step whose effect holds when `do` returns. `look` says whether it already does, and with what result."""

    look: Look[PlanT]
    do: Do[PlanT]


@dataclass(frozen=True, slots=True, kw_only=True)
class LongStep(BaseStep[PlanT]):
    """A step that is started, then followed by its handle; `stop` ends it, begun or not, when the job goes back."""

    look: Look[PlanT]
    start: Start[PlanT]
    follow: Follow[PlanT]
    stop: Stop[PlanT] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStep(BaseStep[PlanT]):
    """A step whose whole effect is in our database: done in the transaction that records it, exactly once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildrenStep(BaseStep[PlanT]):
    """A step that is other jobs: those that `Prepared.children` names. Nobody works on the job while they run.

    It is undone by undoing each of them; its result is their ids.
    """

    @property
    def can_be_undone(self) -> bool:
        return True


AnyStep = Step[PlanT] | LongStep[PlanT] | RecordStep[PlanT] | ChildrenStep[PlanT]
