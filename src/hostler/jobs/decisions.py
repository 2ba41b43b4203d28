"""What a person may decide of a job: cancel it while it runs; restart, undo or dismiss it once it has failed."""

from sqlalchemy import Connection, select, update

from hostler.domain.access.rights import Caller
from hostler.jobs import family, trail, unreadable
from hostler.jobs.errors import ConflictError, ForbiddenError, UnknownObjectError
from hostler.jobs.operation import Operation
from hostler.jobs.reopening import reopen, reopen_undo
from hostler.jobs.states import UNRESOLVED, JobState, Resolution
from hostler.jobs.unreadable import PLAN_TEXT
from hostler.store.database import AnyRow
from hostler.store.tables import job


def cancel(connection: Connection, job_id: str, caller: Caller, now: int) -> None:
    """Ask a job to stop at its next safe point and undo what it did. A queued job never starts."""
    row = _allowed(connection, job_id, caller, "cancel")
    if row.state == JobState.QUEUED and row.attempt == 0:
        connection.execute(
            update(job)
            .where(job.c.id == job_id)
            .values(state=JobState.CANCELLED, ended_at=now, cancel_requested=True, resolution=Resolution.UNDONE)
        )
        family.end_unbegun(connection, job_id, now)
        _let_go(connection, row, now, undone=True)
        trail.job_event(connection, now, job_id, JobState.CANCELLED)
    elif row.state in (JobState.QUEUED, JobState.RUNNING):
        connection.execute(update(job).where(job.c.id == job_id).values(cancel_requested=True))
        family.cancel(connection, job_id, now)
        trail.job_event(connection, now, job_id, row.state, cancel_requested=True)
    else:
        raise ConflictError(f"Job {job_id} is {row.state}: only a queued or running job can be cancelled.")
    trail.audit(connection, caller, now, "job.cancel", row.title, "accepted", job_id=job_id)


def restart(connection: Connection, job_id: str, caller: Caller, now: int) -> None:
    """Go on from the step that failed, over the same plan, as a new attempt.

    It is the newest of its objects: nothing that it had to itself was given to a later job while it waited.
    """
    row = _undecided(connection, job_id, caller, "restart")
    reopen(connection, row)
    _queue_again(connection, row, caller, now, undoing=False)
    family.restart(connection, job_id, now)


def undo(connection: Connection, job_id: str, caller: Caller, now: int) -> None:
    """Go back over the plan, last step first, to what was before the job."""
    row = _undecided(connection, job_id, caller, "undo")
    reopen_undo(connection, job_id)
    _queue_again(connection, row, caller, now, undoing=True)


def dismiss(connection: Connection, job_id: str, caller: Caller, now: int) -> None:
    """Leave everything as it is and let go of the objects; the job keeps saying what it left."""
    row = _undecided(connection, job_id, caller, "dismiss")
    connection.execute(update(job).where(job.c.id == job_id).values(resolution=Resolution.DISMISSED))
    family.dismiss(connection, job_id, now)
    _let_go(connection, row, now, undone=False)
    trail.job_event(connection, now, job_id, row.state, resolution=Resolution.DISMISSED)
    trail.audit(connection, caller, now, "job.dismiss", row.title, "accepted", job_id=job_id)


def _let_go(connection: Connection, row: AnyRow, now: int, *, undone: bool) -> None:
    """Free and unmark the job's objects, even if nobody can read what it planned for them."""
    family.free(connection, row.id)
    unreadable.release(connection, row, now, undone=undone)


def _queue_again(connection: Connection, row: AnyRow, caller: Caller, now: int, *, undoing: bool) -> None:
    verb = "undo" if undoing else "restart"
    unreadable.resume(connection, row, now, verb)
    family.take_again(connection, row.id, also_completed=undoing)
    connection.execute(
        update(job)
        .where(job.c.id == row.id)
        .values(
            state=JobState.QUEUED,
            undoing=undoing,
            cancel_requested=False,
            error=None,
            ended_at=None,
            user_id=caller.user_id,
            user=caller.user_name,
            token_id=caller.token_id,
            source=caller.source,
        )
    )
    trail.job_event(connection, now, row.id, JobState.QUEUED, undoing=undoing)
    trail.audit(connection, caller, now, f"job.{verb}", row.title, "accepted", job_id=row.id)


def _allowed(connection: Connection, job_id: str, caller: Caller, verb: str) -> AnyRow:
    columns = [column for column in job.c if column is not job.c.plan]
    row = connection.execute(select(*columns, PLAN_TEXT).where(job.c.id == job_id)).one_or_none()
    if row is None:
        raise UnknownObjectError(f"There is no job {job_id}.")
    if row.parent_id is not None:
        raise ConflictError(
            f"Job {job_id} is a part of job {row.root_id} and is decided on with it.",
            f"hostler job {verb} {row.root_id}",
            job=row.root_id,
        )
    operation = Operation.registry.get(row.operation)
    if operation is None and caller.rights.privileges is not None:
        raise ForbiddenError(f"{caller.user_name} may not {verb} this job: nobody knows {row.operation} here any more.")
    privilege = "" if operation is None else operation.privilege
    if operation is not None and not caller.rights.allow(privilege):
        raise ForbiddenError(f"{caller.user_name} may not {verb} this job: it needs the privilege {privilege}.")
    return row


def _undecided(connection: Connection, job_id: str, caller: Caller, verb: str) -> AnyRow:
    row = _allowed(connection, job_id, caller, verb)
    if row.state not in UNRESOLVED:
        raise ConflictError(f"Job {job_id} is {row.state}: only a failed or cancelled job can be given {verb}.")
    if row.resolution is not None:
        raise ConflictError(f"Job {job_id} was already {row.resolution}; start a new one.")
    return row
