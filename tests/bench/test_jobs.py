"""What the engine is measured as and against does the same work, and its limits hold."""

from pathlib import Path

from bench.contenders import ours, raw
from bench.contenders.contest import run_apart

JOBS = 60


def test_raw_transactions_change_the_rows_that_ours_change(tmp_path: Path) -> None:
    engine, bare = run_apart(ours.run, tmp_path / "ours", JOBS), run_apart(raw.run, tmp_path / "raw", JOBS)
    renewals = int(engine.seconds) + 1
    assert bare.rows_changed <= engine.rows_changed <= bare.rows_changed + renewals


def test_limits_hold_and_every_host_has_its_turn(tmp_path: Path) -> None:
    outcome = run_apart(ours.run_limited, tmp_path / "limited", JOBS)
    assert outcome.most_at_once == ours.LIMIT
    assert outcome.latest_start <= ours.AT_ONCE
