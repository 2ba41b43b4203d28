"""Parents and children: a job that is made of other jobs, and is worked on by nobody while they run.

Acceptance writes the whole family in one transaction. Children wait (`waits`) until their parent's step begins; then
the parent waits until the last of them has ended. The family's locks are kept until its root ends.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, select, update

from hostler.jobs import locks, trail, unreadable
from hostler.jobs.errors import ConflictError
from hostler.jobs.operation import Operation
from hostler.jobs.reopening import reopen, reopen_undo
from hostler.jobs.states import ENDED, JobState, Resolution, StepState
from hostler.jobs.step import ChildrenStep
from hostler.providers.errors import Next, ProviderError
from hostler.store.database import AnyRow
from hostler.store.tables import job, job_step

_SUCCEEDED = (JobState.COMPLETED, JobState.COMPLETED_WITH_INFO)
_NEVER_BEGAN = and_(job.c.state == JobState.QUEUED, job.c.attempt == 0)
_TOLD = 5
"""Failed children whose messages the parent repeats; the rest are counted."""
_ASKER = (job.c.user_id, job.c.user, job.c.token_id, job.c.source)
_SHOWN = (*(column for column in job.c if column is not job.c.plan), unreadable.PLAN_TEXT)


class ChildrenFailed(ProviderError):
    """Some of a job's children failed; each says why itself."""

    code = "children_failed"
    next = Next.RETRY


def is_parent(operation: Operation[Any, Any]) -> bool:
    return any(isinstance(step, ChildrenStep) for step in operation.steps)


def children_of(connection: Connection, job_id: str) -> Sequence[AnyRow]:
    """In the order in which they were accepted."""
    return connection.execute(select(*_SHOWN).where(job.c.parent_id == job_id).order_by(job.c.seq)).all()


def begin(connection: Connection, parent_id: str) -> bool:
    """Let the children run that wait for their parent's step; whether any child has yet to end."""
    held = (job.c.parent_id == parent_id, _NEVER_BEGAN, job.c.waits)
    connection.execute(update(job).where(*held).values(waits=False))
    return is_going(connection, parent_id)


def result_of(connection: Connection, parent_id: str) -> dict[str, Any]:
    """What the ended children come to; ChildrenFailed names those that did not complete."""
    children = children_of(connection, parent_id)
    failed = [child for child in children if child.state not in _SUCCEEDED]
    if failed:
        told = "; ".join(f"{child.title} (job {child.id}): {_why(child)}" for child in failed[:_TOLD])
        more = f"; and {len(failed) - _TOLD} more" if len(failed) > _TOLD else ""
        raise ChildrenFailed(
            f"{len(failed)} of {len(children)} jobs did not complete: {told}{more}.",
            "Mend what they name, then restart this job: only those that failed run again. Or undo or dismiss it.",
        )
    return {"jobs": [child.id for child in children]}


def begin_undo(connection: Connection, parent_id: str, now: int) -> None:
    """Send every child back that was not undone yet. One whose plan cannot be read stays, and `left_of` names it."""
    asker = _asker(connection, parent_id)
    for child in children_of(connection, parent_id):
        if child.resolution == Resolution.UNDONE or child.state not in ENDED:
            continue
        try:
            unreadable.resume(connection, child, now, "undo")
        except ConflictError as why:
            error = child.error or {"code": unreadable.CODE, "message": str(why), "left": []}
            connection.execute(update(job).where(job.c.id == child.id).values(error=error))
            continue
        reopen_undo(connection, child.id)
        values = {"state": JobState.QUEUED, "undoing": True, "cancel_requested": False, "ended_at": None}
        connection.execute(update(job).where(job.c.id == child.id).values(error=None, **values, **asker))
        trail.job_event(connection, now, child.id, JobState.QUEUED, undoing=True)
    end_unbegun(connection, parent_id, now)


def left_of(connection: Connection, parent_id: str) -> list[str]:
    """What the children could not undo; ChildrenFailed when the undoing of one failed."""
    left: list[str] = []
    failed = []
    for child in children_of(connection, parent_id):
        if child.resolution == Resolution.UNDONE:
            continue
        error = child.error or {}
        left += error.get("left", ())
        if "code" in error or not error.get("left"):
            failed.append(child)
    if failed:
        told = "; ".join(f"{child.title} (job {child.id}): {_why(child)}" for child in failed[:_TOLD])
        raise ChildrenFailed(f"{len(failed)} jobs could not be undone: {told}.", "Mend what they name, and undo again.")
    return left


def restart(connection: Connection, parent_id: str, now: int) -> None:
    """Queue again the children that did not complete; the parent's next attempt waits for them.

    ConflictError when one was taken back already: what it planned is gone, and there is only back for the others.
    """
    asker = _asker(connection, parent_id)
    for child in children_of(connection, parent_id):
        if child.resolution == Resolution.UNDONE:
            raise ConflictError(
                f"Job {child.root_id} cannot be restarted: its part {child.title} (job {child.id}) was taken back.",
                f"hostler job undo {child.root_id} or hostler job dismiss {child.root_id}",
            )
        if child.state in _SUCCEEDED or child.state not in ENDED:
            continue
        reopen(connection, child)
        values = {"state": JobState.QUEUED, "undoing": False, "cancel_requested": False, "ended_at": None}
        connection.execute(
            update(job).where(job.c.id == child.id).values(error=None, resolution=None, **values, **asker)
        )
        restart(connection, child.id, now)
        unreadable.resume(connection, child, now, "restart")
        trail.job_event(connection, now, child.id, JobState.QUEUED)


