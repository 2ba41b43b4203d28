"""The host has a logical processor for each virtual one: more would only slow the VM down."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Request
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    needed = request.vcpus

    def check(candidate: Candidate) -> Reason | None:
        count = candidate.host.cpu_count
        if needed <= count:
            return None
        return Reason(
            "processors",
            f"needs {needed} virtual processors, the host has {count} logical ones",
            f"lower the VM's processors to {count}, or choose a larger host",
            overridable=True,
        )

    return check


FILTER = Filter(code="processors", bind=_bind, overridable=True)
