"""What a person may decide of a job: cancel it while it runs; restart, undo or dismiss it once it has failed."""

from sqlalchemy import Connection, exists, select, update

from hostler.domain.access.rights import Caller
from hostler.jobs import locks, trail, unreadable
from hostler.jobs.errors import INTERNAL_ERROR, ConflictError, ForbiddenError, UnknownObjectError
from hostler.jobs.operation import Operation
from hostler.jobs.states import UNRESOLVED, JobState, Resolution, StepState
from hostler.jobs.unreadable import PLAN_TEXT, UnreadablePlanError
from hostler.providers.errors import HostNotResponding
from hostler.store.database import AnyRow
from hostler.store.tables import job, job_object, job_step

_ENDS_OF_NO_TASK = frozenset({HostNotResponding.code, ForbiddenError.code, INTERNAL_ERROR})


def cancel(connection: Connection, job_id: str, caller: Caller, now: int) -> None:
    """Ask a job to stop at its next safe point and undo what it did. A queued job never starts."""
    row = _allowed(connection, job_id, caller, "cancel")
    if row.state == JobState.QUEUED and row.attempt == 0:
        connection.execute(
            update(job)
            .where(job.c.id == job_id)
            .values(state=JobState.CANCELLED, ended_at=now, cancel_requested=True, resolution=Resolution.UNDONE)
        )
        _let_go(connection, row, now, undone=True)
        trail.job_event(connection, now, job_id, JobState.CANCELLED)
    elif row.state in (JobState.QUEUED, JobState.RUNNING):
        connection.execute(update(job).where(job.c.id == job_id).values(cancel_requested=True))
        trail.job_event(connection, now, job_id, row.state, cancel_requested=True)
    else:
        raise ConflictError(f"Job {job_id} is {row.state}: only a queued or running job can be cancelled.")
    trail.audit(connection, caller, now, "job.cancel", row.title, "accepted", job_id=job_id)


def restart(connection: Connection, job_id: str, caller: Caller, now: int) -> None:
    """Go on from the step that failed, over the same plan, as a new attempt."""
    row = _undecided(connection, job_id, caller, "restart")
    connection.execute(
        update(job_step)
        .where(job_step.c.job_id == job_id, job_step.c.state == StepState.UNDONE)
        .values(state=StepState.PLANNED)
    )
    if not _may_still_go_on(row):
        connection.execute(
            update(job_step).where(job_step.c.job_id == job_id, job_step.c.state != StepState.DONE).values(handle=None)
        )
        connection.execute(update(job).where(job.c.id == job_id).values(round=job.c.round + 1))
    _queue_again(connection, row, caller, now, undoing=False)


def undo(connection: Connection, job_id: str, caller: Caller, now: int) -> None:
    """Go back over the plan, last step first, to what was before the job."""
    _queue_again(connection, _undecided(connection, job_id, caller, "undo"), caller, now, undoing=True)


def dismiss(connection: Connection, job_id: str, caller: Caller, now: int) -> None:
    """Leave everything as it is and let go of the objects; the job keeps saying what it left."""
    row = _undecided(connection, job_id, caller, "dismiss")
    connection.execute(update(job).where(job.c.id == job_id).values(resolution=Resolution.DISMISSED))
    _let_go(connection, row, now, undone=False)
    trail.job_event(connection, now, job_id, row.state, resolution=Resolution.DISMISSED)
    trail.audit(connection, caller, now, "job.dismiss", row.title, "accepted", job_id=job_id)


def _let_go(connection: Connection, row: AnyRow, now: int, *, undone: bool) -> None:
    """Free and unmark the job's objects, even if nobody can read what it planned for them."""
    locks.free(connection, row.id)
    try:
        operation, plan = unreadable.plan_of(connection, row)
    except UnreadablePlanError:
        unreadable.let_go(connection, row, now)
    else:
        operation.released(connection, plan, undone=undone, now=now)


def _may_still_go_on(row: AnyRow) -> bool:
    """Whether a task may still run that the job gave up without its end: it is followed, never started beside it."""
    return not row.undoing and (row.error or {}).get("code") in _ENDS_OF_NO_TASK


def _queue_again(connection: Connection, row: AnyRow, caller: Caller, now: int, *, undoing: bool) -> None:
    verb = "undo" if undoing else "restart"
    try:
        operation, plan = unreadable.plan_of(connection, row)
    except UnreadablePlanError as why:
        raise ConflictError(
            f"Job {row.id} cannot be given {verb}: its stored plan cannot be read by this version of Hostler ({why}).",
            f"Look at what its steps may have left, then dismiss it: hostler job dismiss {row.id}",
        ) from why
    locks.take_again(connection, row.id, row.root_id)
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
    operation.resumed(connection, plan, now)
    trail.job_event(connection, now, row.id, JobState.QUEUED, undoing=undoing)
    trail.audit(connection, caller, now, f"job.{verb}", row.title, "accepted", job_id=row.id)


def _allowed(connection: Connection, job_id: str, caller: Caller, verb: str) -> AnyRow:
    columns = [column for column in job.c if column is not job.c.plan]
    row = connection.execute(select(*columns, PLAN_TEXT).where(job.c.id == job_id)).one_or_none()
    if row is None:
        raise UnknownObjectError(f"There is no job {job_id}.")
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
    newer = _newer(connection, row)
    if newer is not None and verb == "restart":
        raise ConflictError(
            f"Only the newest failed job of an object can be restarted; job {newer} came after {job_id}.", job=newer
        )
    return row


def _newer(connection: Connection, row: AnyRow) -> str | None:
    own = select(job_object.c.object).where(job_object.c.job_id == row.id, job_object.c.exclusive)
    later = exists().where(job_object.c.job_id == job.c.id, job_object.c.exclusive, job_object.c.object.in_(own))
    return connection.execute(
        select(job.c.id).where(job.c.seq > row.seq, later).order_by(job.c.seq.desc()).limit(1)
    ).scalar()
