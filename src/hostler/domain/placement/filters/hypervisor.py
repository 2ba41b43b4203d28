"""The host runs the hypervisor that the VM is made for."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    wanted = request.hypervisor
    if not wanted:
        return None

    def check(candidate: Candidate) -> Reason | None:
        hypervisor = candidate.host.hypervisor
        if hypervisor == wanted:
            return None
        return Reason(
            "hypervisor",
            f"the VM is for {wanted}, the host runs {hypervisor}",
            f"choose a {wanted} host, or convert the VM to {hypervisor}",
        )

    return check


FILTER = Filter(code="hypervisor", bind=_bind)
