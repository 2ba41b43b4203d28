"""Reads every host again and again: its VMs often and in bulk, its costly facts seldom; notes who does not answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection, select

from hostler.domain.fabric.facts import HostState
from hostler.domain.machines.facts import VmsRead
from hostler.domain.machines.states import VmState
from hostler.providers.contract import Provider
from hostler.providers.errors import AccessDenied, HostNotResponding, ProviderError
from hostler.store.database import AnyRow, Database
from hostler.store.queries.observations import host_state, observe_guest, observe_host, observe_vms
from hostler.store.tables import presence, vm
from hostler.watchers.loop import Backoff, jittered
from hostler.watchers.settings import WatchSettings

Providers = Callable[[str], Awaitable[Provider]]
"""The connected provider of a host, by the host's id."""

_NEW_GUESTS = 16
"""Silent guests that a round asks: most guests without an agent never answer."""
_GUESTS_AT_ONCE = 4


class _Pace:
    """When one host is due: a request for it now, and who waits until that was done."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.costly_due_at = 0.0
        self.waiting: list[asyncio.Future[None]] = []


class RefreshHosts:
    """`watch` is the loop of one host; `hurry` and `refresh` ask for a round at once."""

    def __init__(
        self, database: Database, providers: Providers, settings: WatchSettings, clock: Callable[[], int]
    ) -> None:
        self._database, self._providers, self._settings, self._clock = database, providers, settings, clock
        self._paces: dict[str, _Pace] = {}
        self._at_once = asyncio.Semaphore(settings.hosts_at_once)

    def hurry(self, host_id: str) -> None:
        """Read the host's VMs now, if it is watched here."""
        if (pace := self._paces.get(host_id)) is not None:
            pace.wake.set()

    async def refresh(self, host_id: str) -> bool:
        """Read everything of the host now, and return when it is written; False when it is not watched here."""
        if (pace := self._paces.get(host_id)) is None:
            return False
        done = asyncio.get_running_loop().create_future()
        pace.waiting.append(done)
        pace.costly_due_at = 0.0
        pace.wake.set()
        await done
        return True

    async def watch(self, host_id: str) -> None:
        pace = self._paces[host_id] = _Pace()
        backoff = Backoff(self._settings.retry_first_seconds, self._settings.retry_most_seconds)
        try:
            while True:
                pace.wake.clear()
                served, pace.waiting = pace.waiting, []
                try:
                    answered = await self._round(host_id, pace)
                finally:
                    _settle(served)
                if answered:
                    backoff.reset()
                pause = jittered(self._settings.vms_seconds) if answered else backoff.pause()
                await _woken(pace.wake, pause)
        finally:
            del self._paces[host_id]
            _settle(pace.waiting)

    async def _round(self, host_id: str, pace: _Pace) -> bool:
        """One round; whether the host answered."""
        async with self._at_once:
            try:
                await self._read_vms(host_id)
                await self._read_new_guests(host_id)
                await self._read_costly(host_id, pace)
            except TimeoutError:
                state, note = HostState.NOT_RESPONDING, "It did not answer in time."
            except HostNotResponding as silence:
                state, note = HostState.NOT_RESPONDING, _told(silence)
            except AccessDenied as denied:
                state, note = HostState.ACCESS_DENIED, _told(denied)
            except ProviderError as problem:
                state, note = HostState.RESPONDING, _told(problem)
            else:
                return True
        now = self._clock()
        await self._database.write(lambda connection: host_state(connection, host_id, state, note, now))
        return False

    async def _read_vms(self, host_id: str) -> None:
        async with asyncio.timeout(self._settings.read_timeout_seconds):
            provider = await self._providers(host_id)
            started = self._clock()
            read = await provider.read_vms()
        await self._database.write(partial(_answered, host_id=host_id, read=read, started=started, now=self._clock()))

    async def _read_costly(self, host_id: str, pace: _Pace) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < pace.costly_due_at:
            return
        async with asyncio.timeout(self._settings.costly_timeout_seconds):
            provider = await self._providers(host_id)
            started = self._clock()
            facts = await provider.read_host()
            await self._database.write(lambda connection: observe_host(connection, host_id, facts, started))
            await self._read_guests(provider, await self._database.read(partial(_running, host_id=host_id)))
        pace.costly_due_at = loop.time() + jittered(self._settings.host_seconds)

    async def _read_new_guests(self, host_id: str) -> None:
        """Ask the guests that never said who they are: nobody waits half an hour for a new VM's address.

        Slow guests say nothing of their host: what is not answered in time is asked again in the next round.
        """
        silent = await self._database.read(partial(_running, host_id=host_id, never_heard=True))
        if not silent:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.read_timeout_seconds):
                await self._read_guests(await self._providers(host_id), silent[:_NEW_GUESTS])

    async def _read_guests(self, provider: Provider, running: Sequence[AnyRow]) -> None:
        at_once = asyncio.Semaphore(_GUESTS_AT_ONCE)

        async def read(row: AnyRow) -> None:
            async with at_once:
                started = self._clock()
                guest = await provider.read_guest(row.native_id)
            if guest is not None:
                await self._database.write(lambda connection: observe_guest(connection, row.id, guest, started))

        outcomes = await asyncio.gather(*(read(row) for row in running), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, HostNotResponding) or (
                isinstance(outcome, BaseException) and not isinstance(outcome, ProviderError)
            ):
                raise outcome


def _answered(connection: Connection, host_id: str, read: VmsRead, started: int, now: int) -> None:
    host_state(connection, host_id, HostState.RESPONDING, "", now)
    observe_vms(connection, host_id, read, started, now)


def _running(connection: Connection, host_id: str, *, never_heard: bool = False) -> list[AnyRow]:
    """The running VMs of a host, the latest changed first; `never_heard`: only those whose guest never answered."""
    query = (
        select(vm.c.id, presence.c.native_id)
        .join(presence, presence.c.vm_id == vm.c.id)
        .where(vm.c.host_id == host_id, presence.c.host_id == host_id, vm.c.deleted_at.is_(None))
        .where(vm.c.observed_state == VmState.RUNNING)
        .order_by(vm.c.observed_at.desc())
    )
    return list(connection.execute(query.where(vm.c.guest.is_(None)) if never_heard else query))


def _told(error: ProviderError) -> str:
    return " ".join(f"{part.rstrip('.')}." for part in (error.message, error.remedy) if part)


def _settle(waiting: list[asyncio.Future[None]]) -> None:
    for done in waiting:
        if not done.done():
            done.set_result(None)


async def _woken(wake: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return
