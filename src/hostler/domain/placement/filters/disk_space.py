"""One volume of the host has room for all of the VM's disks."""

from math import ceil, floor

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate, RoomyVolume


def _bind(request: Request) -> Check | None:
    needed = request.disk_needed_mib

    def check(candidate: Candidate) -> Reason | None:
        volumes = candidate.volumes
        if volumes and needed <= volumes[0].spare_mib:
            return None
        return _full(needed, volumes[0]) if volumes else _no_volume(candidate)

    return check


def _full(needed: int, roomiest: RoomyVolume) -> Reason:
    # Rounded so that following the advice always suffices: room down, shortfall up.
    room, missing = max(0, floor(roomiest.spare_mib)), ceil(needed - roomiest.spare_mib)
    kept, volume = roomiest.margin.reserve, roomiest.volume
    helps = [f"free {missing} MiB on {volume.path}"] if volume.free_mib + missing <= volume.capacity_mib else []
    if room:
        helps.append(f"lower the VM's disk space to {room} MiB")
    helps.append(f"add a volume with {ceil(needed + kept)} MiB free")
    return Reason(
        "disk_space",
        f"needs {needed} MiB on one volume, {room} MiB free on {volume.path}, the roomiest,"
        f" after the reserve of {kept:.0f} MiB",
        ", or ".join(helps),
    )


def _no_volume(candidate: Candidate) -> Reason:
    if candidate.host.volumes:
        return Reason(
            "disk_space", "no volume of the host is open to placement", "set a volume available for placement"
        )
    return Reason("disk_space", "the host has no volume for VMs", "add a volume or a VM path to the host")


FILTER = Filter(code="disk_space", bind=_bind)
