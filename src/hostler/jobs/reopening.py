"""Opening the steps of a failed job again, so that its next attempt goes on from the one that failed."""

from sqlalchemy import Connection, update

from hostler.jobs.errors import INTERNAL_ERROR, ForbiddenError
from hostler.jobs.states import StepState
from hostler.providers.errors import HostNotResponding
from hostler.store.database import AnyRow
from hostler.store.tables import job, job_step

_ENDS_OF_NO_TASK = frozenset({HostNotResponding.code, ForbiddenError.code, INTERNAL_ERROR})


def reopen(connection: Connection, row: AnyRow) -> None:
    """`row` has the job's id, `undoing` and `error`. A new round names its tasks anew, unless one may still run."""
    connection.execute(
        update(job_step)
        .where(job_step.c.job_id == row.id, job_step.c.state == StepState.UNDONE)
        .values(state=StepState.PLANNED)
    )
    if not _may_still_go_on(row):
        connection.execute(
            update(job_step).where(job_step.c.job_id == row.id, job_step.c.state != StepState.DONE).values(handle=None)
        )
        connection.execute(update(job).where(job.c.id == row.id).values(round=job.c.round + 1))


def reopen_undo(connection: Connection, job_id: str) -> None:
    """What was half undone is begun again, as if nothing had been told to go back."""
    half_undone = (job_step.c.job_id == job_id, job_step.c.state == StepState.UNDOING)
    connection.execute(update(job_step).where(*half_undone).values(handle=None))


def _may_still_go_on(row: AnyRow) -> bool:
    """Whether a task may still run that the job gave up without its end: it is followed, never started beside it."""
    return not row.undoing and (row.error or {}).get("code") in _ENDS_OF_NO_TASK
