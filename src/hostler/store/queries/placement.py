"""The fleet as placement sees it: hosts by their last facts, and what their VMs take."""

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, func, or_, select

from hostler.domain.fabric.averages import MINUTE, SECOND, TEN_MINUTES, HostUse
from hostler.domain.fabric.facts import Acceleration, HostFacts, HostState
from hostler.domain.fabric.reserves import HostReserve
from hostler.domain.machines.states import VmState
from hostler.domain.placement.fleet import Fleet, FleetVm
from hostler.domain.placement.model import HostSnapshot, VmLoad, Volume
from hostler.domain.placement.snapshot import Snapshot
from hostler.store.database import AnyRow
from hostler.store.queries.averages import mean
from hostler.store.tables import host, load_average, vm

_MIB = 1024 * 1024
_TAKES_MEMORY = (VmState.RUNNING, VmState.PAUSED, VmState.STARTING, VmState.POWERING_OFF, VmState.SAVING)
_ANSWERS = (HostState.RESPONDING, HostState.MAINTENANCE_MODE)
EXPECTED_CPU_PERCENT = 20
_HOSTS = select(host).where(host.c.deleted_at.is_(None), host.c.facts.is_not(None))


def fleet_snapshot(connection: Connection) -> Snapshot:
    """Every host with facts. VMs under creation count already, so that two jobs do not take one place."""
    rows = connection.execute(_HOSTS)
    loads = connection.execute(
        select(vm.c.host_id, func.sum(vm.c.cpu_count).label("vcpus"), func.sum(vm.c.memory_mib).label("memory_mib"))
        .where(vm.c.deleted_at.is_(None), vm.c.host_id.is_not(None))
        .where(or_(vm.c.observed_state.in_(_TAKES_MEMORY), vm.c.job_state == VmState.UNDER_CREATION))
        .group_by(vm.c.host_id)
    )
    used = _lately_used(connection)
    return Snapshot.of(
        [_host(row, used) for row in rows],
        [
            VmLoad(
                host_id=load.host_id,
                vcpus=load.vcpus,
                memory_mib=load.memory_mib,
                cpu_used_percent=EXPECTED_CPU_PERCENT,
            )
            for load in loads
        ],
    )


def export_fleet(connection: Connection) -> Fleet:
    """The same fleet, VM by VM, for a file."""
    used = _lately_used(connection)
    hosts = tuple(_host(row, used) for row in connection.execute(_HOSTS.order_by(host.c.name)))
    vms = connection.execute(
        select(vm.c.id, vm.c.name, vm.c.host_id, vm.c.observed_state, vm.c.job_state, vm.c.cpu_count, vm.c.memory_mib)
        .where(vm.c.deleted_at.is_(None), vm.c.host_id.in_([known.id for known in hosts]))
        .order_by(vm.c.name, vm.c.id)
    )
    return Fleet(
        hosts=hosts,
        vms=tuple(
            FleetVm(
                id=row.id,
                name=row.name,
                host_id=row.host_id,
                running=_takes_memory(row),
                vcpus=row.cpu_count,
                memory_mib=row.memory_mib,
                cpu_used_percent=EXPECTED_CPU_PERCENT if _takes_memory(row) else 0,
            )
            for row in vms
        ),
    )


def _takes_memory(row: AnyRow) -> bool:
    return row.observed_state in _TAKES_MEMORY or row.job_state == VmState.UNDER_CREATION


def _lately_used(connection: Connection) -> dict[str, AnyRow]:
    """What each host used in the ten minutes before its counters were last read, by its id."""
    rows = connection.execute(
        select(
            host.c.id,
            mean(load_average.c.cpu_percent).label("cpu_percent"),
            mean(load_average.c.memory_used_mib).label("memory_used_mib"),
            mean(load_average.c.disk_iops).label("disk_iops"),
        )
        .join(load_average, load_average.c.object_id == host.c.id)
        .where(load_average.c.span_seconds == MINUTE)
        .where(load_average.c.slot_at >= host.c.load_at - TEN_MINUTES * SECOND)
        .group_by(host.c.id)
    )
    return {row.id: row for row in rows}


def _host(row: AnyRow, used: Mapping[str, AnyRow]) -> HostSnapshot:
    facts, lately = msgspec.convert(row.facts, HostFacts), used.get(row.id)
    volumes = facts.volumes if row.load is None else msgspec.convert(row.load, HostUse).volumes
    return HostSnapshot(
        id=row.id,
        name=row.name,
        group_path=row.group_path,
        hypervisor=facts.hypervisor,
        responding=row.state in _ANSWERS,
        maintenance=row.maintenance,
        available_for_placement=row.available_for_placement,
        cpu_count=facts.cpu_count,
        cpu_used_percent=None if lately is None else lately.cpu_percent,
        accelerated=facts.acceleration is Acceleration.KVM,
        memory_total_mib=facts.memory_mib,
        memory_used_mib=None if lately is None or lately.memory_used_mib is None else round(lately.memory_used_mib),
        disk_iops_used=None if lately is None else lately.disk_iops,
        volumes=tuple(
            Volume(
                id=volume.path,
                path=volume.path,
                capacity_mib=volume.capacity_bytes // _MIB,
                free_mib=volume.free_bytes // _MIB,
            )
            for volume in volumes
        ),
        networks=frozenset(facts.networks),
        firmwares=frozenset(facts.firmwares),
        reserve=msgspec.convert(row.reserve, HostReserve) if row.reserve else HostReserve(),
    )
