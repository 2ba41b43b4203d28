"""1 − disk operations / the most the host is trusted with."""

from hostler.domain.placement.criterion import Value, Weigher
from hostler.domain.placement.model import Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Value:
    load = request.disk_iops

    def value(candidate: Candidate) -> float:
        most = candidate.disk_iops_max
        return 1.0 - (candidate.disk_iops_used + load) / most if most > 0 else 0.0

    return value


WEIGHER = Weigher(name="disk", bind=_bind)
