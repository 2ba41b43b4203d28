"""A job whose stored plan this version cannot read: it fails alone, and all that is left to do is to dismiss it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Text, select, type_coerce

from hostler.jobs.errors import ConflictError
from hostler.jobs.operation import Operation
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


def plan_of(connection: Connection, row: AnyRow) -> tuple[Operation[Any, Any], Any]:
    """What a job's row (`plan` as PLAN_TEXT) says in this version; UnreadablePlanError when it says nothing here."""
    operation = Operation.registry.get(row.operation)
    if operation is None:
        raise UnreadablePlanError(f"there is no operation {row.operation} here")
    if row.version > operation.version:
        raise UnreadablePlanError(f"it is of version {row.version} of {row.operation}; this is {operation.version}")
    names = connection.execute(select(job_step.c.name).where(job_step.c.job_id == row.id)).scalars().all()
    return operation, read_plan(operation, row.plan, names)


def release(connection: Connection, row: AnyRow, now: int, *, undone: bool) -> None:
    """Unmark what a job held that was undone, dismissed, or cancelled before it began, even without its plan."""
    try:
        operation, plan = plan_of(connection, row)
    except UnreadablePlanError:
        known = Operation.registry.get(row.operation)
        if known is not None:
            known.unreadable(connection, row.subject_id, now, dismissed=True)
    else:
        operation.released(connection, plan, undone=undone, now=now)


def resume(connection: Connection, row: AnyRow, now: int, verb: str) -> None:
    """Mark the objects of a job as in work again; ConflictError when its plan cannot be read."""
    try:
        operation, plan = plan_of(connection, row)
    except UnreadablePlanError as why:
        raise ConflictError(
            f"Job {row.id} cannot be given {verb}: its stored plan cannot be read by this version of Hostler ({why}).",
            f"Look at what its steps may have left, then dismiss it: hostler job dismiss {row.root_id}",
        ) from why
    operation.resumed(connection, plan, now)


def told(root_id: str, why: str, touched: Sequence[str]) -> dict[str, Any]:
    """The error of such a job, which is dismissed with its root. `touched`: steps whose effects may stand."""
    return {
        "code": CODE,
        "message": f"The stored plan of this job cannot be read by this version of Hostler: {why}",
        "remedy": f"Look at what its steps may have left, then dismiss it: hostler job dismiss {root_id}",
        "next": Next.REPORT_BUG,
        "left": [f"what this step may have done: {name}" for name in touched],
    }
