"""Three-step jobs on SQLite with `synchronous=FULL`: our engine, raw transactions of the same rows, bare DBOS.

Each contender runs in a fresh process on a new file; rounds take turns, and the median counts. On the temporary
folder's disk the commits' way to it counts as much as the engine; in memory (/dev/shm) only the engine's own work is
left, the hardest case: it is shown too, since a faster disk comes closer to it.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.contenders import bare_dbos, ours, raw
from bench.contenders.contest import Contender, Outcome, run_apart
from bench.row import Row

MEMORY = Path("/dev/shm")


class Round(NamedTuple):
    """One turn of each."""

    ours: Outcome
    raw: Outcome
    dbos: Outcome
    limited: Outcome


def rows(*, rounds: int = 5, jobs: int = 1_000, dbos_jobs: int = 100) -> Iterator[Row]:
    """The figures of jobs. Raises YardstickMissingError without DBOS."""
    bare_dbos.ensure_installed()
    places = [("on disk", Path(tempfile.gettempdir()))]
    if MEMORY.is_dir():
        places.append(("in memory", MEMORY))
    for where, folder in places:
        turns = [_round(folder, jobs, dbos_jobs) for _ in range(rounds)]
        yield from _rates(where, turns)
        yield from _limits(where, turns)


def _round(folder: Path, jobs: int, dbos_jobs: int) -> Round:
    turn = Round(
        ours=_run(ours.run, folder, jobs),
        raw=_run(raw.run, folder, jobs),
        dbos=_run(bare_dbos.run, folder, dbos_jobs),
        limited=_run(ours.run_limited, folder, jobs),
    )
    # Our count holds the renewals of the worker's lease too, one a second.
    if not turn.raw.rows_changed <= turn.ours.rows_changed <= turn.raw.rows_changed + turn.ours.seconds + 2:
        raise RuntimeError(f"{turn.ours} and {turn.raw} do not change the same rows: no yardstick")
    return turn


def _run(contender: Contender, folder: Path, jobs: int) -> Outcome:
    with tempfile.TemporaryDirectory(dir=folder, prefix="hostler-bench-") as own:
        return run_apart(contender, Path(own) / "jobs.sqlite", jobs)


def _rates(where: str, turns: list[Round]) -> Iterator[Row]:
    per_second = median(turn.ours.per_second for turn in turns)
    limited = median(turn.limited.per_second for turn in turns)
    bare = median(turn.raw.per_second for turn in turns)
    dbos = median(turn.dbos.per_second for turn in turns)
    same_rows, same_steps = "raw transactions of the same rows", "bare DBOS"
    jobs, hosts = f"three-step jobs {where}", f"the same over hosts, limit {ours.LIMIT}, {where}"
    for what, figure in ((jobs, per_second), (hosts, limited)):
        yield Row(what, figure, "jobs/s", same_rows, bare, figure / bare, 0.5, higher_is_better=True)
        yield Row(what, figure, "jobs/s", same_steps, dbos, figure / dbos, 2.0, higher_is_better=True)


def _limits(where: str, turns: list[Round]) -> Iterator[Row]:
    most = max(turn.limited.most_at_once for turn in turns)
    latest = max(turn.limited.latest_start for turn in turns)
    yield Row(
        what=f"most jobs of one host at once {where}",
        ours=most,
        unit="jobs",
        yardstick="the limit",
        yardstick_value=ours.LIMIT,
        ratio=most / ours.LIMIT,
        reach=1.0,
        higher_is_better=False,
    )
    yield Row(
        what=f"latest first start of a host after its turn {where}",
        ours=latest,
        unit="jobs",
        yardstick="jobs that run at once",
        yardstick_value=ours.AT_ONCE,
        ratio=latest / ours.AT_ONCE,
        reach=1.0,
        higher_is_better=False,
    )
