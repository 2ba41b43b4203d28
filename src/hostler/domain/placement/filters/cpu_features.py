"""The host's processor has the features that the VM asks for."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    wanted = request.cpu_features
    if not wanted:
        return None

    def check(candidate: Candidate) -> Reason | None:
        offered = candidate.host.cpu_features
        if wanted <= offered:
            return None
        missing = ", ".join(sorted(wanted - offered))
        return Reason(
            "cpu_features",
            f"the host's processor lacks {missing}",
            f"choose a host that has {missing}, or allow migration to other processor versions",
        )

    return check


FILTER = Filter(code="cpu_features", bind=_bind)
