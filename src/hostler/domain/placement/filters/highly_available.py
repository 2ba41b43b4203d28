"""A highly available VM stands on a node of a cluster."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    if not request.highly_available:
        return None
    reason = Reason(
        "highly_available",
        "the VM is highly available, the host is in no cluster",
        "add the host to a cluster; or override this, and the VM is highly available no longer",
        overridable=True,
    )

    def check(candidate: Candidate) -> Reason | None:
        return None if candidate.host.cluster else reason

    return check


FILTER = Filter(code="highly_available", bind=_bind, overridable=True)
