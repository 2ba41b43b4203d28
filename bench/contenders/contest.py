"""Runs one contender in a process of its own and hears what it did."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """`rows_changed` is by SQLite's own count, from the first job to the last; 0 where it was not asked.

    `most_at_once` is of one host. `latest_start`: by how many places of the order in which jobs were asked for a host's
    first job began later than it was asked for; more than the worker runs at once would be starving.
    """

    seconds: float
    jobs: int
    rows_changed: int = 0
    most_at_once: int = 0
    latest_start: int = 0

    @property
    def per_second(self) -> float:
        return self.jobs / self.seconds


Contender = Callable[[Path, int], Outcome]
"""Runs so many jobs on a new database file."""


def run_apart(contender: Contender, path: Path, jobs: int) -> Outcome:
    """The contender's outcome, from a process that has loaded nothing else."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(contender, path, jobs, there))
    process.start()
    there.close()
    try:
        outcome = here.recv()
    except EOFError as gone:
        process.join()
        raise RuntimeError(f"{contender.__module__} ended with {process.exitcode} and said nothing") from gone
    process.join()
    assert isinstance(outcome, Outcome)
    return outcome


def _run(contender: Contender, path: Path, jobs: int, told: Pipe) -> None:
    told.send(contender(path, jobs))
    told.close()
