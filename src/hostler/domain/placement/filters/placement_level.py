"""With the VM on it, the host keeps as much free as its placement levels wish, above the bare reserve."""

from math import inf

from hostler.domain.fabric.reserves import Margin
from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    def check(candidate: Candidate) -> Reason | None:
        if not candidate.has_placement_levels:
            return None
        short = [
            f"{max(0.0, free):.0f} {unit} of {what} ({margin.placement:.0f} wished for)"
            for what, unit, free, margin in _left(candidate, request)
            if margin.reserve <= free < margin.placement
        ]
        if not short:
            return None
        return Reason(
            "placement_level",
            f"under the host's placement level, would leave free: {', '.join(short)}",
            "choose a host with more free, or lower the placement level of this one",
            overridable=True,
        )

    return check


def _left(candidate: Candidate, request: Request) -> list[tuple[str, str, float, Margin]]:
    host = candidate.host
    cpu = candidate.cpu_used_percent + request.vcpus * request.cpu_expected_percent / (host.cpu_count or 1)
    network = candidate.network_used_percent + 100 * request.network_mbps / (host.network_capacity_mbps or inf)
    left = [
        ("CPU", "%", 100.0 - cpu, candidate.cpu),
        (
            "memory",
            "MiB",
            host.memory_total_mib - candidate.memory_used_mib - request.memory_mib,
            candidate.memory,
        ),
        (
            "disk operations",
            "IOPS",
            candidate.disk_iops_max - candidate.disk_iops_used - request.disk_iops,
            candidate.disk_io,
        ),
        ("network", "%", 100.0 - network, candidate.network),
    ]
    if candidate.volumes:
        roomiest = candidate.volumes[0]
        free = roomiest.volume.free_mib - request.disk_needed_mib
        left.append(("disk space", "MiB", free, roomiest.margin))
    return left


FILTER = Filter(code="placement_level", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
