"""The VM's memory fits beside what is used and what the host keeps for itself."""

from math import ceil, floor

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    needed = request.memory_mib

    def check(candidate: Candidate) -> Reason | None:
        spare = candidate.host.memory_total_mib - candidate.memory_used_mib - candidate.memory.reserve
        if needed <= spare:
            return None
        return _reason(needed, spare, candidate)

    return check


def _reason(needed: int, spare: float, candidate: Candidate) -> Reason:
    # Rounded so that following the advice always suffices: room down, shortfall up.
    room, missing = max(0, floor(spare)), ceil(needed - spare)
    reserve = candidate.memory.reserve
    helps = []
    if missing <= candidate.memory_used_mib:
        helps.append(f"free {missing} MiB")
    else:
        helps.append(f"choose a host of {ceil(needed + reserve)} MiB or more")
    if room:
        helps.append(f"lower the VM's memory to {room} MiB")
    return Reason(
        "memory",
        f"needs {needed} MiB of memory, {room} MiB free after the reserve of {reserve:.0f} MiB",
        ", or ".join(helps),
    )


FILTER = Filter(code="memory", bind=_bind)
