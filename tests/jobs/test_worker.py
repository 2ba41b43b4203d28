"""Workers come and go; no job is lost, none has two, and limits hold."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from tests.jobs.conftest import House
from tests.jobs.trial import Gate, Operations, World, once

from hostler.jobs import worker as worker_module
from hostler.jobs.states import JobState
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import job, job_limit, job_step, replica

SEEDS = range(100)


async def expire(house: House, worker_id: str) -> None:
    """As the database sees it: this replica was not heard of for longer than its lease."""
    await house.write(update(replica).where(replica.c.id == worker_id).values(lease_until=0))


@pytest.mark.parametrize("step", ["one", "two", "three"])
@pytest.mark.parametrize("phase", ["intent", "effect"])
async def test_the_job_of_a_killed_worker_goes_on(
    house: House, world: World, operations: Operations, step: str, phase: str
) -> None:
    operation = operations.make(world.three())
    gate = Gate(step, phase)
    killed = await house.worker(gate)
    job_id = await house.accept(operation, exclusive=["a"])
    await gate.reached.wait()
    await killed.abandon()
    await expire(house, killed.id)
    await house.worker()
    row = await house.ended(job_id)
    assert (row.state, row.attempt, set(world.made.values())) == (JobState.COMPLETED, 2, {1})


async def test_a_live_worker_keeps_its_jobs(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    gate = Gate("two", "intent")
    await house.worker(gate)
    job_id = await house.accept(operation)
    await gate.reached.wait()
    await house.worker()
    await house.run(operation, name="other")
    assert (await house.row(job_id)).attempt == 1
    gate.open.set()
    assert (await house.ended(job_id)).attempt == 1


async def journal_of(house: House, job_id: str) -> list[Any]:
    return [*await house.rows(select(job).where(job.c.id == job_id)), *await house.rows(select(job_step))]


async def test_a_late_worker_changes_nothing(house: House, world: World, operations: Operations) -> None:
    """Stopped at a random border, taken over, and let go on after the other has done some or all: in 100 ways."""
    operation, told = operations.make(world.three()), 0
    for seed in SEEDS:
        chance = random.Random(seed)
        gate = Gate(chance.choice(["one", "two", "three"]), chance.choice(["intent", "effect"]))
        meeting = Gate(chance.choice(["one", "two", "three"]), chance.choice(["intent", "effect", "result"]))
        late = await house.worker(gate)
        job_id = await house.accept(operation, name=f"n{seed}")
        await gate.reached.wait()
        await expire(house, late.id)
        taker = await house.worker(meeting)
        ended = asyncio.create_task(house.ended(job_id))
        reached = asyncio.create_task(meeting.reached.wait())
        await asyncio.wait([ended, reached], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        between, log = await journal_of(house, job_id), list(world.log)
        gate.open.set()
        await late.finish_attempts()
        assert await journal_of(house, job_id) == between, f"seed {seed}: the late worker wrote into the journal"
        if world.attempts[job_id] == 2:
            assert world.log == log, f"seed {seed}: the late worker reached a host that knows of the later one"
            told += 1
        meeting.open.set()
        row = await ended
        assert (row.state, row.attempt) == (JobState.COMPLETED, 2), f"seed {seed}"
        await taker.stop()
        await late.abandon()
    assert set(world.made.values()) == {1}
    assert told >= 50


async def test_a_graceful_stop_parks_what_runs_and_the_next_start_goes_on(
    house: House, world: World, operations: Operations
) -> None:
    operation = operations.make(world.three())
    gate = Gate("two", "effect")
    first = await house.worker(gate, alone=True)
    job_id = await house.accept(operation)
    await gate.reached.wait()
    await first.stop(grace_seconds=0.01)
    assert (await house.row(job_id)).state == JobState.RUNNING
    assert await house.rows(select(replica)) == []
    await house.worker(alone=True)
    row = await house.ended(job_id)
    assert (row.state, set(world.made.values())) == (JobState.COMPLETED, {1})


async def test_a_graceful_stop_lets_short_work_end(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    gate = Gate("two", "effect")
    worker = await house.worker(gate)
    job_id = await house.accept(operation)
    await gate.reached.wait()
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    gate.open.set()
    await stopping
    assert (await house.row(job_id)).state == JobState.COMPLETED


async def test_the_lease_is_kept_while_work_ends(
    house: House, world: World, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RENEW_SECONDS", 0.01)
    gate = Gate("two", "effect")
    worker = await house.worker(gate)
    await house.accept(operations.make(world.three()))
    await gate.reached.wait()
    stopping = asyncio.create_task(worker.stop())
    await expire(house, worker.id)
    lease = select(replica.c.lease_until).where(replica.c.id == worker.id)
    await house.until(lambda connection: bool(connection.execute(lease).scalar()))
    gate.open.set()
    await stopping


@pytest.mark.parametrize("how", ["cannot be written", "was taken away"])
async def test_who_loses_the_lease_stops_its_work(
    house: House, world: World, operations: Operations, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(worker_module, "RENEW_SECONDS", 0.01)
    gate = Gate("two", "effect")
    worker = await house.worker(gate)
    job_id = await house.accept(operations.make(world.three()))
    await gate.reached.wait()
    # Only now: on a slow disk so short a lease would be lost before the work begins.
    monkeypatch.setattr(worker_module, "LEASE_SECONDS", 0.05)
    if how == "was taken away":
        await house.write(delete(replica))
    else:
        await break_leases(house, "WHEN new.lease_until > 0")
    async with asyncio.timeout(10):
        await worker.lost()
        await worker.finish_attempts()
    gate.open.set()
    await asyncio.sleep(0)
    assert await house.steps(job_id) == ["done", "intent", "planned"]
    assert (await house.row(job_id)).state == JobState.RUNNING


async def break_leases(house: House, when: str) -> None:
    await house.database.write(
        lambda connection: (
            connection.exec_driver_sql(
                f"CREATE TRIGGER broken BEFORE UPDATE ON replica {when} BEGIN SELECT RAISE(ABORT, 'planted'); END"
            )
            and None
        )
    )


async def test_who_is_alone_tries_again_until_the_lease_can_be_written(
    house: House, world: World, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(worker_module, "LEASE_SECONDS", 0.03)
    gate = Gate("two", "effect")
    worker = await house.worker(gate, alone=True)
    job_id = await house.accept(operations.make(world.three()))
    await gate.reached.wait()
    await break_leases(house, "")
    lost = asyncio.create_task(worker.lost())
    await asyncio.wait([lost], timeout=0.2)
    assert not lost.done()
    lost.cancel()
    gate.open.set()
    assert (await house.ended(job_id)).state == JobState.COMPLETED


async def test_an_attempt_that_the_database_broke_off_is_taken_up_again(
    house: House, world: World, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0.02)
    await house.database.write(
        lambda connection: (
            connection.exec_driver_sql(
                "CREATE TRIGGER broken BEFORE UPDATE ON job_step WHEN new.n = 1 AND new.attempt = 1 "
                "AND new.state IN ('done', 'failed') BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
            and None
        )
    )
    await house.worker()
    row = await house.run(operations.make(world.three()))
    assert (row.state, row.attempt, set(world.made.values())) == (JobState.COMPLETED, 2, {1})


async def test_claiming_goes_on_after_a_failed_write(
    house: House, world: World, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0.02)
    write, broken = house.database.write, [RuntimeError("disk full")] * 3

    async def failing(work: Any) -> Any:
        if broken and "_take" in repr(work):
            raise broken.pop()
        return await write(work)

    monkeypatch.setattr(house.database, "write", failing)
    await house.worker()
    assert (await house.run(operations.make(world.three()))).state == JobState.COMPLETED
    assert broken == []


async def test_a_version_that_is_not_known_is_left_to_others_and_holds_nobody_up(
    house: House, world: World, operations: Operations
) -> None:
    newer = operations.make(world.three(), verb="newer", version=2)
    left = [await house.accept(newer, name=f"left{n}") for n in range(5)]
    operations.make(world.three(), verb="newer", version=1)
    gone = operations.make(world.three(), verb="gone")
    left.append(await house.accept(gone))
    operations.forget()
    await house.write(update(job).where(job.c.id == left[0]).values(state="running", replica="dead", attempt=1))
    await house.worker(at_once=2)
    assert (await house.run(operations.make(world.three()))).state == JobState.COMPLETED
    assert {(await house.row(job_id)).state for job_id in left[1:]} == {JobState.QUEUED}
    assert (await house.row(left[0])).attempt == 1


async def test_an_older_version_is_still_known(house: House, world: World, operations: Operations) -> None:
    job_id = await house.accept(operations.make(world.three(), version=1))
    operations.make(world.three(), version=2)
    await house.worker()
    assert (await house.ended(job_id)).state == JobState.COMPLETED


async def test_limits_hold_and_no_key_starves(house: House, world: World, operations: Operations) -> None:
    """Many jobs of few keys at two workers, some failing and some crashing: never more at once than the limit."""
    chance = random.Random(7)
    limits = {f"host/{n}": chance.randint(1, 3) for n in range(8)}
    await house.write(insert(job_limit).values([{"key": key, "at_most": most} for key, most in limits.items()]))
    at_work: Counter[str] = Counter()
    most: Counter[str] = Counter()
    ended_by_key: dict[str, list[int]] = {key: [] for key in limits}

    def enter(at: Any) -> None:
        key = at.plan.name.partition(" ")[0]
        at_work[key] += 1
        most[key] = max(most[key], at_work[key])

    def leave(at: Any) -> None:
        at_work[at.plan.name.partition(" ")[0]] -= 1

    world.before |= {"do one": enter, "do two": leave}
    operation = operations.make((world.step("one"), world.step("two")))
    jobs = []
    for n in range(160):
        key = "host/0" if n < 80 else chance.choice(list(limits))
        jobs.append((key, await house.accept(operation, name=f"{key} {n}", limit=key)))
    for _ in range(2):
        await house.worker(at_once=6)
    for n, (key, job_id) in enumerate(jobs):
        assert (await house.ended(job_id)).state == JobState.COMPLETED
        ended_by_key[key].append(n)
    assert all(most[key] <= limits[key] for key in limits), (most, limits)
    assert all(ended_by_key.values())
    counted = {row.key: row.running for row in await house.rows(select(job_limit))}
    assert set(counted.values()) == {0}
    first_of_others = min([(await house.row(job_id)).ended_at for key, job_id in jobs if key != "host/0"])
    last_of_first = max([(await house.row(job_id)).ended_at for key, job_id in jobs if key == "host/0"])
    assert first_of_others < last_of_first, "80 jobs of one host went before all others"


@pytest.mark.parametrize("end", ["failure", "cancel", "crash"])
async def test_a_place_is_given_back_however_the_job_ends(
    house: House, world: World, operations: Operations, end: str
) -> None:
    await house.write(insert(job_limit).values(key="host/1", at_most=1))
    operation = operations.make(world.three())
    gate = Gate("two", "effect")
    if end == "failure":
        world.before["do two"] = once(RuntimeError("planted"))
    worker = await house.worker(gate)
    job_id = await house.accept(operation, limit="host/1")
    if end != "failure":
        await gate.reached.wait()
        assert (await house.rows(select(job_limit.c.running)))[0][0] == 1
    if end == "cancel":
        await house.engine.cancel(job_id, house.request(operation).caller)
    elif end == "crash":
        await worker.abandon()
        await house.worker(alone=True)
    gate.open.set()
    await house.ended(job_id)
    assert (await house.rows(select(job_limit.c.running)))[0][0] == 0
    assert (await house.run(operation, limit="host/1", name="next")).state == JobState.COMPLETED


async def test_the_engine_reopened_on_the_same_file_goes_on(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    gate = Gate("two", "effect")
    worker = await house.worker(gate, alone=True)
    job_id = await house.accept(operation)
    await gate.reached.wait()
    await worker.abandon()
    house.workers.clear()
    house.database.close()
    house.database = SqliteDatabase(house.path)
    await house.worker(alone=True)
    assert (await house.ended(job_id)).state == JobState.COMPLETED
    assert set(world.made.values()) == {1}
