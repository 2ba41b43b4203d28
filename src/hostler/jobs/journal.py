"""The journal: each transaction by which an attempt of a job moves on.

Every one of them first proves that the attempt is still the job's newest: a late worker changes nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, or_, select, update

from hostler.jobs import locks, trail
from hostler.jobs.operation import Operation
from hostler.jobs.states import TOUCHED, JobState, Resolution, StepState
from hostler.jobs.step import Result
from hostler.store.database import AnyRow
from hostler.store.tables import job, job_limit, job_step, replica


class SupersededError(Exception):
    """A later attempt owns the job; this one must stop without another word."""


@dataclass(slots=True)
class StepRecord:
    """A step as the journal has it. A result stands from the transaction that recorded it to the one that undid it."""

    n: int
    name: str
    state: StepState
    handle: str | None
    result: Result | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """One attempt of a job, now ours. `undoing`: it goes back over the plan."""

    job_id: str
    attempt: int
    round: int
    operation: Operation[Any, Any]
    plan: Any
    undoing: bool
    steps: list[StepRecord]
    user_id: str
    token_id: str | None
    cancelled: bool

    @property
    def open_steps(self) -> list[StepRecord]:
        return [step for step in self.steps if step.state is not StepState.DONE]


def claim(
    connection: Connection,
    replica_id: str,
    operations: Mapping[str, Operation[Any, Any]],
    room: int,
    now: int,
    at_work: Collection[str] = (),
) -> list[Claimed]:
    """Take up to `room` jobs: first those that nobody works on, then queued ones, oldest first, within their limits.

    Nobody works on a job whose worker died, nor on one of ours that is not among those `at_work`.
    """
    known = or_(
        *((job.c.operation == name) & (job.c.version <= operation.version) for name, operation in operations.items())
    )
    live = select(replica.c.id).where(replica.c.lease_until > now)
    dropped = (job.c.replica == replica_id) & job.c.id.not_in(list(at_work))
    orphans = connection.execute(
        select(job)
        .where(job.c.state == JobState.RUNNING, or_(job.c.replica.not_in(live), dropped), known)
        .order_by(job.c.seq)
        .limit(room)
    ).all()
    queued = connection.execute(
        select(job, job_limit.c.at_most, job_limit.c.running)
        .join(job_limit, job_limit.c.key == job.c.limit_key, isouter=True)
        .where(
            job.c.state == JobState.QUEUED,
            known,
            or_(job_limit.c.key.is_(None), job_limit.c.running < job_limit.c.at_most),
        )
        .order_by(job.c.seq)
        .limit(room - len(orphans))
    ).all()
    taken = [*orphans, *(row for row in queued if _within_limit(connection, row))]
    return [_take(connection, replica_id, row, operations[row.operation], now) for row in taken]


def _within_limit(connection: Connection, row: AnyRow) -> bool:
    if row.at_most is None:
        return True
    counted = connection.execute(
        update(job_limit)
        .where(job_limit.c.key == row.limit_key, job_limit.c.running < job_limit.c.at_most)
        .values(running=job_limit.c.running + 1)
    )
    return counted.rowcount == 1


def _take(connection: Connection, replica_id: str, row: AnyRow, operation: Operation[Any, Any], now: int) -> Claimed:
    attempt = row.attempt + 1
    connection.execute(
        update(job)
        .where(job.c.id == row.id)
        .values(
            state=JobState.RUNNING, replica=replica_id, attempt=attempt, started_at=row.started_at or now, ended_at=None
        )
    )
    trail.job_event(connection, now, row.id, JobState.RUNNING, percent=row.percent)
    return Claimed(
        job_id=row.id,
        attempt=attempt,
        round=row.round,
        operation=operation,
        plan=operation.read_plan(row.plan),
        undoing=row.undoing,
        steps=steps_of(connection, row.id),
        user_id=row.user_id,
        token_id=row.token_id,
        cancelled=row.cancel_requested,
    )


def begin(connection: Connection, claimed: Claimed, now: int) -> None:
    """Record the intent of the first step to be done, in the transaction that claims the job."""
    if not claimed.undoing and not claimed.cancelled and claimed.open_steps:
        _mark(connection, claimed, claimed.open_steps[0].n, **_intent(claimed, now))


def _intent(claimed: Claimed, now: int) -> dict[str, Any]:
    return {"state": StepState.INTENT, "attempt": claimed.attempt, "started_at": now, "ended_at": None, "error": None}


def steps_of(connection: Connection, job_id: str) -> list[StepRecord]:
    """A job's steps in order, as the journal has them now."""
    rows = connection.execute(
        select(job_step.c.n, job_step.c.name, job_step.c.state, job_step.c.handle, job_step.c.result)
        .where(job_step.c.job_id == job_id)
        .order_by(job_step.c.n)
    )
    return [StepRecord(step.n, step.name, StepState(step.state), step.handle, step.result) for step in rows]


def prove(connection: Connection, claimed: Claimed) -> AnyRow:
    """The job's row, if this attempt still owns it; SupersededError if not."""
    query = select(job.c.attempt, job.c.cancel_requested, job.c.limit_key, job.c.state)
    row: AnyRow = connection.execute(query.where(job.c.id == claimed.job_id)).one()
    if row.attempt != claimed.attempt or row.state != JobState.RUNNING:
        raise SupersededError(claimed.job_id)
    return row


def intend(connection: Connection, claimed: Claimed, n: int, now: int) -> bool:
    """Record that a step is about to be done; whether a cancel was asked for instead."""
    if prove(connection, claimed).cancel_requested and not claimed.undoing:
        return True
    _mark(connection, claimed, n, **_intent(claimed, now))
    trail.job_event(connection, now, claimed.job_id, JobState.RUNNING, step=n, percent=_percent(claimed, n))
    return False


