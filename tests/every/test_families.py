"""A job made of jobs is as safe as they are: crashed, failed and cancelled at every border of its parts.

The borders of its own steps are those of every operation.
"""

import asyncio

import pytest
from tests.every.borders import PHASES, At, Crash, Injected, case_of, operations, raising
from tests.every.conftest import MakeStage
from tests.every.ends import end_of_clean_run
from tests.every.stage import CALLER, Stage
from tests.every.test_crashes import crash_at, crashed_or_ended
from tests.every.truth import Truth, truth, unnamed

from hostler.jobs.family import is_parent
from hostler.jobs.operation import Operation
from hostler.jobs.states import JobState, Resolution
from hostler.store.database import AnyRow

PARTS = {"vm.create-many": "vm.create"}
"""Each operation that is made of others, and of which."""


def borders(prefix: str = "") -> list[tuple[str, At]]:
    """Every border of each part, with the whole."""
    found = []
    for whole, part in PARTS.items():
        steps = [step for step in Operation.registry[part].steps if not prefix or step.can_be_undone]
        found += [(whole, At(part, step.name, prefix + phase)) for step in steps for phase in PHASES]
    return found


FORWARD, BACK = borders(), borders("undo-")


def test_no_family_is_forgotten() -> None:
    assert {name for name in operations() if is_parent(Operation.registry[name])} == set(PARTS)


async def fail_at(stage: Stage, whole: str, at: At) -> tuple[AnyRow, Truth]:
    """The family of which one part broke there; what was there before it."""
    subject, arguments = await case_of(whole).arrange(stage)
    before = await truth(stage)
    await stage.close()
    await stage.open(raising(at, Injected("the part broke"), asyncio.Event()))
    row = await stage.ended(await stage.accept(whole, subject, arguments))
    assert (row.state, row.error["code"]) == (JobState.FAILED, "children_failed")
    assert "the part broke" in row.error["message"]
    return row, before


@pytest.mark.parametrize(("whole", "at"), FORWARD, ids=str)
async def test_a_crash_in_a_part_loses_nothing(fresh_stage: MakeStage, whole: str, at: At) -> None:
    clean = await end_of_clean_run(await fresh_stage(), whole)
    stage = await fresh_stage()
    job_id, crashed = await crash_at(stage, at, 2, whole)
    row = await stage.ended(job_id)
    assert crashed >= 1, f"the border {at} was never reached"
    assert row.state == JobState.COMPLETED, row.error
    assert await truth(stage) == clean
    assert (stage.door.duplicates(), await unnamed(stage)) == ((), ())


@pytest.mark.parametrize(("whole", "at"), [case for case in FORWARD if case[1].phase != "result"], ids=str)
async def test_a_part_that_failed_is_restarted_with_the_whole(fresh_stage: MakeStage, whole: str, at: At) -> None:
    clean = await end_of_clean_run(await fresh_stage(), whole)
    stage = await fresh_stage()
    row, _ = await fail_at(stage, whole, at)
    await stage.engine.restart(row.id, CALLER)
    again = await stage.ended(row.id)
    assert again.state == JobState.COMPLETED, again.error
    assert await truth(stage) == clean
    assert (stage.door.duplicates(), await unnamed(stage)) == ((), ())


@pytest.mark.parametrize(("whole", "at"), BACK, ids=str)
async def test_a_crash_while_a_part_is_taken_back_is_survived(fresh_stage: MakeStage, whole: str, at: At) -> None:
    stage = await fresh_stage()
    last = Operation.registry[at.operation].steps[-1].name
    row, before = await fail_at(stage, whole, At(at.operation, last, "intent"))
    await stage.close()
    reached = asyncio.Event()
    await stage.open(raising(at, Crash(), reached))
    await stage.engine.undo(row.id, CALLER)
    assert await crashed_or_ended(stage, row.id, reached), f"the border {at} was never reached"
    await stage.crash()
    await stage.open()
    assert (await stage.ended(row.id)).resolution == Resolution.UNDONE
    assert (await truth(stage), await unnamed(stage)) == (before, ())


@pytest.mark.parametrize(("whole", "at"), FORWARD, ids=str)
async def test_a_cancel_reaches_every_part(fresh_stage: MakeStage, whole: str, at: At) -> None:
    stage = await fresh_stage()
    subject, arguments = await case_of(whole).arrange(stage)
    before = await truth(stage)
    await stage.close()
    reached = asyncio.Event()

    async def cancel_here(*here: str) -> None:
        if not reached.is_set() and At(*here) == at:
            reached.set()
            await stage.engine.cancel(job_id, CALLER)

    await stage.open(cancel_here)
    job_id = await stage.accept(whole, subject, arguments)
    row = await stage.ended(job_id)
    assert (reached.is_set(), row.state, row.resolution) == (True, JobState.CANCELLED, Resolution.UNDONE)
    assert (await truth(stage), await unnamed(stage)) == (before, ())
