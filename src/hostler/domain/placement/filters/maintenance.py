"""The host is not in maintenance mode."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    del request
    reason = Reason(
        "maintenance",
        "the host is in maintenance mode",
        "take the host out of maintenance mode",
    )

    def check(candidate: Candidate) -> Reason | None:
        return reason if candidate.host.maintenance else None

    return check


FILTER = Filter(code="maintenance", bind=_bind)
