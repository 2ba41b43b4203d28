"""A database of one simulated host, and watchers that run on it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection
from tests.store.queries.fleet import add_host

from hostler.jobs.worker import wall_clock
from hostler.providers.contract import Provider
from hostler.providers.simulated.connect import SideDoor, SimulatedProcess, connect
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import metadata
from hostler.watchers.settings import WatchSettings
from hostler.watchers.watchers import Watchers

T = TypeVar("T")

HOST_ID = "sim-1"
NEVER = 3600.0
PATIENCE_SECONDS = 30


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    made = SqliteDatabase(tmp_path / "hostler.sqlite")
    metadata.create_all(made.engine)
    with made.engine.begin() as connection:
        add_host(connection, HOST_ID)
    yield made
    made.close()


@pytest.fixture
async def providers(
    side_door: SideDoor, simulated_process: SimulatedProcess
) -> AsyncIterator[Callable[[str], Awaitable[Provider]]]:
    """Providers of simulated hosts, each connected once."""
    connected: dict[str, Provider] = {}

    async def provider(host_id: str) -> Provider:
        if host_id not in connected:
            connected[host_id] = connect(simulated_process.socket_path, host_id)
        return connected[host_id]

    yield provider
    for one in connected.values():
        await one.close()


@pytest.fixture
def slow() -> WatchSettings:
    """Nothing happens by itself within a test: only what is asked for, or told by events."""
    return WatchSettings(vms_seconds=NEVER, load_seconds=NEVER, hosts_list_seconds=0.02, retry_first_seconds=0.02)


@pytest.fixture
async def start(
    database: SqliteDatabase, providers: Callable[[str], Awaitable[Provider]]
) -> AsyncIterator[Callable[[WatchSettings], Awaitable[Watchers]]]:
    running: list[Watchers] = []

    async def begin(settings: WatchSettings) -> Watchers:
        watchers = Watchers(database, providers, settings, wall_clock)
        await watchers.start()
        running.append(watchers)
        return watchers

    yield begin
    for watchers in running:
        await watchers.stop()


async def until(database: SqliteDatabase, query: Callable[[Connection], T], holds: Callable[[T], bool]) -> T:
    """Wait until what the query finds holds: asked again after each commit."""
    changed, loop = asyncio.Event(), asyncio.get_running_loop()

    def committed() -> None:
        loop.call_soon_threadsafe(changed.set)

    forget = database.on_commit(committed)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in itertools.count():
                changed.clear()
                found = await database.read(query)
                if holds(found):
                    return found
                await changed.wait()
    finally:
        forget()
    raise AssertionError("unreachable")
