"""Our engine: every job is accepted as the API accepts it, and run by the worker beside it."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, func, insert, select

from bench.contenders.contest import Outcome
from hostler.domain.access.rights import Caller, Rights
from hostler.jobs.acceptance import Request
from hostler.jobs.engine import Engine
from hostler.jobs.states import JobState
from hostler.jobs.worker import Worker
from hostler.providers.contract import Provider
from hostler.store.queries.access import SYSTEM_USER
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import job, job_limit, metadata

OPERATION = "three-steps.run"
"""Registered where it is run: in the process of its own, and nowhere else."""
CALLER = Caller(user_id=SYSTEM_USER, user_name="bench", rights=Rights(privileges=None), source="127.0.0.1")
AT_ONCE = 64
LIMIT = 2
BUSY = 10
"""Hosts that half of all limited jobs are for."""


class NoServices:
    """The steps that are measured need nothing."""

    async def provider(self, host_id: str) -> Provider:
        raise LookupError(host_id)


def run(path: Path, jobs: int) -> Outcome:
    """All of them without a limit, from the first acceptance to the last end."""
    return asyncio.run(_run(path, jobs))


def run_limited(path: Path, jobs: int) -> Outcome:
    """All are queued before the first runs, for half as many hosts, `LIMIT` at once each; half are for `BUSY` hosts."""
    return asyncio.run(_run_limited(path, jobs))


async def _run(path: Path, jobs: int) -> Outcome:
    database, worker, engine = _open(path)
    await worker.start(alone=True)
    ended = _Ended(database, jobs)
    before = await database.write(_total_changes)
    begun = time.perf_counter()
    await asyncio.gather(*(engine.accept(_request(0)) for _ in range(jobs)))
    await ended.wait()
    seconds = time.perf_counter() - begun
    rows_changed = await database.write(_total_changes) - before
    await worker.stop()
    database.close()
    return Outcome(seconds, jobs, rows_changed)


async def _run_limited(path: Path, jobs: int) -> Outcome:
    database, worker, engine = _open(path)
    hosts = [n % BUSY for n in range(jobs // 2)] + [BUSY + n % (jobs // 2 - BUSY) for n in range(jobs - jobs // 2)]
    await database.write(lambda connection: _add_limits(connection, set(hosts)))
    ended, watch = _Ended(database, jobs), _Watch(hosts)
    _follow(watch)
    begun = time.perf_counter()
    await asyncio.gather(*(engine.accept(_request(host)) for host in hosts))
    await worker.start(alone=True)
    await ended.wait()
    seconds = time.perf_counter() - begun
    await worker.stop()
    database.close()
    return Outcome(seconds, jobs, most_at_once=watch.most, latest_start=watch.latest)


def _follow(trace: Callable[[int, str], None]) -> None:
    from bench.three_steps.run import follow  # registers the operation, which no other process may know

    follow(trace)


def _open(path: Path) -> tuple[SqliteDatabase, Worker, Engine]:
    database = SqliteDatabase(path)
    metadata.create_all(database.engine)
    worker = Worker(database, NoServices(), at_once=AT_ONCE)
    return database, worker, Engine(database, worker)


class _Watch:
    """Told by the steps themselves: how many jobs of one host were in them at once, and how late a host was first."""

    def __init__(self, hosts: list[int]) -> None:
        self._asked = {host: place for place, host in reversed(list(enumerate(hosts)))}
        self._in_steps: Counter[int] = Counter()
        self._begun = 0
        self.most = 0
        self.latest = 0

    def __call__(self, host: int, moment: str) -> None:
        if moment == "last":
            self._in_steps[host] -= 1
            return
        self._in_steps[host] += 1
        self.most = max(self.most, self._in_steps[host])
        if (asked := self._asked.pop(host, None)) is not None:
            self.latest = max(self.latest, self._begun - asked)
        self._begun += 1


class _Ended:
    """Whether all jobs have completed: looked up when the last step of the last one has run, and after each commit."""

    def __init__(self, database: SqliteDatabase, jobs: int) -> None:
        self._database, self._jobs = database, jobs
        self._last_steps = 0
        self._news = asyncio.Event()
        loop = asyncio.get_running_loop()
        _follow(self._count)
        database.on_commit(lambda: loop.call_soon_threadsafe(self._news.set))

    def _count(self, host: int, moment: str) -> None:
        self._last_steps += moment == "last"

    async def wait(self) -> None:
        while True:
            self._news.clear()
            if self._last_steps >= self._jobs and await self._database.read(_completed) == self._jobs:
                return
            await self._news.wait()


def _completed(connection: Connection) -> int:
    query = select(func.count()).select_from(job).where(job.c.state == JobState.COMPLETED)
    return int(connection.execute(query).scalar_one())


def _total_changes(connection: Connection) -> int:
    """Rows that this connection has changed; all writing is on one."""
    return int(connection.exec_driver_sql("SELECT total_changes()").scalar_one())


def _request(host: int) -> Request:
    return Request(job_id=str(uuid.uuid4()), operation=OPERATION, subject=None, arguments={"host": host}, caller=CALLER)


def _add_limits(connection: Connection, hosts: set[int]) -> None:
    connection.execute(insert(job_limit), [{"key": f"host/{n}", "at_most": LIMIT, "running": 0} for n in sorted(hosts)])
