"""The host is open to placement."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    del request
    reason = Reason(
        "available",
        "the host is closed to placement",
        "set the host available for placement",
    )

    def check(candidate: Candidate) -> Reason | None:
        return None if candidate.host.available_for_placement else reason

    return check


FILTER = Filter(code="available", bind=_bind)
