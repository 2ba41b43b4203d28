"""All watchers of a replica: they run while it holds their lease, and stop when it does not."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, delete, func, insert, select, update

from hostler.domain.fabric.averages import SECOND
from hostler.store.database import Database
from hostler.store.tables import freshness, lease
from hostler.watchers.follow_events import FollowEvents
from hostler.watchers.keep_averages import KeepAverages
from hostler.watchers.loop import EachHost, Loop
from hostler.watchers.prune_history import PruneHistory
from hostler.watchers.refresh_hosts import Providers, RefreshHosts
from hostler.watchers.settings import WatchSettings

log = logging.getLogger(__name__)

_LEASE = "watchers"


class SteadyClock:
    """A clock that never goes back: a machine's clock set back must not make new facts look old."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock, self._last = clock, 0

    def __call__(self) -> int:
        self._last = max(self._clock(), self._last + 1)
        return self._last

    def not_before(self, moment: int) -> None:
        self._last = max(self._last, moment)


class Watchers:
    """Keeps the database true to the hosts in it. `providers` gives a host's provider; `clock` microseconds."""

    def __init__(
        self, database: Database, providers: Providers, settings: WatchSettings, clock: Callable[[], int]
    ) -> None:
        self._id = str(uuid.uuid4())
        self._database, self._settings, self._clock = database, settings, SteadyClock(clock)
        self._wall = clock
        self._refresh = RefreshHosts(database, providers, settings, self._clock)
        events = FollowEvents(database, providers, settings, self._clock, self._refresh.hurry)
        averages = KeepAverages(database, providers, settings, self._clock)
        kinds = {"refresh": self._refresh.watch, "events": events.watch, "averages": averages.watch}
        history = PruneHistory(database, settings.retention, clock)
        self._parts: tuple[EachHost | Loop, ...] = (
            EachHost(database, settings.hosts_list_seconds, kinds),
            Loop("roll-up", settings.roll_up_seconds, averages.roll_up),
            Loop("prune", settings.prune_seconds, history.round),
        )
        self._running = False
        self._leading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the lease if nobody has it, and begin; else begin when it falls free."""
        await self._lead_once()
        self._leading = asyncio.create_task(self._lead(), name="watchers' lease")

    async def stop(self) -> None:
        """Stop everything and give the lease back."""
        if self._leading is not None:
            self._leading.cancel()
            await asyncio.gather(self._leading, return_exceptions=True)
        await self._halt()
        await self._database.write(
            lambda connection: connection.execute(delete(lease).where(lease.c.holder == self._id))
        )

    async def refresh_now(self, host_id: str) -> bool:
        """Read everything of a host now; False when another replica watches it, or nobody does yet."""
        return await self._refresh.refresh(host_id)

    async def _lead(self) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 4)
            await self._lead_once()

    async def _lead_once(self) -> None:
        try:
            async with asyncio.timeout(self._settings.lease_seconds / 2):
                ours = await self._database.write(partial(self._take, now=self._wall()))
        except Exception:
            log.exception("the watchers' lease could not be renewed")
            ours = False
        if ours and not self._running:
            newest = await self._database.read(_newest_read)
            self._clock.not_before(newest)
            self._running = True
            for part in self._parts:
                part.start()
        elif not ours:
            await self._halt()

    async def _halt(self) -> None:
        self._running = False
        await asyncio.gather(*(part.stop() for part in self._parts))

    def _take(self, connection: Connection, now: int) -> bool:
        until = now + int(self._settings.lease_seconds * SECOND)
        row = connection.execute(select(lease).where(lease.c.name == _LEASE)).one_or_none()
        if row is None:
            connection.execute(insert(lease).values(name=_LEASE, holder=self._id, until=until))
            return True
        if row.holder != self._id and row.until > now:
            return False
        connection.execute(update(lease).where(lease.c.name == _LEASE).values(holder=self._id, until=until))
        return True


def _newest_read(connection: Connection) -> int:
    return connection.execute(select(func.max(freshness.c.read_ended_at))).scalar() or 0
