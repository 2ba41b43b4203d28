"""1 − memory used / (total − reserve)."""

from hostler.domain.placement.criterion import Value, Weigher
from hostler.domain.placement.model import Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Value:
    load = request.memory_mib

    def value(candidate: Candidate) -> float:
        ceiling = candidate.host.memory_total_mib - candidate.memory.reserve
        return 1.0 - (candidate.memory_used_mib + load) / ceiling if ceiling > 0 else 0.0

    return value


WEIGHER = Weigher(name="memory", bind=_bind)
