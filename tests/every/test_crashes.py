"""Every operation survives a crash at every border of every step: its job goes on and comes to the same end.

Nobody calls these tests: an operation that is registered has them.
"""

import asyncio
from collections.abc import Callable

import pytest
from tests.every.borders import At, Crash, case_of, every_border, raising
from tests.every.conftest import MakeStage
from tests.every.ends import end_of_clean_run
from tests.every.stage import Stage
from tests.every.truth import truth, unnamed

from hostler.jobs.states import JobState

BORDERS = list(every_border())


async def crash_at(stage: Stage, at: At, times: int, called: str = "") -> tuple[str, int]:
    """Accept the operation and crash at the border, `times` times over; the job, and how often the border came.

    `called`: another operation than that of the border, of which it is a part.
    """
    called = called or at.operation
    subject, arguments = await case_of(called).arrange(stage)
    await stage.close()
    job_id, crashed = "", 0
    for _ in range(times):
        reached = asyncio.Event()
        await stage.open(raising(at, Crash(), reached))
        job_id = job_id or await stage.accept(called, subject, arguments)
        if not await crashed_or_ended(stage, job_id, reached):
            break
        crashed += 1
        await stage.crash()
    else:
        await stage.open()
    return job_id, crashed


async def crashed_or_ended(stage: Stage, job_id: str, reached: asyncio.Event) -> bool:
    """Wait until the crash has come (True), or the job has ended without it."""
    ended = asyncio.create_task(stage.ended(job_id))
    crashed = asyncio.create_task(reached.wait())
    await asyncio.wait([ended, crashed], return_when=asyncio.FIRST_COMPLETED)
    await stage.worker.finish_attempts()
    for task in (ended, crashed):
        task.cancel()
    await asyncio.gather(ended, crashed, return_exceptions=True)
    return reached.is_set()


@pytest.mark.parametrize("at", BORDERS, ids=str)
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
async def test_a_crash_loses_nothing_and_does_nothing_twice(
    fresh_stage: MakeStage,
    record_property: Callable[[str, object], None],
    at: At,
    times: int,
) -> None:
    clean = await end_of_clean_run(await fresh_stage(), at.operation)
    stage = await fresh_stage()
    job_id, crashed = await crash_at(stage, at, times)
    row = await stage.ended(job_id)
    duplicated, left = stage.door.duplicates(), await unnamed(stage)
    converged = row.state == JobState.COMPLETED and await truth(stage) == clean
    record_property("borders", crashed)
    record_property("converged", crashed if converged else 0)
    record_property("lost", 0 if row.state == JobState.COMPLETED else 1)
    record_property("duplicated", len(duplicated))
    record_property("leftovers that no job names", len(left))
    assert crashed >= 1, f"the border {at} was never reached: the case of {at.operation} does not come by it"
    assert row.state == JobState.COMPLETED, row.error
    assert await truth(stage) == clean
    assert duplicated == ()
    assert left == ()
