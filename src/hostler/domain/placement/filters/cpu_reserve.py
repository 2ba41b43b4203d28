"""The expected load leaves the host's processor reserve free: a rate, so it slows and does not stop."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.shortfall import rate_shortfall
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    of_one_processor = request.vcpus * request.cpu_expected_percent

    def check(candidate: Candidate) -> Reason | None:
        total, used, reserve = 100.0, candidate.cpu_used_percent, candidate.cpu.reserve
        load = of_one_processor / (candidate.host.cpu_count or 1)
        if total - used - load >= reserve:
            return None
        return rate_shortfall(
            "cpu_reserve",
            "CPU",
            "%",
            total=total,
            used=used,
            load=load,
            reserve=reserve,
            expected=request.cpu_expected_percent,
        )

    return check


FILTER = Filter(code="cpu_reserve", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
