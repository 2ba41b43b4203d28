"""1 − network use / (100 − reserve); the link's speed only turns the VM's Mbps into percent."""

from math import inf

from hostler.domain.placement.criterion import Value, Weigher
from hostler.domain.placement.model import Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Value:
    load = 100 * request.network_mbps

    def value(candidate: Candidate) -> float:
        ceiling = 100.0 - candidate.network.reserve
        if ceiling <= 0:
            return 0.0
        return 1.0 - (candidate.network_used_percent + load / (candidate.host.network_capacity_mbps or inf)) / ceiling

    return value


WEIGHER = Weigher(name="network", bind=_bind)
