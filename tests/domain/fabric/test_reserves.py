import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.domain.fabric.reserves import (
    HostReserve,
    Levels,
    Margin,
    ReserveError,
    Unit,
    inherited,
    margin,
    margin_of_link,
)


def test_the_defaults_are_those_of_scvmm() -> None:
    reserve = HostReserve()
    assert (reserve.cpu.reserve, reserve.cpu.unit) == (10, Unit.PERCENT)
    assert (reserve.memory.reserve, reserve.memory.unit) == (256, Unit.MIB)
    assert (reserve.disk_space.reserve, reserve.disk_space.unit) == (100, Unit.MIB)
    assert reserve.disk_iops_max == 10_000
    assert (reserve.network.reserve, reserve.network.unit) == (10, Unit.PERCENT)


@pytest.mark.parametrize("levels", list(itertools.permutations((10.0, 20.0, 30.0))))
def test_only_ascending_levels_are_accepted(levels: tuple[float, float, float]) -> None:
    reserve, optimization, placement = levels
    if levels == (10.0, 20.0, 30.0):
        assert Levels(reserve=10, start_optimization=20, placement=30).placement_level == 30
        return
    with pytest.raises(ReserveError, match="out of order"):
        Levels(reserve=reserve, start_optimization=optimization, placement=placement)


@given(*[st.floats(min_value=0, max_value=100)] * 3)
def test_levels_are_refused_exactly_when_out_of_order(low: float, middle: float, high: float) -> None:
    in_order = low <= middle <= high
    try:
        Levels(reserve=low, start_optimization=middle, placement=high)
    except ReserveError:
        assert not in_order
    else:
        assert in_order


def test_an_omitted_level_equals_the_one_below() -> None:
    assert Levels(reserve=10).placement_level == 10
    assert Levels(reserve=10, start_optimization=15).placement_level == 15


@pytest.mark.parametrize("reserve", [-1, float("nan"), float("inf")])
def test_a_reserve_that_is_no_amount_is_refused(reserve: float) -> None:
    with pytest.raises(ReserveError, match="from 0 upwards"):
        Levels(reserve=reserve, unit=Unit.MIB)


def test_more_than_all_cannot_stay_free() -> None:
    with pytest.raises(ReserveError, match="at most 100 %"):
        Levels(reserve=101)


@pytest.mark.parametrize(
    ("resource", "unit"),
    [("cpu", Unit.MIB), ("memory", Unit.MBPS), ("disk_space", Unit.IOPS), ("network", Unit.MIB)],
)
def test_a_resource_is_counted_in_its_own_unit_or_percent(resource: str, unit: Unit) -> None:
    with pytest.raises(ReserveError, match=f"the {resource} reserve is given in {unit.value}"):
        msgspec.structs.replace(HostReserve(), **{resource: Levels(reserve=1, unit=unit)})


def test_a_host_needs_some_disk_operations() -> None:
    with pytest.raises(ReserveError, match="disk_iops_max"):
        HostReserve(disk_iops_max=0)


@pytest.mark.parametrize(
    ("levels", "total", "expected"),
    [
        (Levels(reserve=256, placement=512, unit=Unit.MIB), 4096, Margin(256, 256, 512)),
        (Levels(reserve=25, start_optimization=50), 4096, Margin(1024, 2048, 2048)),
        (Levels(reserve=25, enabled=False), 4096, Margin(0, 0, 0)),
    ],
)
def test_a_margin_is_an_amount_of_the_resource(levels: Levels, total: float, expected: Margin) -> None:
    assert margin(levels, total) == expected


@pytest.mark.parametrize(
    ("levels", "link_mbps", "reserve_percent"),
    [
        (Levels(reserve=10), 1000, 10),
        (Levels(reserve=250, unit=Unit.MBPS), 1000, 25),
        (Levels(reserve=250, unit=Unit.MBPS), 100, 100),
        (Levels(reserve=250, unit=Unit.MBPS), 0, 0),
    ],
)
def test_a_network_reserve_in_mbps_needs_the_link(levels: Levels, link_mbps: float, reserve_percent: float) -> None:
    assert margin_of_link(levels, link_mbps).reserve == reserve_percent


def test_a_host_inherits_from_the_nearest_group_unless_it_has_its_own() -> None:
    own, near, root = (HostReserve(cpu=Levels(reserve=n)) for n in (1, 2, 3))
    assert inherited(own, near, root) is own
    assert inherited(None, near, root) is near
    assert inherited(None, None, root) is root
    assert inherited(None, None) == HostReserve()
