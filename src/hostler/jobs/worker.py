"""The worker of one replica: claims jobs, runs their attempts side by side, and holds the replica's lease."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection, Executable, delete, insert, update

from hostler.jobs import journal
from hostler.jobs.attempt import Attempt, Border
from hostler.jobs.journal import Claimed
from hostler.jobs.operation import Operation
from hostler.jobs.step import Services
from hostler.store.database import Database
from hostler.store.queries.access import rights_now
from hostler.store.tables import replica

log = logging.getLogger(__name__)

LEASE_SECONDS = 5.0
RENEW_SECONDS = 1.0
POLL_SECONDS = 1.0


def wall_clock() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class Worker:
    """Runs jobs until it is stopped. What it leaves running is taken up by the next worker."""

    def __init__(
        self,
        database: Database,
        services: Services,
        *,
        at_once: int = 64,
        patience_seconds: float = 60.0,
        clock: Callable[[], int] = wall_clock,
        border: Border | None = None,
    ) -> None:
        self.id = str(uuid.uuid4())
        self._database = database
        self._services = services
        self._at_once = at_once
        self._patience = patience_seconds
        self._clock = clock
        self._border = border
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self, *, alone: bool) -> None:
        """Take a lease and begin. `alone`: no other replica can exist (SQLite under its file lock)."""

        def unit(connection: Connection) -> None:
            if alone:
                connection.execute(delete(replica))
            connection.execute(insert(replica).values(id=self.id, lease_until=self._lease_end()))

        await self._database.write(unit)
        self._loops = [asyncio.create_task(self._renew()), asyncio.create_task(self._claim())]

    def wake(self) -> None:
        """There may be a job to claim."""
        self._wake.set()

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Claim nothing more, let attempts finish within the grace, and give the lease back."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self.finish_attempts()
        for attempt in self._running:
            attempt.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._database.write(
            lambda connection: connection.execute(delete(replica).where(replica.c.id == self.id))
        )

    async def finish_attempts(self) -> None:
        """Wait until the attempts that run now have ended, well or not."""
        while self._running:
            await asyncio.wait(self._running)

    async def abandon(self) -> None:
        """Break off at once and write nothing, as if the process had been killed."""
        tasks = [*self._loops, *self._running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _lease_end(self) -> int:
        return self._clock() + int(LEASE_SECONDS * 1_000_000)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            renewal = update(replica).where(replica.c.id == self.id).values(lease_until=self._lease_end())
            await self._database.write(partial(_execute, statement=renewal))

    async def _claim(self) -> None:
        while True:
            self._wake.clear()
            room = self._at_once - len(self._running)
            claimed = await self._database.write(partial(self._take, room=room)) if room else []
            for job in claimed:
                attempt = asyncio.create_task(self._run(job), name=f"job {job.job_id}")
                self._running.add(attempt)
                attempt.add_done_callback(self._ended)
            if not claimed:
                await self._woken()

    async def _woken(self) -> None:
        # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the result.
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()

    def _take(self, connection: Connection, room: int) -> list[Claimed]:
        now = self._clock()
        claimed = journal.claim(connection, self.id, Operation.registry, room, now)
        return [job for job in claimed if self._still_allowed(connection, job, now)]

    def _still_allowed(self, connection: Connection, job: Claimed, now: int) -> bool:
        rights = rights_now(connection, job.user_id, job.token_id)
        if rights is not None and rights.allow(job.operation.privilege):
            return True
        message = f"Its user may no longer do this: the privilege {job.operation.privilege} is gone."
        error = {"code": "forbidden", "message": message, "remedy": "Restart it as somebody who may.", "left": []}
        journal.fail(connection, job, None, error, now)
        return False

    async def _run(self, job: Claimed) -> None:
        attempt = Attempt(
            self._database, self._services, self._clock, job, patience_seconds=self._patience, border=self._border
        )
        await attempt.run()

    def _ended(self, attempt: asyncio.Task[None]) -> None:
        self._running.discard(attempt)
        self._wake.set()
        if not attempt.cancelled() and (failure := attempt.exception()) is not None:
            log.error("an attempt broke off: %s", attempt.get_name(), exc_info=failure)


def _execute(connection: Connection, statement: Executable) -> None:
    connection.execute(statement)
