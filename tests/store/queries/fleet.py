"""Hosts, VMs and jobs as rows, for tests of queries."""

import uuid
from typing import Any

from sqlalchemy import Connection, insert, select

from hostler.domain.machines.facts import DiskFacts, VmFacts, VmsRead
from hostler.domain.machines.states import VmState
from hostler.store.database import AnyRow
from hostler.store.tables import host, job, job_object, vm


def add_host(connection: Connection, host_id: str, **more: Any) -> str:
    values = {
        "id": host_id,
        "name": host_id,
        "group_path": "/",
        "provider": "simulated",
        "address": host_id,
        "vm_path": "/var/lib/vms",
        "state": "responding",
        "state_at": 0,
        "created_at": 0,
    }
    connection.execute(insert(host).values(**values | more))
    return host_id


def vm_facts(native_id: str, state: VmState = VmState.RUNNING, **more: Any) -> VmFacts:
    values: dict[str, Any] = {"name": f"vm {native_id[:8]}", "cpu_count": 2, "memory_mib": 1024}
    return VmFacts(native_id=native_id, state=state, **values | more)


def grown_disk(allocated_bytes: int) -> tuple[DiskFacts, ...]:
    return (DiskFacts(path="/d.qcow2", format="qcow2", capacity_bytes=10**9, allocated_bytes=allocated_bytes),)


def whole(*vms: VmFacts) -> VmsRead:
    return VmsRead(vms=vms, complete=True)


def partial(*vms: VmFacts) -> VmsRead:
    return VmsRead(vms=vms, complete=False, problems=("one could not be read",))


def vms(connection: Connection) -> list[AnyRow]:
    return list(connection.execute(select(vm).where(vm.c.deleted_at.is_(None)).order_by(vm.c.id)))


def vm_row(connection: Connection, vm_id: str) -> AnyRow:
    return connection.execute(select(vm).where(vm.c.id == vm_id)).one()


def hold(connection: Connection, vm_id: str, at: int, *, state: str = "running", ended_at: int | None = None) -> str:
    """A job that holds the VM, or held it until `ended_at`."""
    job_id = str(uuid.uuid4())
    connection.execute(
        insert(job).values(
            id=job_id,
            operation="vm.start",
            version=1,
            title="Start",
            state=state,
            root_id=job_id,
            subject_kind="vm",
            subject_id=vm_id,
            subject_name="vm",
            user_id="u",
            user="u",
            source="test",
            call={},
            plan={},
            request_hash="",
            changes=[],
            created_at=at,
            ended_at=ended_at,
        )
    )
    connection.execute(
        insert(job_object).values(
            job_id=job_id, object=f"vm/{vm_id}", exclusive=True, hold="lock" if ended_at is None else "none"
        )
    )
    return job_id
