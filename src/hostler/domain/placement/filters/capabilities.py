"""The host can do what the VM's hardware asks for."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    wanted = request.capabilities
    if not wanted:
        return None

    def check(candidate: Candidate) -> Reason | None:
        offered = candidate.host.capabilities
        if wanted <= offered:
            return None
        missing = ", ".join(sorted(wanted - offered))
        return Reason(
            "capabilities",
            f"the host cannot do {missing}",
            f"choose a host that can do {missing}, or take it out of the VM's hardware profile",
        )

    return check


FILTER = Filter(code="capabilities", bind=_bind)
