"""Bare DBOS: a workflow of three steps that do nothing, without plan, locks, audit, events or undo.

It gets what made it fastest when it was tried: workflows and steps that are coroutines, 64 at once, in one process, and
WAL, which it does not set by itself. `synchronous=FULL` as ours.
"""

import asyncio
import sqlite3
import time
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


@event.listens_for(Engine, "connect")
def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def run(path: Path, jobs: int) -> Outcome:
    """So many workflows, 64 at once."""
    from dbos import DBOS, DBOSConfig

    config = DBOSConfig(
        name="bench", system_database_url=f"sqlite:///{path}", log_level="ERROR", run_admin_server=False
    )
    DBOS(config=config)

    @DBOS.step()
    async def first(number: int) -> dict[str, int]:
        return {"ok": number}

    @DBOS.step()
    async def middle(number: int) -> dict[str, int]:
        return {"ok": number}

    @DBOS.step()
    async def last(number: int) -> dict[str, int]:
        return {"ok": number}

    @DBOS.workflow()
    async def three_steps(number: int) -> int:
        await first(number)
        await middle(number)
        await last(number)
        return number

    async def all_of_them() -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with places:
                await three_steps(number)

        await asyncio.gather(*(one(number) for number in range(jobs)))

    DBOS.launch()
    begun = time.perf_counter()
    asyncio.run(all_of_them())
    seconds = time.perf_counter() - begun
    DBOS.destroy()
    return Outcome(seconds, jobs)
