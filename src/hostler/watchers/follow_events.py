"""Follows what the hypervisors tell of themselves: a changed VM is read again at once, not at the next pass."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine

from hostler.domain.machines.facts import VmEvent
from hostler.providers.contract import Provider
from hostler.providers.errors import ProviderError
from hostler.store.database import Database
from hostler.store.queries.observations import observe_native
from hostler.watchers.loop import Backoff
from hostler.watchers.refresh_hosts import Providers
from hostler.watchers.settings import WatchSettings

_SINGLY = 16
"""More VMs than these in one burst are read together, by a pass."""


class FollowEvents:
    """`hurry` asks for a pass over a host: only a complete pass may conclude that a VM is gone."""

    def __init__(
        self,
        database: Database,
        providers: Providers,
        settings: WatchSettings,
        clock: Callable[[], int],
        hurry: Callable[[str], None],
    ) -> None:
        self._database, self._providers, self._settings, self._clock = database, providers, settings, clock
        self._hurry = hurry

    async def watch(self, host_id: str) -> None:
        """Follow one host for ever; a broken connection is made again."""
        backoff = Backoff(self._settings.retry_first_seconds, self._settings.retry_most_seconds)
        while True:
            try:
                provider = await self._providers(host_id)
                if not (await provider.capabilities()).events:
                    await asyncio.Event().wait()
                await self._follow(host_id, provider, backoff)
            except (ProviderError, TimeoutError):
                self._hurry(host_id)
            await asyncio.sleep(backoff.pause())

    async def _follow(self, host_id: str, provider: Provider, backoff: Backoff) -> None:
        changed: asyncio.Queue[VmEvent] = asyncio.Queue()
        async with _Together() as together:
            together.start(_listen(provider, changed, backoff))
            together.start(self._read_changed(host_id, provider, changed))
            self._hurry(host_id)
            await together.first_end()

    async def _read_changed(self, host_id: str, provider: Provider, changed: "asyncio.Queue[VmEvent]") -> None:
        while True:
            burst = [await changed.get()]
            while not changed.empty():
                burst.append(changed.get_nowait())
            native_ids = dict.fromkeys(event.native_id for event in burst)
            if len(native_ids) > _SINGLY or any(event.gone for event in burst):
                self._hurry(host_id)
                continue
            for native_id in native_ids:
                await self._read_one(host_id, provider, native_id)

    async def _read_one(self, host_id: str, provider: Provider, native_id: str) -> None:
        started = self._clock()
        async with asyncio.timeout(self._settings.read_timeout_seconds):
            facts = await provider.read_vm(native_id)
        if facts is None:
            self._hurry(host_id)
            return
        now = self._clock()
        await self._database.write(lambda connection: observe_native(connection, host_id, facts, started, now))


async def _listen(provider: Provider, changed: "asyncio.Queue[VmEvent]", backoff: Backoff) -> None:
    events = provider.events()
    try:
        async for event in events:
            backoff.reset()
            changed.put_nowait(event)
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


class _Together:
    """Tasks that end together: when the first one ends or fails, so do the others."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "_Together":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def first_end(self) -> None:
        """Wait for the first to end, and raise what it raised."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
