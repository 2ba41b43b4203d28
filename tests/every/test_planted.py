"""The standing tests see what they are for: operations that break a promise, each of them planted and reported."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.every import ends, stage, test_crashes, test_failures
from tests.every.borders import At
from tests.every.conftest import MakeStage

from hostler.jobs import journal
from hostler.jobs.journal import Claimed
from hostler.jobs.operation import Operation
from hostler.jobs.step import Result, StepContext
from hostler.operations.vm.create import seed_is_there, seed_path, write_seed
from hostler.providers.contract import ResetVm

CREATE = "vm.create"
SEED = At(CREATE, "seed", "effect")
RESET = At("vm.reset", "reset", "effect")
Context = StepContext[Any]
Seen = dict[str, object]
Plant = Callable[..., None]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Replaces parts of the step at a border, for this test."""
    monkeypatch.setattr(ends, "_clean", {})

    def planted(at: At, **parts: Any) -> None:
        made = type(Operation.registry[at.operation])
        steps = [replace(step, **parts) if step.name == at.step else step for step in made.steps]
        monkeypatch.setattr(made, "steps", steps)

    return planted


async def crash(fresh_stage: MakeStage, at: At) -> Seen:
    """What the crash test counted when it failed, as it must."""
    seen: Seen = {}
    with pytest.raises(AssertionError):
        await test_crashes.test_a_crash_loses_nothing_and_does_nothing_twice(fresh_stage, seen.__setitem__, at, 1)
    return seen


async def test_without_a_plant_nothing_is_reported(fresh_stage: MakeStage) -> None:
    seen: Seen = {}
    await test_crashes.test_a_crash_loses_nothing_and_does_nothing_twice(fresh_stage, seen.__setitem__, SEED, 1)
    assert seen == {
        "borders": 1,
        "converged": 1,
        "lost": 0,
        "duplicated": 0,
        "leftovers that no job names": 0,
    }


async def claims_what_was_only_intended(at: Context) -> Result | None:
    return {"path": seed_path(at.plan)} if at.attempt > 1 else await seed_is_there(at)


async def starts_another_each_time(at: Context) -> str:
    """Under an id of the moment: after a crash nobody finds the task again."""
    provider = await at.services.provider(at.plan.host_id)
    task = await provider.start_task(at.fence, str(uuid.uuid4()), ResetVm(native_id=at.plan.native_id))
    return task.task_id


async def starts_two(at: Context) -> str:
    await starts_another_each_time(at)
    return await starts_another_each_time(at)


async def makes_what_is_not_in_the_plan(at: Context) -> Result:
    provider = await at.services.provider(at.plan.host_id)
    await provider.write_seed(at.fence, f"{stage.VM_PATH}/{uuid.uuid4()}/stray.iso", at.plan.seed)
    return await write_seed(at)


async def gives_up_when_it_was_here_before(at: Context) -> Result:
    if at.attempt > 1:
        raise RuntimeError("somebody was here before")
    return await write_seed(at)


async def forgets(at: Context) -> None:
    pass


@pytest.mark.parametrize("start", [starts_another_each_time, starts_two])
async def test_what_is_done_twice_is_seen(fresh_stage: MakeStage, plant: Plant, start: Any) -> None:
    plant(RESET, start=start)
    assert (await crash(fresh_stage, RESET))["duplicated"] != 0


async def test_a_look_that_takes_the_intent_for_the_effect_is_seen(fresh_stage: MakeStage, plant: Plant) -> None:
    plant(SEED, look=claims_what_was_only_intended)
    seen = await crash(fresh_stage, SEED._replace(phase="intent"))
    assert seen["converged"] == 0


async def test_an_effect_that_is_not_in_the_plan_is_seen(fresh_stage: MakeStage, plant: Plant) -> None:
    plant(SEED, do=makes_what_is_not_in_the_plan)
    assert (await crash(fresh_stage, SEED))["leftovers that no job names"] == 1


async def test_a_job_that_does_not_survive_a_crash_is_seen(fresh_stage: MakeStage, plant: Plant) -> None:
    plant(SEED, do=gives_up_when_it_was_here_before)
    assert (await crash(fresh_stage, SEED._replace(phase="intent")))["lost"] == 1


async def test_a_lost_job_is_seen(fresh_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes up what a dead worker had."""
    claim = journal.claim

    def only_new_ones(*given: Any) -> list[Claimed]:
        return [claimed for claimed in claim(*given) if claimed.attempt == 1]

    seen: Seen = {}
    await ends.end_of_clean_run(await fresh_stage(), CREATE)
    monkeypatch.setattr(stage, "LIMIT_SECONDS", 3.0)
    monkeypatch.setattr(journal, "claim", only_new_ones)
    with pytest.raises(TimeoutError):
        await test_crashes.test_a_crash_loses_nothing_and_does_nothing_twice(fresh_stage, seen.__setitem__, SEED, 1)


Check = Callable[[MakeStage, At], Awaitable[None]]


@pytest.mark.parametrize(
    ("check", "at"),
    [
        (test_failures.test_undo_takes_back_what_was_done_and_names_what_it_cannot, SEED),
        (test_failures.test_a_crash_while_undoing_is_survived, SEED._replace(phase="undo-effect")),
        (test_failures.test_a_cancelled_job_ends_clean_or_done, SEED),
    ],
    ids=["undo", "crash while undoing", "cancel"],
)
async def test_an_undo_that_forgets_is_seen(fresh_stage: MakeStage, plant: Plant, check: Check, at: At) -> None:
    await check(fresh_stage, at)
    plant(SEED, undo=forgets)
    with pytest.raises(AssertionError, match=r"seed\.iso"):
        await check(fresh_stage, at)


async def test_a_lost_reply_without_a_look_is_seen(fresh_stage: MakeStage, plant: Plant) -> None:
    check = test_failures.test_a_lost_reply_is_looked_after_and_nothing_is_done_twice
    await check(fresh_stage, RESET.operation, "start_task")
    plant(RESET, start=starts_another_each_time)
    with pytest.raises(AssertionError):
        await check(fresh_stage, RESET.operation, "start_task")


async def test_a_border_that_nobody_comes_by_is_seen(fresh_stage: MakeStage) -> None:
    seen: Seen = {}
    nowhere = SEED._replace(step="nowhere")
    with pytest.raises(AssertionError, match="never reached"):
        await test_crashes.test_a_crash_loses_nothing_and_does_nothing_twice(fresh_stage, seen.__setitem__, nowhere, 1)
