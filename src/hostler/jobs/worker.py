"""The worker of one replica: claims jobs, runs their attempts side by side, and holds the replica's lease."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterable
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
        self.services = services
        self._at_once = at_once
        self._patience = patience_seconds
        self._clock = clock
        self._border = border
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._at_work: set[tuple[str, int]] = set()
        self._alone = False
        self._lost = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self, *, alone: bool) -> None:
        """Take a lease and begin. `alone`: no other replica can exist (SQLite under its file lock)."""

        self._alone = alone

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
        renewing, others = self._loops[:1], self._loops[1:]
        await _ended_by_us(others)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self.finish_attempts()
        await _ended_by_us([*self._running, *renewing])
        await self._database.write(
            lambda connection: connection.execute(delete(replica).where(replica.c.id == self.id))
        )

    async def finish_attempts(self) -> None:
        """Wait until the attempts that run now have ended, well or not."""
        while self._running:
            await asyncio.wait(self._running)

    async def abandon(self) -> None:
        """Break off at once and write nothing, as if the process had been killed."""
        await _ended_by_us([*self._loops, *self._running])

    async def lost(self) -> None:
        """Returns when the lease was lost: others may have the jobs, and this process must end."""
        await self._lost.wait()

    def _lease_end(self) -> int:
        return self._clock() + int(LEASE_SECONDS * 1_000_000)

    async def _renew(self) -> None:
        """Renew the lease each second. Who may not be alone and cannot renew it calls no hypervisor any more."""
        loop = asyncio.get_running_loop()
        until, ours = loop.time() + LEASE_SECONDS, True
        while ours and (self._alone or loop.time() < until):
            await asyncio.sleep(RENEW_SECONDS)
            begun = loop.time()
            renewal = update(replica).where(replica.c.id == self.id).values(lease_until=self._lease_end())
            try:
                async with asyncio.timeout_at(None if self._alone else until):
                    ours = await self._database.write(partial(_execute, statement=renewal)) == 1
            except Exception:
                log.exception("the lease of this replica was not renewed")
            else:
                until = begun + LEASE_SECONDS
        log.error("this replica lost its lease: its jobs are left to others")
        self._lost.set()
        await _ended_by_us([*self._loops[1:], *self._running])

    async def _claim(self) -> None:
        while True:
            self._wake.clear()
            try:
                claimed = await self._claimed()
            except Exception:
                log.exception("no jobs could be claimed; trying again")
                claimed = []
            for job in claimed:
                self._at_work.add((job.job_id, job.attempt))
                attempt = asyncio.create_task(self._run(job), name=f"job {job.job_id}")
                self._running.add(attempt)
                attempt.add_done_callback(self._ended)
            if not claimed:
                await self._woken()

    async def _claimed(self) -> list[Claimed]:
        room = self._at_once - len(self._running)
        if not room:
            return []
        return await self._database.write(
            partial(self._take, room=room, at_work=frozenset(job_id for job_id, _ in self._at_work))
        )

    async def _woken(self) -> None:
        # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the result.
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()

    def _take(self, connection: Connection, room: int, at_work: frozenset[str]) -> list[Claimed]:
        now = self._clock()
        claimed = journal.claim(connection, self.id, Operation.registry, room, now, at_work)
        allowed = [job for job in claimed if self._still_allowed(connection, job, now)]
        for job in allowed:
            journal.begin(connection, job, now)
        return allowed

    def _still_allowed(self, connection: Connection, job: Claimed, now: int) -> bool:
        rights = rights_now(connection, job.user_id, job.token_id)
        if rights is not None and rights.allow(job.operation.privilege):
            return True
        message = f"Its user may no longer do this: the privilege {job.operation.privilege} is gone."
        error = {"code": "forbidden", "message": message, "remedy": "Restart it as somebody who may."}
        journal.fail(connection, job, None, error, now)
        return False

    async def _run(self, job: Claimed) -> None:
        attempt = Attempt(
            self._database, self.services, self._clock, job, patience_seconds=self._patience, border=self._border
        )
        try:
            await attempt.run()
        except Exception:
            log.exception("job %s: attempt %d broke off; the job is taken up again", job.job_id, job.attempt)
            await asyncio.sleep(POLL_SECONDS)
        self._at_work.discard((job.job_id, job.attempt))

    def _ended(self, attempt: asyncio.Task[None]) -> None:
        self._running.discard(attempt)
        self._wake.set()
        if not attempt.cancelled() and (failure := attempt.exception()) is not None:
            log.error("an attempt broke off: %s", attempt.get_name(), exc_info=failure)


def _execute(connection: Connection, statement: Executable) -> int:
    return connection.execute(statement).rowcount


async def _ended_by_us(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
