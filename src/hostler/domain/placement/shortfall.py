"""The reason for a rate (CPU, disk operations, network) that would leave less free than the reserve."""

from math import ceil, floor

from hostler.domain.placement.model import Reason


def rate_shortfall(
    code: str, what: str, unit: str, *, total: float, used: float, load: float, reserve: float, expected: float
) -> Reason:
    """Says what is missing, and only what can be done about it.

    `total`, `used`, the VM's own `load` and `reserve` are in `unit`; `expected` is the same load as the
    request states it.
    """
    free = total - used - load
    missing = reserve - free
    helps = []
    # Rounded so that following the advice suffices: what to free goes up, what the VM may expect goes down.
    if missing <= used:
        helps.append(f"free {ceil(missing * 10) / 10:g} {unit} of {what}")
    if load > missing:
        lowered = floor(10 * expected * (1 - missing / load)) / 10
        helps.append(f"lower the VM's expected {what} from {expected:g} to {lowered:g}")
    return Reason(
        code,
        f"leaves {max(0.0, free):.1f} {unit} of {what} free, the reserve is {reserve:.1f} {unit}",
        ", or ".join(helps) or "choose a host with more to give",
        overridable=True,
    )
