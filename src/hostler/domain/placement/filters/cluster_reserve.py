"""A highly available VM does not go to a cluster that could no longer restart all of them."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    if not request.highly_available:
        return None

    def check(candidate: Candidate) -> Reason | None:
        if not candidate.host.cluster_overcommitted:
            return None
        return Reason(
            "cluster_reserve",
            f"the cluster {candidate.host.cluster} is over-committed",
            "add a node or free memory in the cluster, or lower its reserve",
            overridable=True,
        )

    return check


FILTER = Filter(code="cluster_reserve", bind=_bind, overridable=True)
