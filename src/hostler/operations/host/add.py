"""Add a host."""

import os
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct
from pydantic import Field
from sqlalchemy import Connection, delete, insert, select

from hostler.domain.fabric.facts import HostFacts, HostState
from hostler.jobs.errors import ConflictError, InvalidError
from hostler.jobs.operation import Acceptance, Change, Operation, Params, Prepared, Subject
from hostler.jobs.step import Result, Step, StepContext
from hostler.operations.naming import Name, name_lock, refuse_taken
from hostler.store.database import AnyRow
from hostler.store.queries.events import notify
from hostler.store.queries.observations import observe_host
from hostler.store.tables import host, job_limit

KVM_ADDRESSES = ("qemu:///system", "qemu:///session", "test:///default")
"""libvirt on the service's own machine. Other addresses can name a program to run (`?command=`), as the service."""
_SOCKET_ADDRESS = re.compile(r"qemu\+unix:///system\?socket=/[A-Za-z0-9._/-]+")
"""A libvirtd that listens elsewhere on this machine: a path and no other word."""

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
        _refuse_unfit(params)
        refuse_taken(at, "host", params.name)
        _refuse_managed(at, params)
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
            changes=[Change(object=f"host/{host_id}", property="managed", old=False, new=True)],
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


def _refuse_unfit(params: AddHostParams) -> None:
    local = params.address in KVM_ADDRESSES or _SOCKET_ADDRESS.fullmatch(params.address)
    if params.provider == "kvm" and not local:
        raise InvalidError(
            f"The address {params.address!r} is not one of libvirt on this machine.",
            f"Use one of: {', '.join(KVM_ADDRESSES)}; or qemu+unix:///system?socket=/path/of/its/socket.",
            allowed=list(KVM_ADDRESSES),
        )
    plain = "/" + os.path.normpath(params.vm_path).lstrip("/")
    if plain != params.vm_path:
        raise InvalidError(
            f"The VM path {params.vm_path!r} is not plain: it has '.', '..' or more slashes than it needs.",
            "Write the whole path of the folder without them.",
        )


def _refuse_managed(at: Acceptance, params: AddHostParams) -> None:
    """One hypervisor under two names would have each of its VMs in two places, which is a conflict for all of them."""
    same = (host.c.provider == params.provider, host.c.address == params.address, host.c.deleted_at.is_(None))
    known = at.connection.execute(select(host.c.id, host.c.name).where(*same)).first()
    if known is not None:
        raise ConflictError(
            f"{params.address} is managed already, as the host {known.name!r} ({known.id}).",
            f"Use that one, or take it out of management first: hostler host remove {known.id}",
        )
