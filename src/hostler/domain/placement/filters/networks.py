"""The host is connected to each network, or has each network tag, that the VM asks for."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    wanted = request.networks
    if not wanted:
        return None

    def check(candidate: Candidate) -> Reason | None:
        offered = candidate.host.networks
        if wanted <= offered:
            return None
        missing = ", ".join(sorted(wanted - offered))
        return Reason(
            "networks",
            f"no connection to the network {missing}",
            f"connect the host to {missing}, or choose other networks for the VM",
            overridable=True,
        )

    return check


FILTER = Filter(code="networks", bind=_bind, overridable=True)
