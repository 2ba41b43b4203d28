"""An engine on a database of its own, with as many workers as a test wants, and small operations to run on it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Executable, select
from tests.jobs.trial import Operations, World

from hostler.domain.access.rights import Caller, Rights
from hostler.jobs.acceptance import Request
from hostler.jobs.attempt import Border
from hostler.jobs.engine import Engine
from hostler.jobs.states import ENDED
from hostler.jobs.worker import Worker
from hostler.providers.contract import Provider
from hostler.store.database import AnyRow
from hostler.store.queries.access import SYSTEM_USER
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import audit, job, job_object, job_step, metadata, user

CALLER = Caller(user_id=SYSTEM_USER, user_name="tester", rights=Rights(privileges=None), source="127.0.0.1")
LIMIT_SECONDS = 20.0


class NoServices:
    """The operations here call no provider."""

    async def provider(self, host_id: str) -> Provider:
        raise AssertionError(host_id)


class House:
    """A database and the workers on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = SqliteDatabase(path)
        metadata.create_all(self.database.engine)
        self.workers: list[Worker] = []
        self.engine = Engine(self.database, self.idle_worker())

    def idle_worker(self, border: Border | None = None, **options: Any) -> Worker:
        return Worker(self.database, NoServices(), border=border, **({"patience_seconds": 0.2} | options))

    async def worker(self, border: Border | None = None, *, alone: bool = False, **options: Any) -> Worker:
        """Start a worker; calls that are accepted from now on wake it."""
        made = self.idle_worker(border, **options)
        await made.start(alone=alone)
        self.workers.append(made)
        self.engine = Engine(self.database, made)
        return made

    def request(self, operation: str, caller: Caller = CALLER, key: str | None = None, **arguments: Any) -> Request:
        return Request(
            job_id=key or str(uuid.uuid4()), operation=operation, subject=None, arguments=arguments, caller=caller
        )

    async def accept(self, operation: str, caller: Caller = CALLER, key: str | None = None, **arguments: Any) -> str:
        return await self.engine.accept(self.request(operation, caller, key, **arguments))

    async def until(self, holds: Callable[[Connection], bool]) -> None:
        """Wait for a commit after which this holds."""
        news, loop = asyncio.Event(), asyncio.get_running_loop()
        forget = self.database.on_commit(lambda: loop.call_soon_threadsafe(news.set))
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while not await self.database.read(holds):
                    await news.wait()
                    news.clear()
        finally:
            forget()

    async def ended(self, job_id: str) -> AnyRow:
        states = select(job.c.state).where(job.c.id == job_id)
        await self.until(lambda connection: connection.execute(states).scalar() in ENDED)
        return await self.row(job_id)

    async def run(self, operation: str, **arguments: Any) -> AnyRow:
        return await self.ended(await self.accept(operation, **arguments))

    async def rows(self, statement: Executable) -> list[AnyRow]:
        return await self.database.read(lambda connection: list(connection.execute(statement)))

    async def row(self, job_id: str) -> AnyRow:
        return (await self.rows(select(job).where(job.c.id == job_id)))[0]

    async def steps(self, job_id: str) -> list[str]:
        found = await self.rows(select(job_step.c.state).where(job_step.c.job_id == job_id).order_by(job_step.c.n))
        return [row.state for row in found]

    async def holds(self, job_id: str) -> dict[str, str]:
        found = await self.rows(select(job_object.c.object, job_object.c.hold).where(job_object.c.job_id == job_id))
        return {row.object: row.hold for row in found}

    async def audited(self) -> list[tuple[str, str]]:
        found = await self.rows(select(audit.c.action, audit.c.outcome).order_by(audit.c.seq))
        return [(row.action, row.outcome) for row in found]

    async def user(self, name: str) -> Caller:
        """An administrator who is not the system."""
        identity = str(uuid.uuid4())
        values = {"id": identity, "name": name, "role": "administrator", "enabled": True, "created_at": 0}
        await self.write(user.insert().values(**values))
        return Caller(user_id=identity, user_name=name, rights=Rights(privileges=None))

    async def write(self, statement: Executable) -> None:
        await self.database.write(lambda connection: connection.execute(statement) and None)

    def content(self) -> list[str]:
        """Everything in the database."""
        with self.database.engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            return list(raw.iterdump())

    async def close(self) -> None:
        for made in self.workers:
            await made.abandon()
        self.database.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path / "hostler.sqlite")
    yield made
    await made.close()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def operations() -> Iterator[Operations]:
    made = Operations()
    yield made
    made.forget()
