"""No other VM of the same availability set runs on the host."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    wanted = request.availability_set
    if not wanted:
        return None
    reason = Reason(
        "availability_set",
        f"another VM of the availability set {wanted} is on the host",
        "choose a host without one, or move that VM away",
        overridable=True,
    )

    def check(candidate: Candidate) -> Reason | None:
        return reason if wanted in candidate.availability_sets else None

    return check


FILTER = Filter(code="availability_set", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