def cancel(connection: Connection, parent_id: str, now: int) -> None:
    """Stop the children: those that never began at once, the others at their next safe point."""
    end_unbegun(connection, parent_id, now)
    for child in children_of(connection, parent_id):
        if child.state not in ENDED:
            connection.execute(update(job).where(job.c.id == child.id).values(cancel_requested=True))
            trail.job_event(connection, now, child.id, child.state, cancel_requested=True)
            cancel(connection, child.id, now)
    wake(connection, parent_id, now)


def end_unbegun(connection: Connection, parent_id: str, now: int) -> None:
    """Children that were never begun never will be."""
    for child in connection.execute(select(*_SHOWN).where(job.c.parent_id == parent_id, _NEVER_BEGAN)).all():
        end_unbegun(connection, child.id, now)
        values = {"state": JobState.CANCELLED, "ended_at": now, "waits": False, "resolution": Resolution.UNDONE}
        connection.execute(update(job).where(job.c.id == child.id).values(cancel_requested=True, **values))
        unreadable.release(connection, child, now, undone=True)
        trail.job_event(connection, now, child.id, JobState.CANCELLED)


def dismiss(connection: Connection, parent_id: str, now: int) -> None:
    """Let go of what the children hold, and leave everything as it is."""
    end_unbegun(connection, parent_id, now)
    for child in children_of(connection, parent_id):
        if child.state not in _SUCCEEDED and child.resolution is None:
            connection.execute(update(job).where(job.c.id == child.id).values(resolution=Resolution.DISMISSED))
            dismiss(connection, child.id, now)
            unreadable.release(connection, child, now, undone=False)
            trail.job_event(connection, now, child.id, child.state, resolution=Resolution.DISMISSED)


def child_ended(connection: Connection, parent_id: str, now: int) -> None:
    """Tell the parent how far its children are; the last one wakes it."""
    child_moved_on(connection, parent_id, now)
    wake(connection, parent_id, now)


def child_moved_on(connection: Connection, parent_id: str, now: int) -> None:
    """The step of the parent that waits is as far as its children are on average; those above it hear of it too."""
    mean = int(connection.execute(select(func.avg(job.c.percent)).where(job.c.parent_id == parent_id)).scalar_one())
    steps = connection.execute(select(job_step.c.state).where(job_step.c.job_id == parent_id)).scalars().all()
    percent = min((100 * steps.count(StepState.DONE) + mean) // len(steps), 99)
    waiting = update(job).where(job.c.id == parent_id, job.c.waits, job.c.state == JobState.RUNNING)
    above = connection.execute(waiting.values(percent=percent).returning(job.c.parent_id)).first()
    if above is None:
        return
    at_work = (job_step.c.job_id == parent_id, job_step.c.state.in_((StepState.INTENT, StepState.UNDOING)))
    connection.execute(update(job_step).where(*at_work).values(percent=mean))
    trail.job_event(connection, now, parent_id, JobState.RUNNING, percent=percent)
    if above.parent_id is not None:
        child_moved_on(connection, above.parent_id, now)


def wake(connection: Connection, parent_id: str, now: int) -> None:
    """Queue the parent that waits, unless a child has yet to end."""
    if is_going(connection, parent_id):
        return
    waiting = (job.c.id == parent_id, job.c.state == JobState.RUNNING, job.c.waits)
    if connection.execute(update(job).where(*waiting).values(state=JobState.QUEUED, waits=False)).rowcount:
        trail.job_event(connection, now, parent_id, JobState.QUEUED)


def free(connection: Connection, root_id: str) -> None:
    """The whole family lets go of everything it holds."""
    for member in _family(connection, root_id):
        locks.free(connection, member.id)


def block(connection: Connection, root_id: str) -> None:
    """The root failed: what completed or undone children had is free, the rest waits with it for a decision."""
    for member in _family(connection, root_id):
        if member.state in _SUCCEEDED or member.resolution == Resolution.UNDONE:
            locks.free(connection, member.id)
        else:
            locks.block(connection, member.id)


def take_again(connection: Connection, root_id: str, *, also_completed: bool) -> None:
    """Lock again what the family held, all or nothing; of undone children nothing, of completed ones on demand."""
    for member in _family(connection, root_id):
        if member.resolution != Resolution.UNDONE and (also_completed or member.state not in _SUCCEEDED):
            locks.take_again(connection, member.id, root_id)


def _family(connection: Connection, root_id: str) -> Sequence[AnyRow]:
    """A job and all below it: their ids, states and resolutions."""
    shown = (job.c.id, job.c.state, job.c.resolution)
    tree = select(*shown).where(job.c.id == root_id).cte(recursive=True)
    tree = tree.union_all(select(*shown).where(job.c.parent_id == tree.c.id))
    return connection.execute(select(tree)).all()


def _asker(connection: Connection, parent_id: str) -> dict[str, Any]:
    """Who asked for the parent's attempt asks for those of its children: rights are checked against them."""
    return dict(connection.execute(select(*_ASKER).where(job.c.id == parent_id)).one()._mapping)


def is_going(connection: Connection, parent_id: str) -> bool:
    """Whether any child has yet to end."""
    going = select(job.c.id).where(job.c.parent_id == parent_id, job.c.state.not_in(ENDED)).limit(1)
    return connection.execute(going).first() is not None


def _why(child: AnyRow) -> str:
    return str((child.error or {}).get("message") or f"it was {child.state}")
