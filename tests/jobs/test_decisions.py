"""Cancel, restart, undo, dismiss: at any moment, by anybody who may, and never twice."""

import asyncio

import msgspec
import pytest
from tests.jobs.conftest import CALLER, House
from tests.jobs.trial import Operations, World, always, once

from hostler.domain.access.rights import Rights
from hostler.jobs.errors import ConflictError, ForbiddenError, UnknownObjectError
from hostler.jobs.journal import CANCELLED_TOO_LATE
from hostler.jobs.states import JobState, Resolution
from hostler.providers.errors import HostNotResponding

STEPS = ("one", "two", "three")
PLANTED = RuntimeError("planted")


async def test_a_queued_job_that_is_cancelled_never_starts(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    job_id = await house.accept(operation, exclusive=["a"])
    await house.engine.cancel(job_id, CALLER)
    row = await house.row(job_id)
    assert (row.state, row.resolution, await house.holds(job_id)) == ("cancelled", "undone", {"a": "none"})
    await house.worker()
    await house.run(operation, exclusive=["a"], name="other")
    assert world.made.keys() == {("other", step) for step in STEPS}


@pytest.mark.parametrize("phase", ["intent", "effect", "result"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("times", [1, 2])
async def test_cancelled_at_every_step(
    house: House, world: World, operations: Operations, step: str, phase: str, times: int
) -> None:
    operation = operations.make(world.three())
    job_id = ""

    async def border(_operation: str, here: str, there: str) -> None:
        if (here, there) == (step, phase) and (await house.row(job_id)).state == JobState.RUNNING:
            for _ in range(times):
                await house.engine.cancel(job_id, CALLER)

    await house.worker(border)
    job_id = await house.accept(operation, exclusive=["a"])
    row = await house.ended(job_id)
    if step == "three" or (step, phase) == ("two", "result"):  # the last step is begun: with it the job is done
        told = (step, phase) != ("three", "result")  # then the job had ended, and there was nothing to cancel
        ended = (JobState.COMPLETED_WITH_INFO, [CANCELLED_TOO_LATE]) if told else (JobState.COMPLETED, None)
        assert (row.state, row.info) == ended
        assert world.there == {("thing", name) for name in STEPS}
    else:
        assert (row.state, row.resolution, world.there) == ("cancelled", "undone", set())
        assert set(await house.steps(job_id)) <= {"undone", "planned"}
    assert await house.holds(job_id) == {"a": "none"}
    with pytest.raises(ConflictError):
        await house.engine.cancel(job_id, CALLER)


async def test_cancelled_while_a_task_is_followed(house: House, world: World, operations: Operations) -> None:
    operation = operations.make((world.step("one"), world.long_step("copy")))
    await house.worker()
    job_id = await house.accept(operation)
    await house.until(lambda _: bool(world.tasks))
    await house.engine.cancel(job_id, CALLER)
    row = await house.ended(job_id)
    assert (row.state, row.resolution, world.there) == ("cancelled", "undone", set())
    assert world.log == ["do one", f"stop {job_id}.copy.0", "undo copy", "undo one"]


async def test_cancelled_while_undoing(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    world.before["do three"] = always(PLANTED)

    async def border(_operation: str, step: str, phase: str) -> None:
        if (step, phase) == ("two", "undo-effect"):
            await house.engine.cancel(job_id, CALLER)

    await house.worker(border)
    job_id = await house.accept(operation)
    await house.ended(job_id)
    await house.engine.undo(job_id, CALLER)
    row = await house.ended(job_id)
    assert (row.state, row.resolution, world.there) == ("cancelled", "undone", set())


async def test_cancelled_with_what_cannot_be_undone_names_it(
    house: House, world: World, operations: Operations
) -> None:
    operation = operations.make((world.step("one", undone=False), world.step("two"), world.long_step("copy")))
    await house.worker()
    job_id = await house.accept(operation, exclusive=["a"])
    await house.until(lambda _: bool(world.tasks))
    await house.engine.cancel(job_id, CALLER)
    row = await house.ended(job_id)
    assert (row.state, row.resolution, row.error["left"]) == ("cancelled", None, ["one of thing"])
    assert await house.holds(job_id) == {"a": "block"}
    await house.engine.dismiss(job_id, CALLER)
    row = await house.row(job_id)
    assert (row.resolution, row.error["left"]) == (Resolution.DISMISSED, ["one of thing"])
    assert await house.holds(job_id) == {"a": "none"}


@pytest.mark.parametrize("failing", STEPS)
async def test_a_failed_job_goes_on_from_the_step_that_failed(
    house: House, world: World, operations: Operations, failing: str
) -> None:
    operation = operations.make(world.three())
    world.before[f"do {failing}"] = once(PLANTED)
    await house.worker()
    row = await house.run(operation)
    done = STEPS[: STEPS.index(failing)]
    assert (row.state, row.error["step"], row.error["code"]) == (JobState.FAILED, failing, "internal_error")
    assert row.error["left"] == [f"{step} of thing" for step in (*done, failing)]
    await house.engine.restart(row.id, CALLER)
    assert (await house.ended(row.id)).state == JobState.COMPLETED
    assert set(world.made.values()) == {1}


@pytest.mark.parametrize("failing", STEPS)
async def test_undo_goes_back_from_the_step_that_failed(
    house: House, world: World, operations: Operations, failing: str
) -> None:
    operation = operations.make(world.three())
    world.before[f"do {failing}"] = always(PLANTED)
    await house.worker()
    row = await house.run(operation, exclusive=["a"])
    await house.engine.undo(row.id, CALLER)
    row = await house.ended(row.id)
    assert (row.state, row.resolution, world.there) == ("failed", "undone", set())
    undone = [line for line in world.log if line.startswith("undo")]
    assert undone == [f"undo {step}" for step in reversed(STEPS[: STEPS.index(failing) + 1])]
    assert await house.holds(row.id) == {"a": "none"}
    for verb in ("undo", "restart", "dismiss", "cancel"):
        with pytest.raises(ConflictError):
            await getattr(house.engine, verb)(row.id, CALLER)


async def half_undone(house: House, world: World, operation: str) -> str:
    """A job that failed at step three, and whose undo failed at step one."""
    world.before["do three"] = once(PLANTED)
    world.before["undo one"] = once(PLANTED)
    row = await house.run(operation, exclusive=["a"])
    await house.engine.undo(row.id, CALLER)
    row = await house.ended(row.id)
    assert (row.state, row.resolution, row.error["step"]) == ("failed", None, "one")
    assert row.error["left"] == ["one of thing"], "what is undone is not named as left"
    assert await house.holds(row.id) == {"a": "block"}
    return str(row.id)


async def test_restart_after_a_partial_undo(house: House, world: World, operations: Operations) -> None:
    await house.worker()
    job_id = await half_undone(house, world, operations.make(world.three()))
    await house.engine.restart(job_id, CALLER)
    assert (await house.ended(job_id)).state == JobState.COMPLETED
    assert world.there == {("thing", step) for step in STEPS}
    assert dict(world.made) == {("thing", "one"): 1, ("thing", "two"): 2, ("thing", "three"): 1}


async def test_undo_after_a_partial_undo(house: House, world: World, operations: Operations) -> None:
    await house.worker()
    job_id = await half_undone(house, world, operations.make(world.three()))
    await house.engine.undo(job_id, CALLER)
    assert (await house.ended(job_id)).resolution == Resolution.UNDONE
    assert world.there == set()


async def test_dismiss_lets_go_and_keeps_saying_what_was_left(
    house: House, world: World, operations: Operations
) -> None:
    world.before["do two"] = always(PLANTED)
    await house.worker()
    row = await house.run(operations.make(world.three()), exclusive=["a"])
    await house.engine.dismiss(row.id, CALLER)
    row = await house.row(row.id)
    assert (row.state, row.resolution) == ("failed", "dismissed")
    assert row.error["left"] == ["one of thing", "two of thing"]
    assert world.there == {("thing", "one")}


async def test_only_the_newest_job_of_an_object_restarts(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    world.before["do two"] = always(PLANTED)
    await house.worker()
    older = await house.run(operation, shared=["host/1"])
    newer = await house.run(operation, exclusive=["host/1"], name="newer")
    with pytest.raises(ConflictError):
        await house.engine.restart(older.id, CALLER)
    await house.engine.dismiss(newer.id, CALLER)
    world.before.clear()
    await house.engine.restart(older.id, CALLER)
    assert (await house.ended(older.id)).state == JobState.COMPLETED


async def test_no_later_job_gets_between_a_failed_one_and_its_restart(
    house: House, world: World, operations: Operations
) -> None:
    operation = operations.make(world.three())
    world.before["do two"] = once(PLANTED)
    await house.worker()
    failed = await house.run(operation, exclusive=["a"])
    with pytest.raises(ConflictError) as refused:
        await house.accept(operation, exclusive=["a"], name="later")
    assert refused.value.detail["job"] == failed.id
    await house.engine.restart(failed.id, CALLER)
    assert (await house.ended(failed.id)).state == "completed"


@pytest.mark.parametrize("verb", ["cancel", "restart", "undo", "dismiss"])
async def test_decisions_need_the_privilege_and_are_audited(
    house: House, world: World, operations: Operations, verb: str
) -> None:
    operation = operations.make(world.three())
    world.before["do two"] = always(PLANTED)
    job_id = await house.accept(operation)
    if verb != "cancel":
        await house.worker()
        await house.ended(job_id)
    nobody = msgspec.structs.replace(CALLER, rights=Rights(privileges=frozenset()))
    with pytest.raises(ForbiddenError, match="Try"):
        await getattr(house.engine, verb)(job_id, nobody)
    await getattr(house.engine, verb)(job_id, CALLER)
    assert (await house.audited())[1:] == [(f"job.{verb}", "refused"), (f"job.{verb}", "accepted")]
    with pytest.raises(UnknownObjectError):
        await getattr(house.engine, verb)("nobody", CALLER)


async def test_only_one_of_many_decisions_at_once_is_taken(house: House, world: World, operations: Operations) -> None:
    world.before["do two"] = once(PLANTED)
    await house.worker()
    row = await house.run(operations.make(world.three()), exclusive=["a"])
    engine = house.engine
    decided = await asyncio.gather(
        *(decide(row.id, CALLER) for decide in (engine.restart, engine.undo, engine.dismiss) for _ in range(5)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in decided if outcome is not None]
    assert len(refused) == 14
    assert all(isinstance(outcome, ConflictError) for outcome in refused)


async def test_a_silent_host_is_waited_for(house: House, world: World, operations: Operations) -> None:
    world.before["do two"] = once(HostNotResponding("kvm-1 does not answer"))
    await house.worker()
    row = await house.run(operations.make(world.three()))
    assert (row.state, row.attempt, set(world.made.values())) == (JobState.COMPLETED, 1, {1})


async def test_a_host_that_stays_silent_fails_the_job_with_advice(
    house: House, world: World, operations: Operations
) -> None:
    world.before["do two"] = always(HostNotResponding("kvm-1 does not answer", "See that it runs."))
    await house.worker(patience_seconds=0.05)
    row = await house.run(operations.make(world.three()))
    assert (row.state, row.error["code"], row.error["next"]) == ("failed", "host_not_responding", "retry")
    assert (row.error["message"], row.error["remedy"]) == ("kvm-1 does not answer", "See that it runs.")