def follow(connection: Connection, claimed: Claimed, n: int, percent: int, now: int, handle: str | None) -> bool:
    """Record how far a long step is and by what handle it is followed; whether a cancel was asked for."""
    row = prove(connection, claimed)
    _mark(connection, claimed, n, percent=percent, handle=handle, error=None)
    trail.job_event(connection, now, claimed.job_id, JobState.RUNNING, step=n, step_percent=percent)
    return bool(row.cancel_requested)


def succeed(connection: Connection, claimed: Claimed, n: int, result: Result, now: int) -> None:
    """Record a step's result. What the step itself records goes into the same transaction."""
    _mark(connection, claimed, n, state=StepState.DONE, result=result, percent=100, ended_at=now, error=None)
    connection.execute(update(job).where(job.c.id == claimed.job_id).values(percent=_percent(claimed, n + 1)))


def undoing(connection: Connection, claimed: Claimed, n: int, now: int) -> None:
    prove(connection, claimed)
    _mark(connection, claimed, n, state=StepState.UNDOING, attempt=claimed.attempt, started_at=now)
    trail.job_event(connection, now, claimed.job_id, JobState.RUNNING, step=n, undoing=True)


def undone(connection: Connection, claimed: Claimed, n: int, now: int) -> None:
    prove(connection, claimed)
    _mark(connection, claimed, n, state=StepState.UNDONE, ended_at=now, handle=None, result=None, percent=0, error=None)


def complete(connection: Connection, claimed: Claimed, results: Mapping[str, Result], now: int) -> None:
    """The last result is in: the job is done, its locks are free."""
    info = [result["info"] for result in results.values() if "info" in result]
    state = JobState.COMPLETED_WITH_INFO if info else JobState.COMPLETED
    _end(connection, claimed, state, now, percent=100, info=info or None, error=None)
    locks.free(connection, claimed.job_id)
    claimed.operation.completed(connection, claimed.plan, results, now)


def fail(connection: Connection, claimed: Claimed, n: int | None, error: Mapping[str, Any], now: int) -> None:
    """A step raised: the job stops where it is and names what stands; its objects wait for a decision."""
    if n is not None:
        failed = StepState.FAILED if not claimed.undoing else StepState.UNDOING
        _mark(connection, claimed, n, state=failed, error=str(error["message"]), ended_at=now)
    standing = touched(steps_of(connection, claimed.job_id))
    left = [
        leaves(claimed.plan)
        for step in reversed(standing)
        if (leaves := claimed.operation.step(step.name).leaves) is not None
    ]
    _end(connection, claimed, JobState.FAILED, now, error={**error, "left": left})
    locks.block(connection, claimed.job_id)
    claimed.operation.failed(connection, claimed.plan, now)


def turn_back(connection: Connection, claimed: Claimed, now: int) -> None:
    """A cancel was asked for at a safe point: the same attempt goes back over what it did."""
    prove(connection, claimed)
    connection.execute(update(job).where(job.c.id == claimed.job_id).values(undoing=True))
    trail.job_event(connection, now, claimed.job_id, JobState.RUNNING, undoing=True)


def undo_ended(connection: Connection, claimed: Claimed, left: list[str], now: int) -> None:
    """Everything that can be undone is. What cannot is named, and waits for a decision."""
    row = prove(connection, claimed)
    state = JobState.CANCELLED if row.cancel_requested else JobState.FAILED
    if left:
        error = {"message": "It was undone as far as it can be.", "left": left}
        _end(connection, claimed, state, now, error=error)
        locks.block(connection, claimed.job_id)
        claimed.operation.failed(connection, claimed.plan, now)
        return
    _end(connection, claimed, state, now, percent=0, resolution=Resolution.UNDONE)
    locks.free(connection, claimed.job_id)
    claimed.operation.released(connection, claimed.plan, undone=True, now=now)


def _end(connection: Connection, claimed: Claimed, state: JobState, now: int, **values: Any) -> None:
    row = prove(connection, claimed)
    connection.execute(
        update(job).where(job.c.id == claimed.job_id).values(state=state, ended_at=now, replica=None, **values)
    )
    if row.limit_key is not None:
        free_place(connection, row.limit_key)
    trail.job_event(connection, now, claimed.job_id, state)


def free_place(connection: Connection, limit_key: str) -> None:
    """One job fewer runs under this limit."""
    connection.execute(
        update(job_limit)
        .where(job_limit.c.key == limit_key)
        .values(running=case((job_limit.c.running > 0, job_limit.c.running - 1), else_=0))
    )


def _mark(connection: Connection, claimed: Claimed, n: int, **values: Any) -> None:
    connection.execute(update(job_step).where(job_step.c.job_id == claimed.job_id, job_step.c.n == n).values(**values))


def _percent(claimed: Claimed, done: int) -> int:
    return 100 * done // len(claimed.steps)


def wait_for_host(connection: Connection, claimed: Claimed, n: int, message: str, now: int) -> None:
    """Say with the step that it waits for a host that does not answer."""
    prove(connection, claimed)
    _mark(connection, claimed, n, error=message)
    trail.job_event(connection, now, claimed.job_id, JobState.RUNNING, step=n, waiting=message)


def touched(steps: Collection[StepRecord]) -> list[StepRecord]:
    """Steps whose effect may stand, last first."""
    return sorted((step for step in steps if step.state in TOUCHED), key=lambda step: -step.n)
