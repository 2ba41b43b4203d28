"""The fleet as placement sees it: hosts by their last facts, and what their VMs take."""

import msgspec
from sqlalchemy import Connection, func, select

from hostler.domain.fabric.facts import Acceleration, HostFacts, HostState
from hostler.domain.fabric.reserves import HostReserve
from hostler.domain.machines.states import VmState
from hostler.domain.placement.fleet import Fleet, FleetVm
from hostler.domain.placement.model import HostSnapshot, VmLoad, Volume
from hostler.domain.placement.snapshot import Snapshot
from hostler.store.database import AnyRow
from hostler.store.tables import host, vm

_MIB = 1024 * 1024
_TAKES_MEMORY = (VmState.RUNNING, VmState.PAUSED, VmState.STARTING, VmState.POWERING_OFF, VmState.UNDER_CREATION)
EXPECTED_CPU_PERCENT = 20
_HOSTS = select(host).where(host.c.deleted_at.is_(None), host.c.facts.is_not(None))


def fleet_snapshot(connection: Connection) -> Snapshot:
    """Every host with facts. VMs under creation count already, so that two jobs do not take one place."""
    rows = connection.execute(_HOSTS)
    loads = connection.execute(
        select(vm.c.host_id, func.sum(vm.c.cpu_count).label("vcpus"), func.sum(vm.c.memory_mib).label("memory_mib"))
        .where(vm.c.deleted_at.is_(None), vm.c.host_id.is_not(None), vm.c.state.in_(_TAKES_MEMORY))
        .group_by(vm.c.host_id)
    )
    return Snapshot.of(
        [_host(row) for row in rows],
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
    hosts = tuple(_host(row) for row in connection.execute(_HOSTS.order_by(host.c.name)))
    vms = connection.execute(
        select(vm.c.id, vm.c.name, vm.c.host_id, vm.c.state, vm.c.cpu_count, vm.c.memory_mib)
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
                running=row.state in _TAKES_MEMORY,
                vcpus=row.cpu_count,
                memory_mib=row.memory_mib,
                cpu_used_percent=EXPECTED_CPU_PERCENT if row.state in _TAKES_MEMORY else 0,
            )
            for row in vms
        ),
    )


def _host(row: AnyRow) -> HostSnapshot:
    facts = msgspec.convert(row.facts, HostFacts)
    return HostSnapshot(
        id=row.id,
        name=row.name,
        group_path=row.group_path,
        hypervisor=facts.hypervisor,
        responding=row.state == HostState.RESPONDING,
        maintenance=row.maintenance,
        available_for_placement=row.available_for_placement,
        cpu_count=facts.cpu_count,
        accelerated=facts.acceleration is Acceleration.KVM,
        memory_total_mib=facts.memory_mib,
        volumes=tuple(
            Volume(
                id=volume.path,
                path=volume.path,
                capacity_mib=volume.capacity_bytes // _MIB,
                free_mib=volume.free_bytes // _MIB,
            )
            for volume in facts.volumes
        ),
        networks=frozenset(facts.networks),
        firmwares=frozenset(facts.firmwares),
        reserve=msgspec.convert(row.reserve, HostReserve) if row.reserve else HostReserve(),
    )
