"""The host has nothing that wants attention."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    del request

    def check(candidate: Candidate) -> Reason | None:
        status = candidate.host.status
        if status == "ok":
            return None
        return Reason(
            "status",
            f"the host's status is {status}, not ok",
            "look into what the host reports",
            overridable=True,
        )

    return check


FILTER = Filter(code="status", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
