"""The fleet as placement sees it, from rows of hosts, VMs and averages."""

import pytest
from sqlalchemy import Connection, insert
from tests.store.queries.fleet import add_host

from hostler.domain.fabric.averages import MINUTE, SECOND, Averages, HostUse, MinuteShare
from hostler.domain.fabric.facts import Acceleration, HostFacts, Volume
from hostler.domain.placement.snapshot import Candidate
from hostler.store.queries.averages import Measured, add_minutes
from hostler.store.queries.placement import fleet_snapshot
from hostler.store.tables import vm

GIB = 1024**3


def facts(free_bytes: int) -> HostFacts:
    return HostFacts(
        host_name="h1",
        hypervisor="kvm",
        hypervisor_version="1",
        provider_version="1",
        cpu_model="x",
        cpu_count=4,
        cpu_mhz=2000,
        memory_mib=16_384,
        acceleration=Acceleration.KVM,
        acceleration_note="",
        volumes=(Volume(path="/vms", capacity_bytes=100 * GIB, free_bytes=free_bytes),),
        networks=("lan",),
    )


def add_vm(connection: Connection, vm_id: str, state: str, *, observed: str | None, job: str | None) -> None:
    connection.execute(
        insert(vm).values(
            id=vm_id,
            name=vm_id,
            host_id="h1",
            state=state,
            observed_state=observed,
            job_state=job,
            cpu_count=2,
            memory_mib=1024,
            created_at=0,
        )
    )


def only(connection: Connection) -> Candidate:
    (candidate,) = fleet_snapshot(connection).candidates
    return candidate


def test_unmeasured_host_is_judged_by_its_vms(connection: Connection) -> None:
    add_host(connection, "h1", facts=facts(90 * GIB))
    add_vm(connection, "a", "running", observed="running", job=None)
    candidate = only(connection)
    assert (candidate.memory_used_mib, candidate.cpu_used_percent) == (1024, 10.0)
    assert candidate.host.volumes[0].free_mib == 90 * 1024


@pytest.mark.parametrize(
    ("state", "observed", "job", "counts"),
    [
        ("under_update", "running", "under_update", True),
        ("under_creation", None, "under_creation", True),
        ("power_off", "power_off", None, False),
        ("missing", "missing", None, False),
    ],
)
def test_what_takes_memory(
    connection: Connection, state: str, observed: str | None, job: str | None, counts: bool
) -> None:
    add_host(connection, "h1", facts=facts(GIB))
    add_vm(connection, "a", state, observed=observed, job=job)
    assert only(connection).memory_used_mib == (1024 if counts else 0)


def test_measured_host_is_judged_by_its_last_ten_minutes_and_newest_volumes(connection: Connection) -> None:
    now = 100 * MINUTE * SECOND
    volumes = (Volume(path="/vms", capacity_bytes=100 * GIB, free_bytes=40 * GIB),)
    use = HostUse(averages=Averages(), volumes=volumes)
    add_host(connection, "h1", facts=facts(90 * GIB), load=use, load_at=now)
    for minutes_ago, cpu in ((50, 100.0), (5, 20.0), (4, 40.0)):
        share = MinuteShare(slot_at=now - minutes_ago * MINUTE * SECOND, covered_seconds=60)
        add_minutes(connection, [Measured("h1", share, Averages(cpu_percent=cpu, memory_used_mib=3000.0, disk_iops=7))])
    candidate = only(connection)
    assert candidate.cpu_used_percent == pytest.approx(30.0)
    assert (candidate.memory_used_mib, candidate.disk_iops_used) == (3000, 7)
    assert candidate.host.volumes[0].free_mib == 40 * 1024


def test_host_in_maintenance_is_not_called_silent(connection: Connection) -> None:
    add_host(connection, "h1", facts=facts(GIB), state="maintenance_mode", maintenance=True)
    host = only(connection).host
    assert (host.responding, host.maintenance) == (True, True)
