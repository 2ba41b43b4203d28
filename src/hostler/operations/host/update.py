"""Change what is kept free on a host, and whether placement may use it."""

from typing import Annotated, Any

import msgspec
from msgspec import Struct
from pydantic import Field
from sqlalchemy import Connection, update

from hostler.domain.fabric.reserves import HostReserve, Levels, Unit
from hostler.jobs.errors import InvalidError
from hostler.jobs.operation import Acceptance, Change, Operation, Params, Prepared, Subject
from hostler.jobs.step import RecordStep, Result, StepContext
from hostler.store.database import AnyRow
from hostler.store.queries.events import notify
from hostler.store.tables import host


class UpdateHostParams(Params):
    """What is not given stays as it is."""

    available_for_placement: bool | None = None
    cpu_reserve_percent: Annotated[float | None, Field(ge=0, le=100)] = None
    memory_reserve_mib: Annotated[int | None, Field(ge=0)] = None
    disk_reserve_mib: Annotated[int | None, Field(ge=0)] = None
    disk_iops_max: Annotated[int | None, Field(ge=1)] = None
    network_reserve_percent: Annotated[float | None, Field(ge=0, le=100)] = None


class UpdateHostPlan(Struct, frozen=True, kw_only=True):
    """The columns as they will be, and as they were."""

    host_id: str
    new: dict[str, Any]
    old: dict[str, Any]


At = StepContext[UpdateHostPlan]


def write(connection: Connection, at: At, result: Result) -> None:
    _set(connection, at, at.plan.new)


def write_back(connection: Connection, at: At) -> None:
    _set(connection, at, at.plan.old)


def _set(connection: Connection, at: At, values: dict[str, Any]) -> None:
    connection.execute(update(host).where(host.c.id == at.plan.host_id).values(**values))
    notify(connection, at.now(), "host", at.plan.host_id, {"changed": sorted(values)})


class UpdateHost(Operation[UpdateHostParams, UpdateHostPlan]):
    """Change a host's reserves, or whether placement may use it. What is not given stays."""

    privilege = "ManageHosts"
    cmdlet = "Set-SCVMHost"
    Params = UpdateHostParams
    Plan = UpdateHostPlan
    steps = (RecordStep(name="record", title="Record it", record=write, unrecord=write_back),)

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: UpdateHostParams) -> Prepared[UpdateHostPlan]:
        if subject is None:
            raise TypeError("a host is changed by its id")
        if not params.model_fields_set:
            raise InvalidError("Nothing is asked for.", "Give at least one option: hostler host update --help")
        old = {"available_for_placement": subject.available_for_placement, "reserve": subject.reserve}
        new = {
            "available_for_placement": old["available_for_placement"]
            if params.available_for_placement is None
            else params.available_for_placement,
            "reserve": msgspec.to_builtins(_reserve(subject, params)),
        }
        return Prepared(
            plan=UpdateHostPlan(host_id=subject.id, new=new, old=old),
            subject=Subject(kind="host", id=subject.id, name=subject.name),
            title=f"Change host {subject.name}",
            exclusive=[f"host-settings/{subject.id}"],
            shared=[f"host/{subject.id}"],
            changes=[
                Change(object=f"host/{subject.id}", property=name, old=old[name], new=new[name])
                for name in new
                if new[name] != old[name]
            ],
        )


def _reserve(subject: AnyRow, params: UpdateHostParams) -> HostReserve:
    now = HostReserve() if subject.reserve is None else msgspec.convert(subject.reserve, HostReserve)
    levels = {
        "cpu": (params.cpu_reserve_percent, Unit.PERCENT),
        "memory": (params.memory_reserve_mib, Unit.MIB),
        "disk_space": (params.disk_reserve_mib, Unit.MIB),
        "network": (params.network_reserve_percent, Unit.PERCENT),
    }
    changed: dict[str, Any] = {
        name: Levels(reserve=amount, unit=unit) for name, (amount, unit) in levels.items() if amount is not None
    }
    if params.disk_iops_max is not None:
        changed["disk_iops_max"] = params.disk_iops_max
    return msgspec.structs.replace(now, **changed)
