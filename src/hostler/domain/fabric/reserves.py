"""Host reserves: how much of a host must stay free for the host itself, in three ordered levels."""

from enum import StrEnum
from functools import lru_cache

import msgspec


class ReserveError(ValueError):
    """A reserve that cannot be: the text says which number, why, and what to do."""


class Unit(StrEnum):
    """What the numbers of a level are counted in."""

    PERCENT = "percent"
    MIB = "mib"
    IOPS = "iops"
    MBPS = "mbps"


class Levels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Three amounts that must stay free, in one unit: reserve ≤ start of optimisation ≤ placement.

    `reserve`: placing a VM may not leave less. `start_optimization`: with less free the host is relieved.
    `placement`: with less free a placement is possible but not wished for. An omitted level equals the
    level below it. Raises ReserveError when they are out of order or out of range.
    """

    reserve: float
    start_optimization: float | None = None
    placement: float | None = None
    unit: Unit = Unit.PERCENT
    enabled: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.reserve < float("inf"):
            raise ReserveError(f"the reserve level is {self.reserve:g}: give a number from 0 upwards")
        optimization, placement = self.optimization_level, self.placement_level
        if not self.reserve <= optimization <= placement < float("inf"):
            raise ReserveError(
                f"reserve levels out of order: reserve {self.reserve:g}, start of optimisation"
                f" {optimization:g}, placement {placement:g}: each must be at least the one before it"
            )
        if self.unit is Unit.PERCENT and placement > 100:
            raise ReserveError(f"the placement level is {placement:g} %: at most 100 % can stay free")

    @property
    def optimization_level(self) -> float:
        """The start of optimisation, in `unit`."""
        return self.reserve if self.start_optimization is None else self.start_optimization

    @property
    def placement_level(self) -> float:
        """The level under which a placement is not wished for, in `unit`."""
        return self.optimization_level if self.placement is None else self.placement


class HostReserve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reserves of a host, or of a host group whose hosts inherit them.

    `disk_iops_max` is the most disk operations a second that the host is trusted with; it holds for hosts
    whose own maximum is not known. `disk_io` is what must stay free below it. Raises ReserveError for a unit
    that the resource is not counted in.
    """

    cpu: Levels = Levels(reserve=10)
    memory: Levels = Levels(reserve=256, unit=Unit.MIB)
    disk_space: Levels = Levels(reserve=100, unit=Unit.MIB)
    disk_io: Levels = Levels(reserve=0, unit=Unit.IOPS)
    network: Levels = Levels(reserve=10)
    disk_iops_max: float = 10_000

    def __post_init__(self) -> None:
        for resource, absolute in _ABSOLUTE_UNIT.items():
            unit = getattr(self, resource).unit
            if unit is not Unit.PERCENT and unit is not absolute:
                allowed = f"percent or {absolute.value}" if absolute else "percent"
                raise ReserveError(f"the {resource} reserve is given in {unit.value}: use {allowed}")
        if not 0 < self.disk_iops_max < float("inf"):
            raise ReserveError(f"disk_iops_max is {self.disk_iops_max:g}: give a number above 0")


_ABSOLUTE_UNIT: dict[str, Unit | None] = {
    "cpu": None,
    "memory": Unit.MIB,
    "disk_space": Unit.MIB,
    "disk_io": Unit.IOPS,
    "network": Unit.MBPS,
}


class Margin(msgspec.Struct, frozen=True, gc=False):
    """Levels in the resource's own unit (percent of CPU and network, MiB, IOPS): what must stay free."""

    reserve: float
    optimization: float
    placement: float


@lru_cache(maxsize=4096)
def margin(levels: Levels, total: float) -> Margin:
    """Turns levels into amounts of a resource of which there is `total`; off means nothing stays free.

    CPU and network are measured in percent: their total is 100, and `margin_of_link` turns Mbps into it.
    """
    if not levels.enabled:
        return Margin(0.0, 0.0, 0.0)
    factor = total / 100 if levels.unit is Unit.PERCENT else 1.0
    return Margin(levels.reserve * factor, levels.optimization_level * factor, levels.placement_level * factor)


@lru_cache(maxsize=4096)
def margin_of_link(levels: Levels, link_mbps: float) -> Margin:
    """The network's margin in percent of the link; absolute levels need the link's speed, else they are 0."""
    if levels.unit is Unit.PERCENT or not levels.enabled:
        return margin(levels, 100.0)
    factor = 100 / link_mbps if link_mbps > 0 else 0.0
    return Margin(
        min(levels.reserve * factor, 100.0),
        min(levels.optimization_level * factor, 100.0),
        min(levels.placement_level * factor, 100.0),
    )


def inherited(own: HostReserve | None, *groups: HostReserve | None) -> HostReserve:
    """The reserve that holds for a host: its own, else of the nearest group that has one, else the defaults.

    `groups` go from the host's group up to the root.
    """
    return next((reserve for reserve in (own, *groups) if reserve is not None), HostReserve())
