"""Every operation that fails at any step says so, names what it left, and can be restarted or undone from its plan.

Nobody calls these tests: an operation that is registered has them.
"""

import asyncio

import pytest
from tests.every.borders import At, Crash, Injected, case_of, every_border, operations, raising
from tests.every.conftest import MakeStage
from tests.every.ends import end_of_clean_run
from tests.every.stage import CALLER, HOST, Stage
from tests.every.test_crashes import crashed_or_ended
from tests.every.truth import Truth, truth, unnamed

from hostler.jobs.errors import ConflictError
from hostler.jobs.operation import Operation
from hostler.jobs.states import Hold, JobState, Resolution
from hostler.providers.simulated.knobs import Fault, FaultKind, Knobs
from hostler.store.database import AnyRow

CHANGING_CALLS = ("write_seed", "delete_file", "define_vm", "undefine_vm", "change_power", "start_task", "cancel_task")
FAILING = [at for at in every_border() if at.phase in ("intent", "effect")]
UNDOING = list(every_border(undo=True))


ASKED_FOR_AGAIN = ("vm_reset",)
"""Who restarts a failed reset wants a reset: nothing shows whether there was one."""


async def fail_at(stage: Stage, at: At) -> tuple[AnyRow, Truth]:
    """Run the operation into a step that raises; the failed job, and what was there before it."""
    subject, arguments = await case_of(at.operation).arrange(stage)
    before = await truth(stage)
    await stage.close()
    await stage.open(raising(at, Injected("the step broke"), asyncio.Event()))
    job_id = await stage.accept(at.operation, subject, arguments)
    row = await stage.ended(job_id)
    assert row.state == JobState.FAILED
    return row, before


def is_reversible(operation: str, last_step: str) -> bool:
    """Whether everything up to this step can be taken back, or had no lasting effect."""
    steps = list(Operation.registry[operation].steps)
    upto = steps[: [step.name for step in steps].index(last_step) + 1]
    return all(step.can_be_undone or step.leaves is None for step in upto) and not operation.endswith("delete")


@pytest.mark.parametrize("at", FAILING, ids=str)
async def test_a_failed_job_holds_its_objects_and_restarts_to_the_same_end(fresh_stage: MakeStage, at: At) -> None:
    clean = await end_of_clean_run(await fresh_stage(), at.operation)
    stage = await fresh_stage()
    row, _ = await fail_at(stage, at)
    assert row.error["step"] == at.step
    assert "the step broke" in row.error["message"]
    assert await stage.holds(row.id) <= {Hold.BLOCK, Hold.NONE}
    subject = row.call["subject"]
    if subject is not None:
        with pytest.raises(ConflictError) as refused:
            await stage.accept(at.operation, subject, row.call["arguments"])
        assert refused.value.detail.get("job", row.id) == row.id
    await stage.engine.restart(row.id, CALLER)
    again = await stage.ended(row.id)
    assert again.state == JobState.COMPLETED, again.error
    assert await truth(stage) == clean
    assert [effect for effect in stage.door.duplicates() if effect.effect not in ASKED_FOR_AGAIN] == []
    assert await stage.holds(row.id) <= {Hold.NONE}


@pytest.mark.parametrize("at", FAILING, ids=str)
async def test_undo_takes_back_what_was_done_and_names_what_it_cannot(fresh_stage: MakeStage, at: At) -> None:
    stage = await fresh_stage()
    row, before = await fail_at(stage, at)
    await stage.engine.undo(row.id, CALLER)
    undone = await stage.ended(row.id)
    if undone.resolution is None:
        assert undone.error["left"], "an undo that is not complete names what is left"
        return
    assert undone.resolution == Resolution.UNDONE
    assert await unnamed(stage) == ()
    if is_reversible(at.operation, at.step) and at.operation not in PASSING:
        assert await truth(stage) == before
    with pytest.raises(ConflictError):
        await stage.engine.undo(row.id, CALLER)


