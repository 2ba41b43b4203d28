"""The host answers: what is not seen cannot be trusted with a VM."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    del request
    reason = Reason(
        "responding",
        "the host does not respond",
        "bring the host or its agent back, then refresh it",
    )

    def check(candidate: Candidate) -> Reason | None:
        return None if candidate.host.responding else reason

    return check


FILTER = Filter(code="responding", bind=_bind)
