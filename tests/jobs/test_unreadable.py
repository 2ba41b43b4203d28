"""A job that this version cannot read fails alone: every other job goes on, and a person can still let it go."""

from typing import Any

import pytest
from sqlalchemy import select, text, update
from tests.jobs.conftest import CALLER, House
from tests.jobs.trial import Operations, World

from hostler.domain.access.rights import Rights
from hostler.jobs.errors import ConflictError, ForbiddenError
from hostler.jobs.operation import Operation
from hostler.store.tables import job, job_limit, job_step


async def damage_text(house: House, job_id: str) -> None:
    await house.write(text("UPDATE job SET plan = :plan WHERE id = :id").bindparams(plan='{"name": ', id=job_id))


async def take_a_field(house: House, job_id: str) -> None:
    await house.write(update(job).where(job.c.id == job_id).values(plan={"called": "thing"}))


async def rename_a_step(house: House, job_id: str) -> None:
    await house.write(update(job_step).where(job_step.c.job_id == job_id, job_step.c.n == 1).values(name="gone"))


class SystemCrash(BaseException):
    """The process is gone."""


DAMAGES = [damage_text, take_a_field, rename_a_step]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_it_fails_alone_and_is_dismissed(house: House, world: World, operations: Operations, damage: Any) -> None:
    operation = operations.make(world.three())
    await house.write(job_limit.insert().values(key="host/1", at_most=1))
    broken = await house.accept(operation, exclusive=["a"], limit="host/1")
    await damage(house, broken)
    await house.worker()

    assert (await house.run(operation, name="other", limit="host/1")).state == "completed"
    (row,) = await house.rows(select(job.c.state, job.c.error, job.c.attempt).where(job.c.id == broken))
    assert (row.state, row.error["code"], row.attempt) == ("failed", "unreadable_plan", 0)
    assert await house.holds(broken) == {"a": "block"}
    for decision in (house.engine.restart, house.engine.undo):
        with pytest.raises(ConflictError, match="cannot be read"):
            await decision(broken, CALLER)
    await house.engine.dismiss(broken, CALLER)
    assert await house.holds(broken) == {"a": "none"}
    assert [made for made in world.made if made[0] == "thing"] == []
    (limit,) = await house.rows(job_limit.select())
    assert limit.running == 0


async def test_one_that_was_at_work_names_the_steps_whose_effects_may_stand(
    house: House, world: World, operations: Operations
) -> None:
    operation = operations.make(world.three())

    async def crash(_operation: str, step: str, phase: str) -> None:
        if (step, phase) == ("two", "effect"):
            raise SystemCrash

    first = await house.worker(crash)
    job_id = await house.accept(operation, exclusive=["a"])
    await house.until(lambda _: ("thing", "two") in world.there)
    await first.finish_attempts()
    await first.abandon()
    await take_a_field(house, job_id)
    await house.worker(alone=True)

    row = await house.ended(job_id)
    assert row.error["left"] == ["what this step may have done: two", "what this step may have done: one"]


async def test_a_queued_one_can_be_cancelled(house: House, world: World, operations: Operations) -> None:
    job_id = await house.accept(operations.make(world.three()), exclusive=["a"])
    await take_a_field(house, job_id)

    await house.engine.cancel(job_id, CALLER)
    assert (await house.row(job_id)).state == "cancelled"
    assert await house.holds(job_id) == {"a": "none"}


async def test_jobs_of_an_operation_that_is_gone_or_newer_wait_without_stopping_others(
    house: House, world: World, operations: Operations
) -> None:
    gone, newer = operations.make(world.three(), "gone"), operations.make(world.three(), "newer")
    waiting = [await house.accept(gone, exclusive=["a"]), await house.accept(newer, exclusive=["b"])]
    Operation.registry.pop(gone)
    await house.write(update(job).where(job.c.id == waiting[1]).values(version=2))
    await house.worker()

    assert (await house.run(operations.make(world.three()), name="other")).state == "completed"
    assert [(await house.row(job_id)).state for job_id in waiting] == ["queued", "queued"]
    narrow = CALLER.__class__(user_id="u", user_name="ann", rights=Rights(privileges=frozenset({"Try"})))
    with pytest.raises(ForbiddenError):
        await house.engine.cancel(waiting[0], narrow)
    for job_id in waiting:
        await house.engine.cancel(job_id, CALLER)
        assert (await house.row(job_id)).state == "cancelled"
