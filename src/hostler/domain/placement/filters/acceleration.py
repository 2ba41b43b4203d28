"""The host's processor runs guests itself; emulated guests work, but slowly."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    del request
    reason = Reason(
        "acceleration",
        "the host has no hardware virtualisation, so its guests are emulated and slow",
        "switch virtualisation on in the host's firmware, or choose another host",
        overridable=True,
    )

    def check(candidate: Candidate) -> Reason | None:
        return None if candidate.host.accelerated else reason

    return check


FILTER = Filter(code="acceleration", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
