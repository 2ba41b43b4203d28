"""Hosts × VMs: tables in tests/golden/placement that people review.

Write them anew with `UPDATE_GOLDEN=1 pytest tests/domain/placement/test_golden.py`, then read the difference.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hostler.domain.placement.fleet import decode
from hostler.domain.placement.model import Goal, Rating, Request
from hostler.domain.placement.rank import rank
from hostler.domain.placement.snapshot import Snapshot
from hostler.domain.placement.what_if import remedies

GOLDEN = Path(__file__).parents[2] / "golden" / "placement"
VMS = msgspec.json.decode((GOLDEN / "vms.json").read_bytes(), type=dict[str, Request])
SEED = 1


def fleet() -> Snapshot:
    return decode((GOLDEN / "fleet.json").read_bytes()).snapshot()


def transcript(name: str, request: Request) -> str:
    snapshot = fleet()
    lines = [f"VM {name}: see vms.json; hosts: see fleet.json; seed {SEED}"]
    for goal in Goal:
        ranking = rank(snapshot, request, goal=goal, seed=SEED)
        lines += ["", goal.value, f"{'host':<12}stars  {'cpu':<6}{'disk':<6}{'memory':<8}network  volume"]
        for rating in ranking.ratings:
            lines += _rows(rating)
    lines += ["", "what would make more hosts fit"]
    for remedy in remedies(snapshot, ranking):
        lines.append(f"{remedy.hosts} by {remedy.code}: {remedy.host_name}: {remedy.what_would_help}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _rows(rating: Rating) -> Iterator[str]:
    cpu, disk, memory, network = (f"{term.value:.2f}" for term in rating.terms)
    volume = rating.volume.path if rating.volume else "-"
    yield f"{rating.host_name:<12}{rating.stars:<7.1f}{cpu:<6}{disk:<6}{memory:<8}{network:<9}{volume}"
    for mark, reasons in (("zero", rating.zero_reasons), ("warn", rating.warnings)):
        for reason in reasons:
            yield f"    {mark} {reason.code}: {reason.text}: {reason.what_would_help}"
    if rating.preferences_missed:
        yield f"    preferences missed: {rating.preferences_missed}"


@pytest.mark.parametrize("name", VMS)
def test_the_table_is_as_reviewed(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    now = transcript(name, VMS[name])
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(now, encoding="utf-8")
    assert now == path.read_text(encoding="utf-8"), "read the difference; UPDATE_GOLDEN=1 writes it anew"


def test_no_table_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(VMS)
