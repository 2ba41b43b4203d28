"""The borders of every step of every operation, and ways to crash or fail at one of them."""

import asyncio
from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple

from tests.every.stage import Case

import hostler.operations  # noqa: F401 - registers every operation
from hostler.jobs.attempt import Border
from hostler.jobs.operation import Operation

PHASES = ("intent", "effect", "result")


class Crash(BaseException):
    """The process is gone: nothing may catch it."""


class Injected(Exception):
    """A step raises, for no reason that anybody foresaw."""


class At(NamedTuple):
    """One border: a step of an operation, before its effect, after it, or after its result was recorded."""

    operation: str
    step: str
    phase: str

    def __str__(self) -> str:
        return f"{self.operation}-{self.step}-{self.phase}"


def operations() -> list[str]:
    return sorted(name for name, made in Operation.registry.items() if type(made).__module__.startswith("hostler."))


def case_of(operation: str) -> Case:
    """The operation's own test says how it is called; without it, nothing of it is tested: an error."""
    noun, verb = operation.replace("-", "_").split(".")
    case = import_module(f"tests.operations.{noun}.test_{verb}").CASE
    assert isinstance(case, Case)
    return case


def every_border(*, undo: bool = False) -> Iterator[At]:
    for name in operations():
        for step in Operation.registry[name].steps:
            if undo and not step.can_be_undone:
                continue
            for phase in PHASES:
                yield At(name, step.name, f"undo-{phase}" if undo else phase)


def raising(at: At, what: BaseException, reached: asyncio.Event) -> Border:
    """A border that raises once, where it is told to, and says that it was there."""

    async def border(*here: str) -> None:
        if not reached.is_set() and At(*here) == at:
            reached.set()
            raise what

    return border
