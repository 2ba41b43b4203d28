"""Small operations to try the engine with, and the world that they change: it outlives every engine, as a host does."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from hostler.jobs.operation import Acceptance, Operation, Params, Prepared, Subject
from hostler.jobs.step import AnyStep, LongStep, Lost, Progress, Result, Step, StepContext
from hostler.providers.contract import Fence
from hostler.providers.errors import Fenced, TaskFailed
from hostler.store.database import AnyRow

NOUN = "hardware-profile"


class TrialParams(Params):
    name: str = "thing"
    exclusive: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    limit: str | None = None


class TrialPlan(Struct, frozen=True, kw_only=True):
    name: str


At = StepContext[TrialPlan]
Trigger = Callable[[At], None]


class TrialOperation(Operation[TrialParams, TrialPlan], abstract=True):
    """An operation for a test."""

    privilege = "Try"
    cmdlet = "Test-Nothing"
    Params = TrialParams
    Plan = TrialPlan

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: TrialParams) -> Prepared[TrialPlan]:
        identity = at.new_id() if subject is None else subject.id
        return Prepared(
            plan=TrialPlan(name=params.name),
            subject=Subject(kind=NOUN, id=identity, name=params.name),
            title=f"Try {params.name}",
            exclusive=params.exclusive,
            shared=params.shared,
            limit_key=params.limit,
        )


class Task:
    """A task of the world: it goes on until the test says how it ends."""

    def __init__(self, thing: str) -> None:
        self.thing = thing
        self.percent = 0
        self.ended: str | None = None


class World:
    """What effects there are, how often each was made and by whose leave; a late attempt is refused."""

    def __init__(self) -> None:
        self.there: set[tuple[str, str]] = set()
        self.made: Counter[tuple[str, str]] = Counter()
        self.log: list[str] = []
        self.tasks: dict[str, Task] = {}
        self.before: dict[str, Trigger] = {}
        self.attempts: Counter[str] = Counter()

    def admit(self, fence: Fence) -> None:
        if fence.attempt < self.attempts[fence.job_id]:
            raise Fenced("a later attempt was here")
        self.attempts[fence.job_id] = fence.attempt

    def _trigger(self, what: str, at: At) -> None:
        trigger = self.before.get(what)
        if trigger is not None:
            trigger(at)

    def step(self, name: str, *, undone: bool = True, **more: Any) -> Step[TrialPlan]:
        async def look(at: At) -> Result | None:
            self._trigger(f"look {name}", at)
            return {"found": name} if (at.plan.name, name) in self.there else None

        async def do(at: At) -> Result:
            self._trigger(f"do {name}", at)
            self.admit(at.fence)
            self.made[at.plan.name, name] += 1
            self.there.add((at.plan.name, name))
            self.log.append(f"do {name}")
            return {"done": name}

        back: dict[str, Any] = {"undo": self._undo(name)} if undone else {"why_no_undo": "it cannot be taken back"}
        return Step(
            name=name, title=name, look=look, do=do, leaves=lambda plan: f"{name} of {plan.name}", **back, **more
        )

    def _undo(self, name: str) -> Callable[[At], Any]:
        async def undo(at: At) -> None:
            self._trigger(f"undo {name}", at)
            self.admit(at.fence)
            self.there.discard((at.plan.name, name))
            self.log.append(f"undo {name}")

        return undo

    def long_step(self, name: str) -> LongStep[TrialPlan]:
        """Its task ends when the test says so: `tasks[id].ended = "done"` or an error."""

        async def look(at: At) -> Result | None:
            return {"found": name} if (at.plan.name, name) in self.there else None

        async def start(at: At) -> str:
            self._trigger(f"start {name}", at)
            self.admit(at.fence)
            identity = at.task_id(name)
            if identity not in self.tasks:
                self.made[at.plan.name, name] += 1
                self.tasks[identity] = Task(at.plan.name)
            return identity

        async def follow(at: At, handle: str) -> Progress | Lost | Result:
            self._trigger(f"follow {name}", at)
            task = self.tasks.get(handle)
            if task is None:
                return Lost()
            if task.ended is None:
                return Progress(task.percent)
            if task.ended == "done":
                self.there.add((task.thing, name))
                return {"done": name}
            raise TaskFailed(task.ended, "Try again.")

        async def stop(at: At) -> None:
            self.admit(at.fence)
            self.log.append(f"stop {at.task_id(name)}")
            self.tasks.setdefault(at.task_id(name), Task(at.plan.name)).ended = "stopped"

        return LongStep(
            name=name,
            title=name,
            look=look,
            start=start,
            follow=follow,
            stop=stop,
            undo=self._undo(name),
            leaves=lambda plan: f"{name} of {plan.name}",
        )

    def three(self) -> tuple[Step[TrialPlan], ...]:
        return tuple(self.step(name) for name in ("one", "two", "three"))


class Operations:
    """Registers operations for one test and takes them off again, so that no other test sees them."""

    def __init__(self) -> None:
        self._made: list[str] = []

    def make(self, steps: Sequence[AnyStep[TrialPlan]], verb: str = "try", **more: Any) -> str:
        """An operation of these steps; its name. Made again under the same verb, it replaces the earlier one."""
        name = f"{NOUN}.{verb}"
        Operation.registry.pop(name, None)
        body = {"__module__": f"tests.jobs.hardware_profile.{verb}", "__doc__": "Try it.", "steps": steps, **more}
        type("Trial", (TrialOperation,), body)
        self._made.append(name)
        return name

    def take(self, verb: str) -> type[Operation[Any, Any]]:
        """The class of an operation that was made, for what only one test changes."""
        return type(Operation.registry[f"{NOUN}.{verb}"])

    def forget(self) -> None:
        for name in self._made:
            Operation.registry.pop(name, None)


def once(failure: BaseException) -> Trigger:
    """Raise it the first time only."""
    left: Iterator[BaseException] = iter([failure])

    def trigger(_at: At) -> None:
        raised = next(left, None)
        if raised is not None:
            raise raised

    return trigger


def always(failure: Exception) -> Trigger:
    def trigger(_at: At) -> None:
        raise failure

    return trigger


class Gate:
    """A border at which an attempt is held until it is let go: a process that is stopped and goes on later."""

    def __init__(self, step: str, phase: str, attempt: int = 1) -> None:
        self._step, self._phase, self._left = step, phase, attempt
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def __call__(self, _operation: str, step: str, phase: str) -> None:
        if (step, phase) == (self._step, self._phase) and self._left:
            self._left -= 1
            self.reached.set()
            await self.open.wait()
