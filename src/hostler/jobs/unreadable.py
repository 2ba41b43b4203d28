"""A job whose stored plan this version cannot read: it fails alone, and all that is left to do is to dismiss it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Text, select, type_coerce, update

from hostler.jobs import locks, trail
from hostler.jobs.operation import Operation
from hostler.jobs.states import JobState
from hostler.providers.errors import Next
from hostler.store.database import AnyRow
from hostler.store.tables import job, job_step

CODE = "unreadable_plan"
PLAN_TEXT = type_coerce(job.c.plan, Text).label("plan")
"""The plan as it is stored: one that is damaged must not spoil the reading of others' rows."""


class UnreadablePlanError(Exception):
    """The stored plan fits no operation of this version; the message says why."""


def read_plan(operation: Operation[Any, Any], text: str, step_names: Sequence[str]) -> Any:
    """The plan of a stored job of these steps; UnreadablePlanError when either is not of this version."""
    known = {step.name for step in operation.steps}
    strange = [name for name in step_names if name not in known]
    if strange:
        raise UnreadablePlanError(f"{operation.name()} has no step {strange[0]!r}")
    try:
        return operation.read_plan(msgspec.json.decode(text))
    except Exception as unfit:  # whatever a decoder makes of a damaged or foreign document
        raise UnreadablePlanError(f"{type(unfit).__name__}: {unfit}") from unfit


def fail(
    connection: Connection, job_id: str, operation: Operation[Any, Any], why: str, touched: Sequence[str], now: int
) -> None:
    """Fail a job without its plan. `touched` are the names of the steps whose effects may stand."""
    error = {
        "code": CODE,
        "message": f"The stored plan of this job cannot be read by this version of Hostler: {why}",
        "remedy": f"Look at what its steps may have left, then dismiss it: hostler job dismiss {job_id}",
        "next": Next.REPORT_BUG,
        "left": [f"what this step may have done: {name}" for name in touched],
    }
    values = {"state": JobState.FAILED, "error": error, "replica": None, "ended_at": now}
    subject_id = connection.execute(
        update(job).where(job.c.id == job_id).values(**values).returning(job.c.subject_id)
    ).scalar_one()
    locks.block(connection, job_id)
    operation.unreadable(connection, subject_id, now, dismissed=False)
    trail.job_event(connection, now, job_id, JobState.FAILED)


def plan_of(connection: Connection, row: AnyRow) -> tuple[Operation[Any, Any], Any]:
    """What a job's row (`plan` as PLAN_TEXT) says in this version; UnreadablePlanError when it says nothing here."""
    operation = Operation.registry.get(row.operation)
    if operation is None:
        raise UnreadablePlanError(f"there is no operation {row.operation} here")
    if row.version > operation.version:
        raise UnreadablePlanError(f"it is of version {row.version} of {row.operation}; this is {operation.version}")
    names = connection.execute(select(job_step.c.name).where(job_step.c.job_id == row.id)).scalars().all()
    return operation, read_plan(operation, row.plan, names)


def let_go(connection: Connection, row: AnyRow, now: int) -> None:
    """Unmark what a job held that is dismissed, or cancelled before it began, without its plan."""
    operation = Operation.registry.get(row.operation)
    if operation is not None:
        operation.unreadable(connection, row.subject_id, now, dismissed=True)
