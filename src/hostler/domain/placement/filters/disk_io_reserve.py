"""The expected disk operations stay under the host's maximum less its reserve."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    load = request.disk_iops

    def check(candidate: Candidate) -> Reason | None:
        reserve = candidate.disk_io.reserve
        free = candidate.disk_iops_max - candidate.disk_iops_used - load
        if free >= reserve:
            return None
        return Reason(
            "disk_io_reserve",
            f"leaves {max(0.0, free):.1f} IOPS of disk operations free, the reserve is {reserve:.1f} IOPS",
            f"free {reserve - free:.1f} IOPS of disk operations, or lower the VM's expected disk operations",
            overridable=True,
        )

    return check


FILTER = Filter(code="disk_io_reserve", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
