"""Add a host."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct
from pydantic import Field
from sqlalchemy import Connection, delete, insert

from hostler.domain.fabric.facts import HostFacts, HostState
from hostler.jobs.operation import Acceptance, Operation, Params, Prepared, Subject
from hostler.jobs.step import Result, Step, StepContext
from hostler.operations.naming import Name, name_lock, refuse_taken
from hostler.store.database import AnyRow
from hostler.store.queries.events import notify
from hostler.store.queries.observations import observe_host
from hostler.store.tables import host, job_limit

JOBS_AT_ONCE = 4
"""How many jobs may change one host at the same time."""


class AddHostParams(Params):
    name: Name
    provider: Literal["kvm", "simulated"] = "kvm"
    address: Annotated[str, Field(min_length=1, max_length=1024)] = "qemu:///system"
    vm_path: Annotated[str, Field(pattern=r"^/[^\n]*[^/\n]$", max_length=1024)]


class AddHostPlan(Struct, frozen=True, kw_only=True):
    host_id: str
    row: dict[str, Any]


At = StepContext[AddHostPlan]


async def not_known(at: At) -> Result | None:
    """Facts age: they are read again rather than looked for."""
    return None


async def connect(at: At) -> Result:
    provider, begun = await at.services.provider(at.plan.host_id), at.now()
    return {"facts": msgspec.to_builtins(await provider.read_host()), "read_at": begun}


def record_facts(connection: Connection, at: At, result: Result) -> None:
    observe_host(connection, at.plan.host_id, msgspec.convert(result["facts"], HostFacts), result["read_at"])


class AddHost(Operation[AddHostParams, AddHostPlan]):
    """Add a host: connect to it, read what it has, and take it under management. Its VMs are adopted."""

    privilege = "ManageHosts"
    cmdlet = "Add-SCVMHost"
    makes_new = True
    Params = AddHostParams
    Plan = AddHostPlan
    steps = (
        Step(
            name="connect",
            title="Connect and read its facts",
            look=not_known,
            do=connect,
            record=record_facts,
            why_no_undo="reading changes nothing",
        ),
    )

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: AddHostParams) -> Prepared[AddHostPlan]:
        refuse_taken(at, "host", params.name)
        host_id = at.new_id()
        row = {
            "id": host_id,
            "name": params.name,
            "group_path": "/",
            "provider": params.provider,
            "address": params.address,
            "vm_path": params.vm_path,
            "state": HostState.ADDING,
            "state_at": at.now,
            "created_at": at.now,
        }
        return Prepared(
            plan=AddHostPlan(host_id=host_id, row=row),
            subject=Subject(kind="host", id=host_id, name=params.name),
            title=f"Add host {params.name}",
            exclusive=[f"host/{host_id}", name_lock("host", params.name)],
        )

    def accepted(self, connection: Connection, plan: AddHostPlan, job_id: str, now: int) -> None:
        connection.execute(insert(host).values(**plan.row))
        connection.execute(insert(job_limit).values(key=f"host/{plan.host_id}", at_most=JOBS_AT_ONCE, running=0))
        notify(connection, now, "host", plan.host_id, {"state": HostState.ADDING})

    def released(self, connection: Connection, plan: AddHostPlan, *, undone: bool, now: int) -> None:
        """A host that could not be added is none: neither undone nor dismissed does it stay."""
        connection.execute(delete(host).where(host.c.id == plan.host_id))
        connection.execute(delete(job_limit).where(job_limit.c.key == f"host/{plan.host_id}"))
        notify(connection, now, "host", plan.host_id, {"deleted": True})
