"""1 − CPU use / (100 − reserve), the VM's virtual processors counted in the host's."""

from hostler.domain.placement.criterion import Value, Weigher
from hostler.domain.placement.model import Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Value:
    load = request.vcpus * request.cpu_expected_percent

    def value(candidate: Candidate) -> float:
        ceiling = 100.0 - candidate.cpu.reserve
        count = candidate.host.cpu_count
        if ceiling <= 0 or count <= 0:
            return 0.0
        return 1.0 - (candidate.cpu_used_percent + load / count) / ceiling

    return value


WEIGHER = Weigher(name="cpu", bind=_bind)
