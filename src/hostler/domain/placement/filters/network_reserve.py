"""The expected traffic leaves the host's network reserve free."""

from math import inf

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    load = 100 * request.network_mbps

    def check(candidate: Candidate) -> Reason | None:
        reserve = candidate.network.reserve
        free = 100.0 - candidate.network_used_percent - load / (candidate.host.network_capacity_mbps or inf)
        if free >= reserve:
            return None
        return Reason(
            "network_reserve",
            f"leaves {max(0.0, free):.1f} % of network free, the reserve is {reserve:.1f} %",
            f"free {reserve - free:.1f} % of network, or lower the VM's expected traffic",
            overridable=True,
        )

    return check


FILTER = Filter(code="network_reserve", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
