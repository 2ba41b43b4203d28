"""What an operation is. From its one file come route, SDK method, command, script, dry run, job and standing tests."""

import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, select

from hostler.domain.access.rights import Caller
from hostler.jobs.step import AnyStep, ChildrenStep, PlanT
from hostler.store.database import AnyRow
from hostler.store.queries import nouns
from hostler.store.tables import vm_mac

ParamsT = TypeVar("ParamsT", bound="Params")


class Params(BaseModel):
    """Parameters of an operation: unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Read = Callable[[Callable[[Connection], Any]], Awaitable[Any]]
"""Reads the database in a transaction of its own."""


class Change(Struct, frozen=True, kw_only=True):
    """A property that the job changes, for the audit trail."""

    object: str
    property: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The object that a job is about, as lists of jobs show it."""

    kind: str
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCall:
    """A job that is a part of another one, as a call of its operation; `job_id` is planned with it."""

    job_id: str
    operation: str
    subject: str | None
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(Generic[PlanT]):
    """What acceptance fixes. Locks are named `noun/id`; `limit_key` is what the job counts against.

    `children` are accepted in the same transaction, in this order: each sees what the ones before it planned.
    """

    plan: PlanT
    subject: Subject
    title: str
    exclusive: Iterable[str] = ()
    shared: Iterable[str] = ()
    changes: Sequence[Change] = ()
    limit_key: str | None = None
    children: Sequence[ChildCall] = ()

    def sharing(self, *locks: str) -> "Prepared[PlanT]":
        """The same, with these locks shared too."""
        return replace(self, shared=[*self.shared, *locks])


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The transaction in which a call becomes a plan: what it may read, and where its new values come from."""

    connection: Connection
    caller: Caller
    now: int
    survey: Any = None

    def find(self, noun: str, reference: str) -> AnyRow:
        """The object that a reference names; UnknownObjectError or AmbiguousError with the ids otherwise."""
        return nouns.resolve(self.connection, noun, reference)

    def new_id(self) -> str:
        return str(uuid.uuid4())

    def new_mac(self) -> str:
        """A MAC address of QEMU's locally administered range 52:54:00 that we have given to no other VM."""
        while True:
            mac = "52:54:00:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))
            if self.connection.execute(select(vm_mac.c.mac).where(vm_mac.c.mac == mac)).scalar() is None:
                return mac


class Operation(Generic[ParamsT, PlanT]):
    """Something that can be done. The module's path gives its noun and verb; its docstring is the user's help."""

    noun: ClassVar[str]
    verb: ClassVar[str]
    privilege: ClassVar[str]
    cmdlet: ClassVar[str]
    version: ClassVar[int] = 1
    makes_new: ClassVar[bool] = False
    """True when it makes the object it is about: it then has no subject in its address."""
    why_no_changes: ClassVar[str] = ""
    """Why its jobs name no property that they change; every other operation's jobs name at least one."""
    Params: type[ParamsT]
    Plan: type[PlanT]
    steps: Sequence[AnyStep[PlanT]]

    registry: ClassVar[dict[str, "Operation[Any, Any]"]] = {}

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        super().__init_subclass__()
        if abstract:
            return
        cls.noun, cls.verb = _grammar(cls.__module__)
        if cls.name() in cls.registry:
            raise TypeError(f"two operations are called {cls.name()!r}")
        if not (cls.__doc__ or "").strip():
            raise TypeError(f"operation {cls.name()!r} has no docstring: it is the user's help")
        names = [step.name for step in cls.steps]
        if len(set(names)) != len(names):
            raise TypeError(f"operation {cls.name()!r}: two steps have one name")
        if sum(isinstance(step, ChildrenStep) for step in cls.steps) > 1:
            raise TypeError(f"operation {cls.name()!r}: two steps would have the same children")
        for step in cls.steps:
            step.check()
        cls.registry[cls.name()] = cls()

    @classmethod
    def name(cls) -> str:
        return f"{cls.noun}.{cls.verb}"

    @classmethod
    def step(cls, name: str) -> AnyStep[PlanT]:
        return next(step for step in cls.steps if step.name == name)

    def read_plan(self, document: Any) -> PlanT:
        return msgspec.convert(document, self.Plan)

    async def survey(self, read: Read, params: ParamsT) -> Any:
        """Look at what lies outside the database and may take its time: before the accepting transaction, never in it.

        `prepare` finds it in `at.survey`. A NotAcceptedError refuses the call.
        """

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: ParamsT) -> Prepared[PlanT]:
        """Check the prerequisites and decide everything: reads only, may run any number of times."""
        raise TypeError(f"{self.name()} does not say how it is prepared")

    def accepted(self, connection: Connection, plan: PlanT, job_id: str, now: int) -> None:
        """Write what must stand before any effect; in the transaction that accepts the job."""

    def resumed(self, connection: Connection, plan: PlanT, now: int) -> None:
        """Mark the objects as in work again; in the transaction that restarts or undoes the failed job."""

    def completed(self, connection: Connection, plan: PlanT, results: Mapping[str, Any], now: int) -> None:
        """Write what holds now; in the transaction that completes the job."""

    def failed(self, connection: Connection, plan: PlanT, now: int) -> None:
        """Mark what the failed job holds; in the transaction that fails it."""

    def released(self, connection: Connection, plan: PlanT, *, undone: bool, now: int) -> None:
        """Unmark it: the job was undone, or dismissed."""

    def unreadable(self, connection: Connection, subject_id: str, now: int, *, dismissed: bool) -> None:
        """`failed`, or `released` once dismissed, for a job whose plan cannot be read: only its subject is known."""


def _grammar(module: str) -> tuple[str, str]:
    """`hostler.operations.vm.create` → (vm, create)."""
    noun, verb = module.split(".")[-2:]
    return noun.replace("_", "-"), verb.replace("_", "-")
