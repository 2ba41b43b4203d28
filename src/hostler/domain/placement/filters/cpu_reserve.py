"""The expected load leaves the host's processor reserve free: a rate, so it slows and does not stop."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    load = request.vcpus * request.cpu_expected_percent

    def check(candidate: Candidate) -> Reason | None:
        reserve = candidate.cpu.reserve
        free = 100.0 - candidate.cpu_used_percent - load / (candidate.host.cpu_count or 1)
        if free >= reserve:
            return None
        return Reason(
            "cpu_reserve",
            f"leaves {max(0.0, free):.1f} % of CPU free, the reserve is {reserve:.1f} %",
            f"free {reserve - free:.1f} % of CPU, or lower the VM's expected CPU use",
            overridable=True,
        )

    return check


FILTER = Filter(code="cpu_reserve", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
