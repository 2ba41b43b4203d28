"""The expected disk operations stay under the host's maximum less its reserve."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.shortfall import rate_shortfall
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    load = request.disk_iops

    def check(candidate: Candidate) -> Reason | None:
        total, used, reserve = candidate.disk_iops_max, candidate.disk_iops_used, candidate.disk_io.reserve
        if total - used - load >= reserve:
            return None
        return rate_shortfall(
            "disk_io_reserve",
            "disk operations",
            "IOPS",
            total=total,
            used=used,
            load=load,
            reserve=reserve,
            expected=load,
        )

    return check


FILTER = Filter(code="disk_io_reserve", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
