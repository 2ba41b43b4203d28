"""The host is among those that the VM may run on."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    possible = request.possible_hosts
    if not possible:
        return None
    reason = Reason(
        "possible_hosts",
        "the host is not among the possible owners of the VM",
        "add the host to the VM's possible owners",
        overridable=True,
    )

    def check(candidate: Candidate) -> Reason | None:
        return None if candidate.host.id in possible else reason

    return check


FILTER = Filter(code="possible_hosts", bind=_bind, overridable=True)
