"""Every bench runs, small, and says well-formed figures. How large they are is for `make bench` to tell."""

import math
from collections.abc import Iterable
from typing import Any

import pytest
from bench.__main__ import is_well, main, names
from bench.row import Row, YardstickMissingError

from bench import clone, guest, jobs, list_page, memory, placement, refresh

SMALL: dict[str, tuple[Any, dict[str, int]]] = {
    "clone": (clone, {"rounds": 1, "large_mib": 128}),
    "guest": (guest, {"rounds": 1}),
    "jobs": (jobs, {"rounds": 1, "jobs": 40, "dbos_jobs": 2}),
    "list_page": (list_page, {"small": 1_000, "large": 2_000}),
    "memory": (memory, {"hosts": 2, "vms": 20}),
    "placement": (placement, {"hosts": 200, "vms": 4_000}),
    "refresh": (refresh, {}),
}
"""Each bench and how it is made to take seconds; hail chooses among few nodes in less than its reading varies by."""


def check(rows: Iterable[Row]) -> None:
    found = list(rows)
    assert found
    assert len({(row.what, row.yardstick) for row in found}) == len(found)
    for row in found:
        assert row.what
        assert row.unit
        assert row.yardstick
        assert row.reach > 0
        assert all(math.isfinite(value) for value in (row.ours, row.yardstick_value, row.ratio)), row
        assert row.yardstick_value > 0, row


def test_every_bench_is_tried() -> None:
    assert names() == sorted(SMALL)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_small_run_says_figures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_page, "ROUNDS", 1)
    monkeypatch.setattr(list_page, "ROUND_SECONDS", 0.2)
    module, sizes = SMALL[name]
    try:
        check(module.rows(**sizes))
    except YardstickMissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    ("ratio", "reach", "higher_is_better", "well"),
    [(0.5, 0.5, True, True), (0.4, 0.5, True, False), (1.25, 1.25, False, True), (1.3, 1.25, False, False)],
)
def test_a_figure_is_well_at_its_reach(ratio: float, reach: float, *, higher_is_better: bool, well: bool) -> None:
    row = Row("what", ratio, "ms", "yardstick", 1, ratio, reach, higher_is_better)
    assert is_well(row) is well


def test_an_unknown_bench_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nonsense"])
    assert "list_page" in capsys.readouterr().err
