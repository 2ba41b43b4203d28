"""The hosts as placement sees them: loads of VMs summed and reserves resolved, once for many decisions."""

from collections.abc import Iterable
from itertools import pairwise
from operator import attrgetter
from typing import Self

import msgspec

from hostler.domain.fabric.reserves import Margin, margin, margin_of_link
from hostler.domain.placement.model import HostSnapshot, PlacementError, VmLoad, Volume


class HostLoad(msgspec.Struct, kw_only=True):
    """The sum over the VMs of one host; what is switched off takes nothing but its availability set."""

    vm_count: int = 0
    memory_mib: int = 0
    cpu_used_processors: float = 0
    disk_iops: float = 0
    network_mbps: float = 0
    availability_sets: set[str] = msgspec.field(default_factory=set)


class RoomyVolume(msgspec.Struct, frozen=True, gc=False):
    """A volume open to placement, and the space on it that is free after the host's reserve."""

    volume: Volume
    spare_mib: float
    margin: Margin


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A host ready to be rated: what is used, and the margins in the unit of each resource.

    CPU and network in percent, memory and disk in MiB. `volumes` has the roomiest first.
    """

    host: HostSnapshot
    cpu_used_percent: float
    cpu: Margin
    memory_used_mib: float
    memory: Margin
    disk_iops_used: float
    disk_iops_max: float
    disk_io: Margin
    network_used_percent: float
    network: Margin
    volumes: tuple[RoomyVolume, ...]
    has_placement_levels: bool
    availability_sets: frozenset[str]


class Snapshot(msgspec.Struct, frozen=True):
    """The candidates of a decision, by id: made once per change of the facts, and only read by rating."""

    candidates: tuple[Candidate, ...]

    @classmethod
    def of(cls, hosts: Iterable[HostSnapshot], vms: Iterable[VmLoad] = ()) -> Self:
        """Sums the VMs per host and resolves each reserve. Raises PlacementError for two hosts of one id."""
        loads = aggregate(vms)
        known = sorted(hosts, key=attrgetter("id"))
        if any(one.id == two.id for one, two in pairwise(known)):
            raise PlacementError("two hosts have the same id: every host of a snapshot needs its own")
        return cls(tuple(_candidate(host, loads.get(host.id, _NO_LOAD)) for host in known))

    def within(self, group_path: str) -> Self:
        """The hosts of a host group and of its children."""
        group = group_path.rstrip("/") + "/"
        inside = (c for c in self.candidates if f"{c.host.group_path.rstrip('/')}/".startswith(group))
        return type(self)(tuple(inside))

    def only(self, host_id: str) -> Self:
        """One host; none when it was never read."""
        return type(self)(tuple(c for c in self.candidates if c.host.id == host_id))

    def without(self, vm: VmLoad) -> Self:
        """The hosts as they will be once a running VM has left its own: so that migration rates it there too.

        Leave the VM out of the `vms` of `of`; what is taken off here is its part of the measured counters.
        """
        return type(self)(
            tuple(_relieved(c, vm) if c.host.id == vm.host_id and vm.running else c for c in self.candidates)
        )


def _relieved(candidate: Candidate, vm: VmLoad) -> Candidate:
    host = candidate.host
    cpu = _percent(vm.vcpus * vm.cpu_used_percent / 100, host.cpu_count)
    network = _percent(vm.network_mbps, host.network_capacity_mbps)
    return msgspec.structs.replace(
        candidate,
        cpu_used_percent=max(0.0, candidate.cpu_used_percent - cpu),
        memory_used_mib=max(0.0, candidate.memory_used_mib - vm.memory_mib),
        disk_iops_used=max(0.0, candidate.disk_iops_used - vm.disk_iops),
        network_used_percent=max(0.0, candidate.network_used_percent - network),
    )


def aggregate(vms: Iterable[VmLoad]) -> dict[str, HostLoad]:
    """The loads of the VMs, added up per host id."""
    loads: dict[str, HostLoad] = {}
    for vm in vms:
        load = loads.get(vm.host_id)
        if load is None:
            load = loads[vm.host_id] = HostLoad()
        load.vm_count += 1
        if vm.availability_set:
            load.availability_sets.add(vm.availability_set)
        if vm.running:
            load.memory_mib += vm.memory_mib
            load.cpu_used_processors += vm.vcpus * vm.cpu_used_percent / 100
            load.disk_iops += vm.disk_iops
            load.network_mbps += vm.network_mbps
    return loads


_NO_LOAD = HostLoad()


def _candidate(host: HostSnapshot, load: HostLoad) -> Candidate:
    reserve = host.reserve
    iops_max = reserve.disk_iops_max if host.disk_iops_max is None else host.disk_iops_max
    link = host.network_capacity_mbps
    return Candidate(
        host=host,
        cpu_used_percent=_measured(host.cpu_used_percent, _percent(load.cpu_used_processors, host.cpu_count)),
        cpu=margin(reserve.cpu, 100.0),
        # Memory promised to running VMs is taken even while their guests have not touched it yet.
        memory_used_mib=max(host.memory_used_mib or 0, load.memory_mib),
        memory=margin(reserve.memory, host.memory_total_mib),
        disk_iops_used=_measured(host.disk_iops_used, load.disk_iops),
        disk_iops_max=iops_max,
        disk_io=margin(reserve.disk_io, iops_max),
        network_used_percent=_measured(host.network_used_percent, _percent(load.network_mbps, link)),
        network=margin_of_link(reserve.network, link),
        volumes=_roomiest_first(host),
        has_placement_levels=any(
            levels.enabled and levels.placement_level > levels.reserve
            for levels in (reserve.cpu, reserve.memory, reserve.disk_space, reserve.disk_io, reserve.network)
        ),
        availability_sets=frozenset(load.availability_sets),
    )


def _measured(counter: float | None, of_vms: float) -> float:
    return of_vms if counter is None else counter


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole > 0 else 0.0


def _roomiest_first(host: HostSnapshot) -> tuple[RoomyVolume, ...]:
    rooms = []
    for volume in host.volumes:
        if volume.available_for_placement:
            kept = margin(host.reserve.disk_space, volume.capacity_mib)
            rooms.append(RoomyVolume(volume, volume.free_mib - kept.reserve, kept))
    rooms.sort(key=lambda room: (-room.spare_mib, room.volume.id))
    return tuple(rooms)
