"""The host is among those that the VM likes best."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    preferred = request.preferred_hosts
    if not preferred:
        return None
    reason = Reason(
        "preferred_hosts",
        "the host is not among the preferred owners of the VM",
        "add the host to the VM's preferred owners",
        overridable=True,
    )

    def check(candidate: Candidate) -> Reason | None:
        return None if candidate.host.id in preferred else reason

    return check


FILTER = Filter(code="preferred_hosts", bind=_bind, strength=Strength.FAVOR, overridable=True)
