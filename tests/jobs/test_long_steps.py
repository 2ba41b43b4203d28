"""Long steps: started once, followed by their handle across crashes, started again only when nothing is there."""

from sqlalchemy import select, update
from tests.jobs.conftest import CALLER, House
from tests.jobs.trial import Operations, World, always, once

from hostler.jobs.states import JobState
from hostler.providers.errors import HostNotResponding
from hostler.store.tables import job_step


def finish(world: World, how: str = "done") -> None:
    for task in world.tasks.values():
        task.ended = task.ended or how


async def begun(house: House, world: World, job_id: str) -> str:
    """The handle of the job's task, once it is recorded."""
    handle = select(job_step.c.handle).where(job_step.c.job_id == job_id, job_step.c.name == "copy")
    await house.until(lambda connection: connection.execute(handle).scalar() is not None)
    return str((await house.rows(handle))[0][0])


async def shown(house: House, job_id: str, percent: int) -> None:
    """Wait until the journal shows this progress, and no trouble."""
    step = select(job_step.c.percent, job_step.c.error).where(job_step.c.job_id == job_id)
    await house.until(lambda connection: tuple(connection.execute(step).one()) == (percent, None))


async def test_progress_is_recorded(house: House, world: World, operations: Operations) -> None:
    await house.worker()
    job_id = await house.accept(operations.make((world.long_step("copy"),)))
    handle = await begun(house, world, job_id)
    assert handle == f"{job_id}.copy.0"
    for percent in (30, 70):
        world.tasks[handle].percent = percent
        await shown(house, job_id, percent)
    finish(world)
    assert (await house.ended(job_id)).state == JobState.COMPLETED


async def test_a_crash_while_following_goes_on_with_the_same_task(
    house: House, world: World, operations: Operations
) -> None:
    first = await house.worker()
    job_id = await house.accept(operations.make((world.long_step("copy"), world.step("two"))))
    handle = await begun(house, world, job_id)
    await first.abandon()
    await house.worker(alone=True)
    await house.until(lambda _: True)
    finish(world)
    row = await house.ended(job_id)
    assert (row.state, row.attempt, list(world.tasks)) == (JobState.COMPLETED, 2, [handle])
    assert set(world.made.values()) == {1}


async def test_a_crash_before_the_handle_was_recorded_finds_the_same_task(
    house: House, world: World, operations: Operations
) -> None:
    first = await house.worker()
    job_id = await house.accept(operations.make((world.long_step("copy"),)))
    handle = await begun(house, world, job_id)
    await first.abandon()
    await house.write(update(job_step).values(handle=None))
    await house.worker(alone=True)
    finish(world)
    assert (await house.ended(job_id)).state == JobState.COMPLETED
    assert (list(world.tasks), set(world.made.values())) == ([handle], {1})


async def test_an_effect_that_came_while_nobody_looked_is_found(
    house: House, world: World, operations: Operations
) -> None:
    first = await house.worker()
    job_id = await house.accept(operations.make((world.long_step("copy"),)))
    await begun(house, world, job_id)
    await first.abandon()
    world.tasks.clear()
    world.there.add(("thing", "copy"))
    await house.worker(alone=True)
    assert (await house.ended(job_id)).state == JobState.COMPLETED
    assert set(world.made.values()) == {1}


async def test_a_lost_task_is_started_again_only_when_nothing_is_there(
    house: House, world: World, operations: Operations
) -> None:
    await house.worker()
    job_id = await house.accept(operations.make((world.long_step("copy"),)))
    await begun(house, world, job_id)
    world.tasks.clear()
    await house.until(lambda _: world.made["thing", "copy"] == 2)
    finish(world)
    assert (await house.ended(job_id)).state == JobState.COMPLETED
    other = await house.accept("hardware-profile.try", name="other")
    await begun(house, world, other)
    world.there.add(("other", "copy"))
    world.tasks.clear()
    assert (await house.ended(other)).state == JobState.COMPLETED
    assert world.made["other", "copy"] == 1


async def test_a_failed_task_is_started_anew_when_the_job_is_restarted(
    house: House, world: World, operations: Operations
) -> None:
    await house.worker()
    job_id = await house.accept(operations.make((world.long_step("copy"),)))
    handle = await begun(house, world, job_id)
    finish(world, "no space left")
    row = await house.ended(job_id)
    assert (row.state, row.error["code"], row.error["message"]) == ("failed", "task_failed", "no space left")
    await house.engine.restart(job_id, CALLER)
    await house.until(lambda _: len(world.tasks) == 2)
    finish(world)
    assert (await house.ended(job_id)).state == JobState.COMPLETED
    assert list(world.tasks) == [handle, f"{job_id}.copy.1"]


async def test_a_restart_after_silence_follows_the_task_that_may_still_run(
    house: House, world: World, operations: Operations
) -> None:
    await house.worker(patience_seconds=0.05)
    job_id = await house.accept(operations.make((world.long_step("copy"),)))
    handle = await begun(house, world, job_id)
    world.before["follow copy"] = always(HostNotResponding("silent"))
    assert (await house.ended(job_id)).error["code"] == "host_not_responding"
    world.before.clear()
    await house.engine.restart(job_id, CALLER)
    finish(world)
    assert (await house.ended(job_id)).state == JobState.COMPLETED
    assert (list(world.tasks), set(world.made.values())) == ([handle], {1})


async def test_a_restart_after_an_undo_starts_a_new_task(house: House, world: World, operations: Operations) -> None:
    await house.worker(patience_seconds=0.05)
    job_id = await house.accept(operations.make((world.long_step("copy"),)))
    handle = await begun(house, world, job_id)
    world.before |= {
        "follow copy": once(RuntimeError("planted")),
        "undo copy": always(HostNotResponding("silent")),
    }
    await house.ended(job_id)
    await house.engine.undo(job_id, CALLER)
    assert (await house.ended(job_id)).error["code"] == "host_not_responding"
    assert world.tasks[handle].ended == "stopped"
    await house.engine.restart(job_id, CALLER)
    await house.until(lambda _: len(world.tasks) == 2)
    finish(world)
    assert (await house.ended(job_id)).state == JobState.COMPLETED


async def test_each_silence_is_waited_for_anew(house: House, world: World, operations: Operations) -> None:
    """Patience is for one silence: a task of hours may meet many."""
    await house.worker(patience_seconds=0.3)
    job_id = await house.accept(operations.make((world.long_step("copy"),)))
    await begun(house, world, job_id)
    for percent in range(1, 13):
        world.before["follow copy"] = once(HostNotResponding("silent"))
        for task in world.tasks.values():
            task.percent = percent
        await shown(house, job_id, percent)
    finish(world)
    assert (await house.ended(job_id)).state == JobState.COMPLETED
