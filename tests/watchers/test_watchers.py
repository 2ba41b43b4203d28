"""The watchers on a simulated hypervisor: what happens there is soon, and truthfully, in the database."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Connection, delete, func, insert, select, update
from tests.store.queries.fleet import add_host, hold, vms
from tests.watchers.conftest import HOST_ID, NEVER, PATIENCE_SECONDS, until

from hostler.domain.fabric.averages import MINUTE, SECOND
from hostler.domain.machines.spec import Disk, DiskFormat, Nic, VmSpec
from hostler.domain.machines.states import VmState
from hostler.jobs.worker import wall_clock
from hostler.providers.contract import Provider
from hostler.providers.simulated.connect import SideDoor
from hostler.providers.simulated.knobs import Fault, Knobs, OutsideChange, SimulatedHost
from hostler.store.database import AnyRow
from hostler.store.queries.pruning import Retention, prune
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import audit, event, freshness, host, job, lease, load_average, vm
from hostler.watchers.keep_averages import KeepAverages
from hostler.watchers.settings import WatchSettings
from hostler.watchers.watchers import SteadyClock, Watchers

Start = Callable[[WatchSettings], Awaitable[Watchers]]
A, B = (str(uuid.UUID(int=n, version=4)) for n in (1, 2))


def spec(vm_id: str = A, name: str = "web-01") -> VmSpec:
    return VmSpec(vm_id=vm_id, name=name, cpu_count=2, memory_mib=512)


def states(connection: Connection) -> dict[str, str]:
    return {row.id: row.state for row in vms(connection)}


def host_row(connection: Connection) -> AnyRow:
    return connection.execute(select(host).where(host.c.id == HOST_ID)).one()


def passes(connection: Connection) -> int:
    return connection.execute(select(freshness.c.sequence).where(freshness.c.fact_class == "vms")).scalar() or 0


async def test_vms_and_facts_of_a_host_come_in(
    database: SqliteDatabase, side_door: SideDoor, start: Start, slow: WatchSettings
) -> None:
    side_door.vm_appears(HOST_ID, spec(), VmState.RUNNING)
    await start(slow)
    await until(database, states, lambda found: found == {A: "running"})
    row = await until(database, host_row, lambda found: found.facts is not None)
    assert row.facts["cpu_count"] == 16


async def test_event_reaches_the_database_without_any_pass(
    database: SqliteDatabase, side_door: SideDoor, start: Start, slow: WatchSettings
) -> None:
    side_door.vm_appears(HOST_ID, spec(), VmState.RUNNING)
    await start(slow)
    await until(database, states, lambda found: found == {A: "running"})
    before = await database.read(passes)
    side_door.vm_changes(HOST_ID, A, OutsideChange(state=VmState.PAUSED, name="renamed"))
    (row,) = await until(database, vms, lambda found: found[0].state == "paused")
    assert row.name == "renamed"
    side_door.vm_appears(HOST_ID, spec(B, "db-01"), VmState.RUNNING)
    await until(database, states, lambda found: found.get(B) == "running")
    assert await database.read(passes) <= before + 1


async def test_a_new_guest_is_heard_without_waiting_for_the_costly_read(
    database: SqliteDatabase, side_door: SideDoor, start: Start
) -> None:
    side_door.set_knobs(HOST_ID, Knobs(guest_silent_reads=6))
    disk = Disk(path="/var/lib/vms/base.qcow2", format=DiskFormat.QCOW2)
    nic = Nic(mac="52:54:00:00:00:01", network="default")
    side_door.vm_appears(HOST_ID, structs.replace(spec(), disks=(disk,), nics=(nic,)), VmState.RUNNING)
    await start(WatchSettings(vms_seconds=0.02, load_seconds=NEVER, hosts_list_seconds=0.02))
    (row,) = await until(database, vms, lambda found: bool(found) and found[0].guest is not None)
    assert row.guest["addresses"]
    assert (await database.read(host_row)).state == "responding"


async def test_vm_that_vanishes_is_missing_by_a_pass_asked_for_at_once(
    database: SqliteDatabase, side_door: SideDoor, start: Start, slow: WatchSettings
) -> None:
    side_door.vm_appears(HOST_ID, spec(), VmState.POWER_OFF)
    await start(slow)
    await until(database, states, lambda found: found == {A: "power_off"})
    side_door.vm_vanishes(HOST_ID, A)
    await until(database, states, lambda found: found == {A: "missing"})
    side_door.vm_appears(HOST_ID, spec(), VmState.RUNNING)
    await until(database, states, lambda found: found == {A: "running"})


async def test_incomplete_pass_leaves_vms_as_they_were(
    database: SqliteDatabase, side_door: SideDoor, start: Start, slow: WatchSettings
) -> None:
    for vm_id in (A, B):
        side_door.vm_appears(HOST_ID, spec(vm_id, vm_id), VmState.RUNNING)
    watchers = await start(slow)
    await until(database, states, lambda found: len(found) == 2)
    side_door.set_knobs(HOST_ID, Knobs(incomplete_reads=True))
    await watchers.refresh_now(HOST_ID)
    last = await database.read(lambda c: c.execute(select(freshness).where(freshness.c.fact_class == "vms")).one())
    assert not last.complete
    assert await database.read(states) == {A: "running", B: "running"}


async def test_silent_host_shows_with_the_age_of_the_last_fact_and_heals_by_itself(
    database: SqliteDatabase, side_door: SideDoor, start: Start, slow: WatchSettings
) -> None:
    side_door.vm_appears(HOST_ID, spec(), VmState.RUNNING)
    watchers = await start(slow)
    (seen,) = await until(database, vms, lambda found: [row.state for row in found] == ["running"])
    side_door.set_knobs(HOST_ID, Knobs(unreachable=True))
    await watchers.refresh_now(HOST_ID)
    row = await until(database, host_row, lambda found: found.state == "not_responding")
    assert row.state_note
    (silent,) = await database.read(vms)
    assert (silent.state, silent.observed_at) == ("host_not_responding", seen.observed_at)
    side_door.set_knobs(HOST_ID, Knobs())
    await until(database, host_row, lambda found: found.state == "responding")
    await until(database, states, lambda found: found == {A: "running"})


async def test_host_that_hangs_is_silent_after_its_time_out(
    database: SqliteDatabase, side_door: SideDoor, start: Start, slow: WatchSettings
) -> None:
    side_door.set_knobs(HOST_ID, Knobs(latency_seconds=60))
    await start(WatchSettings(vms_seconds=3600, hosts_list_seconds=0.02, read_timeout_seconds=0.05))
    row = await until(database, host_row, lambda found: found.state == "not_responding")
    assert "in time" in row.state_note


async def test_refused_access_is_told_as_such(
    database: SqliteDatabase, side_door: SideDoor, start: Start, slow: WatchSettings
) -> None:
    fault = Fault(call="read_vms", times=1000, code="access_denied", message="no certificate")
    side_door.set_knobs(HOST_ID, Knobs(faults=(fault,)))
    await start(slow)
    row = await until(database, host_row, lambda found: found.state == "access_denied")
    assert "no certificate" in row.state_note


async def test_hosts_added_and_removed_are_picked_up(
    database: SqliteDatabase, side_door: SideDoor, start: Start, slow: WatchSettings
) -> None:
    watchers = await start(slow)
    side_door.add_host(SimulatedHost(host_id="sim-2"))
    side_door.vm_appears("sim-2", spec(), VmState.RUNNING)
    await database.write(lambda connection: add_host(connection, "sim-2"))
    await until(database, states, lambda found: found == {A: "running"})
    assert await watchers.refresh_now("sim-2")
    await database.write(lambda connection: connection.execute(delete(host).where(host.c.id == "sim-2")))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await watchers.refresh_now("sim-2"):
            await asyncio.sleep(0)


async def test_only_one_replica_watches_and_another_takes_over(
    database: SqliteDatabase, side_door: SideDoor, start: Start, slow: WatchSettings
) -> None:
    side_door.vm_appears(HOST_ID, spec(), VmState.RUNNING)
    first = await start(slow)
    await until(database, states, bool)
    short = WatchSettings(vms_seconds=3600, hosts_list_seconds=0.02, lease_seconds=0.4)
    second = await start(short)
    assert not await second.refresh_now(HOST_ID)
    before = await database.read(passes)
    await first.stop()
    await until(database, passes, lambda count: count > before)
    assert await database.read(lambda c: c.execute(select(func.count()).select_from(lease)).scalar()) == 1


async def test_counters_become_averages_of_host_and_vm(
    database: SqliteDatabase,
    side_door: SideDoor,
    providers: Callable[[str], Awaitable[Provider]],
    start: Start,
    slow: WatchSettings,
) -> None:
    side_door.vm_appears(HOST_ID, spec(), VmState.RUNNING)
    watchers = await start(slow)
    await until(database, states, bool)
    await watchers.stop()
    minute = MINUTE * SECOND
    moments = iter([10 * minute, 11 * minute])
    averages = KeepAverages(database, providers, slow, lambda: next(moments))
    before = await averages.measure(HOST_ID, {})
    side_door.advance_clock(60)
    await averages.measure(HOST_ID, before)
    rows = await database.read(lambda c: c.execute(select(load_average)).all())
    assert {(row.object_id, row.slot_at, row.covered_seconds) for row in rows} == {
        (HOST_ID, 10 * minute, 60.0),
        (A, 10 * minute, 60.0),
    }
    assert all(row.cpu_percent is not None and 0 < row.cpu_percent <= 100 for row in rows)


def test_clock_set_back_does_not_make_new_facts_look_old() -> None:
    moments = iter([100, 50, 60, 200])
    clock = SteadyClock(lambda: next(moments))
    clock.not_before(120)
    assert [clock() for _ in range(4)] == [121, 122, 123, 200]


@pytest.mark.parametrize("resolution", ["dismissed", None])
def test_ended_jobs_and_old_news_are_forgotten_but_never_the_audit(
    database: SqliteDatabase, resolution: str | None
) -> None:
    day = 86_400 * SECOND
    now = 1000 * day
    keep = Retention(jobs_days=90, events_days=7)

    def unit(connection: Connection) -> tuple[Any, ...]:
        old = hold(connection, A, 0, state="failed", ended_at=now - 91 * day)
        connection.execute(update(job).where(job.c.id == old).values(resolution=resolution))
        young = hold(connection, B, 0, state="completed", ended_at=now - 89 * day)
        for at in (now - 8 * day, now - 6 * day):
            connection.execute(insert(event).values(at=at, kind="vm", object_id=A, body={}))
        connection.execute(insert(audit).values(at=0, user="u", source="s", action="a", object="o", outcome="accepted"))
        while prune(connection, keep, now):
            pass
        jobs = set(connection.execute(select(job.c.id)).scalars())
        assert jobs == ({young} if resolution else {young, old})
        return (
            connection.execute(select(func.count()).select_from(event)).scalar(),
            connection.execute(select(func.count()).select_from(audit)).scalar(),
        )

    with database.engine.begin() as connection:
        assert unit(connection) == (1, 1)


async def test_a_watcher_that_breaks_is_logged_and_the_others_go_on(
    database: SqliteDatabase, side_door: SideDoor, slow: WatchSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: str) -> Provider:
        raise RuntimeError("a bug of ours")

    watchers = Watchers(database, broken, slow, wall_clock)
    await watchers.start()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "refresh sim-1 broke off" not in caplog.text:
                await asyncio.sleep(0)
    finally:
        await watchers.stop()
    assert "a bug of ours" in caplog.text


async def test_maintenance_is_not_undone_by_an_answer(
    database: SqliteDatabase, start: Start, slow: WatchSettings
) -> None:
    await database.write(lambda c: c.execute(update(host).values(maintenance=True)))
    await start(slow)
    await until(database, host_row, lambda found: found.state == "maintenance_mode")


def test_vm_rows_are_left_for_history(database: SqliteDatabase) -> None:
    """A tombstone loses its place on the host, never its row."""
    with database.engine.begin() as connection:
        connection.execute(
            insert(vm).values(
                id=A, name="a", state="missing", cpu_count=1, memory_mib=1, created_at=0, deleted_at=1, host_id=HOST_ID
            )
        )
        prune(connection, Retention(), 10 * 86_400 * SECOND)
        assert connection.execute(select(func.count()).select_from(vm)).scalar() == 1
