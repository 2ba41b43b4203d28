"""The expected traffic leaves the host's network reserve free."""

from math import inf

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.shortfall import rate_shortfall
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    of_one_mbps = 100 * request.network_mbps

    def check(candidate: Candidate) -> Reason | None:
        total, used, reserve = 100.0, candidate.network_used_percent, candidate.network.reserve
        load = of_one_mbps / (candidate.host.network_capacity_mbps or inf)
        if total - used - load >= reserve:
            return None
        return rate_shortfall(
            "network_reserve",
            "network",
            "%",
            total=total,
            used=used,
            load=load,
            reserve=reserve,
            expected=request.network_mbps,
        )

    return check


FILTER = Filter(code="network_reserve", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
