"""Read a host again, now."""

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from hostler.domain.fabric.facts import HostFacts
from hostler.domain.machines.facts import VmsRead
from hostler.jobs.operation import Acceptance, Operation, Params, Prepared, Subject
from hostler.jobs.step import Result, Step, StepContext
from hostler.store.database import AnyRow
from hostler.store.queries.observations import observe_host, observe_vms


class RefreshHostParams(Params):
    """Nothing but the host itself."""


class RefreshHostPlan(Struct, frozen=True, kw_only=True):
    host_id: str


At = StepContext[RefreshHostPlan]


async def never_fresh(at: At) -> Result | None:
    """Who asks for a refresh wants what is true now: no older read will do."""
    return None


async def read_facts(at: At) -> Result:
    provider, begun = await at.services.provider(at.plan.host_id), at.now()
    return {"facts": msgspec.to_builtins(await provider.read_host()), "read_at": begun}


async def read_vms(at: At) -> Result:
    provider, begun = await at.services.provider(at.plan.host_id), at.now()
    return {"vms": msgspec.to_builtins(await provider.read_vms()), "read_at": begun}


def record_facts(connection: Connection, at: At, result: Result) -> None:
    observe_host(connection, at.plan.host_id, msgspec.convert(result["facts"], HostFacts), result["read_at"])


def record_vms(connection: Connection, at: At, result: Result) -> None:
    observe_vms(connection, at.plan.host_id, msgspec.convert(result["vms"], VmsRead), result["read_at"], at.now())


class RefreshHost(Operation[RefreshHostParams, RefreshHostPlan]):
    """Read a host again, now: its hardware, networks, storage and every VM on it."""

    privilege = "View"
    cmdlet = "Read-SCVMHost"
    why_no_changes = "it reads what is, and changes nothing"
    Params = RefreshHostParams
    Plan = RefreshHostPlan
    steps = (
        Step(
            name="facts",
            title="Read what the host has",
            look=never_fresh,
            do=read_facts,
            record=record_facts,
            why_no_undo="reading changes nothing",
        ),
        Step(
            name="vms",
            title="Read its virtual machines",
            look=never_fresh,
            do=read_vms,
            record=record_vms,
            why_no_undo="reading changes nothing",
        ),
    )

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: RefreshHostParams) -> Prepared[RefreshHostPlan]:
        if subject is None:
            raise TypeError("a host is read by its id")
        return Prepared(
            plan=RefreshHostPlan(host_id=subject.id),
            subject=Subject(kind="host", id=subject.id, name=subject.name),
            title=f"Refresh host {subject.name}",
            exclusive=[f"host-reading/{subject.id}"],
            shared=[f"host/{subject.id}"],
        )
