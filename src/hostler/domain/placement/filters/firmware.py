"""The host can start guests of the VM's firmware."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    wanted = request.firmware
    if not wanted:
        return None

    def check(candidate: Candidate) -> Reason | None:
        if wanted in candidate.host.firmwares:
            return None
        offered = ", ".join(sorted(candidate.host.firmwares)) or "none"
        return Reason(
            "firmware",
            f"the VM's firmware is {wanted}, the host offers {offered}",
            f"install {wanted} firmware on the host, or choose another firmware for the VM",
        )

    return check


FILTER = Filter(code="firmware", bind=_bind)
