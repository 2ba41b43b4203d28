"""Bare DBOS: a workflow of three steps that do nothing, without plan, locks, audit, events or undo.

It gets what made it fastest when it was tried: workflows and steps that are coroutines, 64 at once, in one process, and
WAL, which it does not set by itself. `synchronous=FULL` as ours.
"""

import asyncio
import sqlite3
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

from bench.contenders.contest import Outcome
from bench.row import YardstickMissingError

AT_ONCE = 64


def ensure_installed() -> None:
    """Raises YardstickMissingError without DBOS."""
    if find_spec("dbos") is None:
        raise YardstickMissingError("dbos is not here: `make bench` installs it (uv sync --group bench)")


async def _step(number: int) -> dict[str, int]:
    return {"ok": number}


@event.listens_for(Engine, "connect")
def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def run(path: Path, jobs: int) -> Outcome:
    """So many workflows, 64 at once."""
    # By name: what checks this file's types may not have DBOS.
    dbos = import_module("dbos").DBOS
    dbos(config={"name": "bench", "system_database_url": f"sqlite:///{path}", "log_level": "ERROR"})
    steps = [dbos.step(name=name)(_step) for name in ("first", "middle", "last")]

    async def work(number: int) -> int:
        for step in steps:
            await step(number)
        return number

    three_steps = dbos.workflow()(work)

    async def all_of_them() -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with places:
                await three_steps(number)

        await asyncio.gather(*(one(number) for number in range(jobs)))

    dbos.launch()
    begun = time.perf_counter()
    asyncio.run(all_of_them())
    seconds = time.perf_counter() - begun
    dbos.destroy()
    return Outcome(seconds, jobs)
