"""Turns the counters of hosts and their VMs into averages: minutes as they pass, longer spans when they are over."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection, select

from hostler.domain.fabric.averages import (
    SECOND,
    Averages,
    Counters,
    HostUse,
    averages_between,
    counters_of_host,
    counters_of_vm,
    minute_shares,
)
from hostler.domain.fabric.facts import HostLoad
from hostler.providers.errors import ProviderError
from hostler.store.database import AnyRow, Database
from hostler.store.queries.averages import Measured, add_minutes, roll_up
from hostler.store.queries.observations import observe_use
from hostler.store.tables import presence, vm
from hostler.watchers.loop import jittered
from hostler.watchers.refresh_hosts import Providers
from hostler.watchers.settings import WatchSettings

_LONGEST_SECONDS = 3600
"""Counters further apart than this say nothing of the minutes between."""


class KeepAverages:
    """`watch` is the loop of one host; what it read last is kept in memory: a restart costs one interval."""

    def __init__(
        self, database: Database, providers: Providers, settings: WatchSettings, clock: Callable[[], int]
    ) -> None:
        self._database, self._providers, self._settings, self._clock = database, providers, settings, clock

    async def watch(self, host_id: str) -> None:
        """Read one host's counters for ever. That it is silent is for the refresher to say."""
        before: dict[str, Counters] = {}
        while True:
            with suppress(ProviderError, TimeoutError):
                before = await self.measure(host_id, before)
            await asyncio.sleep(jittered(self._settings.load_seconds))

    async def measure(self, host_id: str, before: Mapping[str, Counters]) -> dict[str, Counters]:
        """Read the counters, write what was used since `before`, and return them for the next time."""
        async with asyncio.timeout(self._settings.read_timeout_seconds):
            provider = await self._providers(host_id)
            at = self._clock()
            load = await provider.read_load()
        rows = await self._database.read(partial(_vms_of, host_id=host_id))
        counters = _counters(host_id, load, rows, at)
        await self._database.write(
            partial(_write, host_id=host_id, load=load, before=before, counters=counters, now=at)
        )
        return counters

    async def roll_up(self) -> None:
        now = self._clock()
        await self._database.write(lambda connection: roll_up(connection, now))


def _vms_of(connection: Connection, host_id: str) -> dict[str, AnyRow]:
    rows = connection.execute(
        select(presence.c.native_id, vm.c.id, vm.c.cpu_count)
        .join(vm, vm.c.id == presence.c.vm_id)
        .where(presence.c.host_id == host_id, vm.c.deleted_at.is_(None))
    )
    return {row.native_id: row for row in rows}


def _counters(host_id: str, load: HostLoad, rows: Mapping[str, AnyRow], at: int) -> dict[str, Counters]:
    counters = {host_id: counters_of_host(load, at)}
    for one in load.vms:
        if (row := rows.get(one.native_id)) is not None:
            counters[row.id] = counters_of_vm(one, at, row.cpu_count)
    return counters


def _write(
    connection: Connection,
    host_id: str,
    load: HostLoad,
    before: Mapping[str, Counters],
    counters: Mapping[str, Counters],
    now: int,
) -> None:
    measured: list[Measured] = []
    of_host = Averages(memory_used_mib=load.memory_used_mib)
    for object_id, later in counters.items():
        earlier = before.get(object_id)
        if earlier is None or not 0 < later.at - earlier.at <= _LONGEST_SECONDS * SECOND:
            continue
        averages = averages_between(earlier, later)
        if object_id == host_id:
            of_host = averages
        measured += [Measured(object_id, share, averages) for share in minute_shares(earlier.at, later.at)]
    add_minutes(connection, measured)
    observe_use(connection, host_id, HostUse(averages=of_host, volumes=load.volumes), now)