PASSING = frozenset(
    name for name in operations() if all(step.leaves is None for step in Operation.registry[name].steps)
)
"""Operations whose effects are states that pass, such as power: undoing them is another operation, not a going back."""


@pytest.mark.parametrize("at", UNDOING, ids=str)
async def test_a_crash_while_undoing_is_survived(fresh_stage: MakeStage, at: At) -> None:
    stage = await fresh_stage()
    last = Operation.registry[at.operation].steps[-1].name
    row, before = await fail_at(stage, At(at.operation, last, "intent"))
    await stage.close()
    reached = asyncio.Event()
    await stage.open(raising(at, Crash(), reached))
    await stage.engine.undo(row.id, CALLER)
    assert await crashed_or_ended(stage, row.id, reached), f"the border {at} was never reached"
    await stage.crash()
    await stage.open()
    undone = await stage.ended(row.id)
    assert undone.resolution == Resolution.UNDONE
    assert await unnamed(stage) == ()
    if is_reversible(at.operation, last):
        assert await truth(stage) == before


@pytest.mark.parametrize("at", [at for at in every_border() if at.phase != "intent"], ids=str)
async def test_a_cancelled_job_ends_clean_or_done(fresh_stage: MakeStage, at: At) -> None:
    stage = await fresh_stage()
    subject, arguments = await case_of(at.operation).arrange(stage)
    before = await truth(stage)
    await stage.close()
    reached = asyncio.Event()

    async def cancel_here(*here: str) -> None:
        if not reached.is_set() and At(*here) == at:
            reached.set()
            row = await stage.row(job_id)
            if row.state == JobState.RUNNING:
                await stage.engine.cancel(job_id, CALLER)

    await stage.open(cancel_here)
    job_id = await stage.accept(at.operation, subject, arguments)
    row = await stage.ended(job_id)
    assert row.state in (JobState.CANCELLED, JobState.COMPLETED, JobState.COMPLETED_WITH_INFO)
    if row.state == JobState.CANCELLED and row.resolution == Resolution.UNDONE:
        assert await unnamed(stage) == ()
        if is_reversible(at.operation, at.step) and at.operation not in PASSING:
            assert await truth(stage) == before


@pytest.mark.parametrize("call", CHANGING_CALLS)
@pytest.mark.parametrize("operation", operations())
async def test_a_lost_reply_is_looked_after_and_nothing_is_done_twice(
    fresh_stage: MakeStage, operation: str, call: str
) -> None:
    clean = await end_of_clean_run(await fresh_stage(), operation)
    stage = await fresh_stage()
    subject, arguments = await case_of(operation).arrange(stage)
    stage.door.set_knobs(HOST, Knobs(faults=(Fault(call=call, kind=FaultKind.LOST_REPLY),)))
    row = await stage.ended(await stage.accept(operation, subject, arguments))
    assert row.state == JobState.COMPLETED, row.error
    assert await truth(stage) == clean
    assert stage.door.duplicates() == ()
    assert await unnamed(stage) == ()


@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.HALF])
@pytest.mark.parametrize("call", CHANGING_CALLS)
@pytest.mark.parametrize("operation", operations())
async def test_a_call_that_breaks_leaves_nothing_that_undo_does_not_take_away(
    fresh_stage: MakeStage, operation: str, call: str, kind: FaultKind
) -> None:
    stage = await fresh_stage()
    subject, arguments = await case_of(operation).arrange(stage)
    before = await truth(stage)
    stage.door.set_knobs(HOST, Knobs(faults=(Fault(call=call, kind=kind, code="out_of_space"),)))
    row = await stage.ended(await stage.accept(operation, subject, arguments))
    if row.state == JobState.COMPLETED:
        return  # this operation never makes the call
    assert row.state == JobState.FAILED
    assert row.error["code"] in ("out_of_space", "task_failed", "children_failed")
    await stage.engine.undo(row.id, CALLER)
    undone = await stage.ended(row.id)
    assert await unnamed(stage) == ()
    if ".create" in operation:
        assert undone.resolution == Resolution.UNDONE, undone.error
        assert await truth(stage) == before
