"""What every watcher stands on: a loop that survives its errors, a loop for each host, pauses that grow."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from sqlalchemy import Connection, select

from hostler.domain.fabric.facts import HostState
from hostler.store.database import Database
from hostler.store.tables import host

log = logging.getLogger(__name__)

_AFTER_ERROR_SECONDS = 5.0


def jittered(seconds: float) -> float:
    """Within a tenth of it, so that many loops do not keep step."""
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, guards nothing


class Backoff:
    """Pauses that double from `first` to `most` seconds until something works again."""

    def __init__(self, first: float, most: float) -> None:
        self._first, self._most, self._next = first, most, first

    def reset(self) -> None:
        self._next = self._first

    def pause(self) -> float:
        pause, self._next = self._next, min(self._most, self._next * 2)
        return jittered(pause)


async def surviving(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` for ever: when it raises, log it and begin again."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("%s broke off and begins again", name)
        await asyncio.sleep(_AFTER_ERROR_SECONDS)


class Loop:
    """Rounds of one kind of work, one after the other."""

    def __init__(self, name: str, interval_seconds: float, round_: Callable[[], Awaitable[None]]) -> None:
        self._name, self._interval, self._round = name, interval_seconds, round_
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(surviving(self._name, self._rounds), name=self._name)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _rounds(self) -> None:
        while True:
            await self._round()
            await asyncio.sleep(jittered(self._interval))


class EachHost:
    """One task of each kind for each host under management; hosts come and go while it runs."""

    def __init__(
        self, database: Database, list_seconds: float, kinds: Mapping[str, Callable[[str], Awaitable[None]]]
    ) -> None:
        self._database, self._kinds = database, kinds
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._list = Loop("host list", list_seconds, self._follow_list)

    def start(self) -> None:
        self._list.start()

    async def stop(self) -> None:
        await self._list.stop()
        await self._end(list(self._tasks))

    async def _follow_list(self) -> None:
        wanted = await self._database.read(_managed)
        await self._end([host_id for host_id in self._tasks if host_id not in wanted])
        for host_id in wanted - self._tasks.keys():
            self._tasks[host_id] = [
                asyncio.create_task(surviving(f"{kind} {host_id}", partial(watch, host_id)))
                for kind, watch in self._kinds.items()
            ]

    async def _end(self, host_ids: list[str]) -> None:
        tasks = [task for host_id in host_ids for task in self._tasks.pop(host_id)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _managed(connection: Connection) -> set[str]:
    """Hosts to watch: one that is being added is still its job's."""
    query = select(host.c.id).where(host.c.deleted_at.is_(None), host.c.state != HostState.ADDING)
    return set(connection.execute(query).scalars())
