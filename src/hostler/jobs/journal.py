"""The journal: each transaction by which an attempt of a job moves on.

Every one of them first proves that the attempt is still the job's newest: a late worker changes nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, false, or_, select, update

from hostler.jobs import family, locks, trail, unreadable
from hostler.jobs.operation import Operation
from hostler.jobs.states import TOUCHED, JobState, Resolution, StepState
from hostler.jobs.step import Result
from hostler.jobs.unreadable import PLAN_TEXT, UnreadablePlanError
from hostler.store.compiled import Query, Update
from hostler.store.tables import job, job_limit, job_step, replica

_SENT_BACK = "sent back"
"""Handle of a step whose children were told to undo."""
CANCELLED_TOO_LATE = "The cancel came when the last step had begun: the job went to its end."

_OF_JOB: BindParameter[str] = bindparam("of_job")
_THIS_ATTEMPT = (job.c.id == _OF_JOB, job.c.attempt == bindparam("of_attempt"), job.c.state == JobState.RUNNING)
_PROOF = (job.c.cancel_requested, job.c.limit_key, job.c.parent_id)
_PROVE = Query(select(*_PROOF).where(*_THIS_ATTEMPT))
_MOVE_ON = Update(job, *_THIS_ATTEMPT, returning=_PROOF)
_TAKE = Update(job, job.c.id == _OF_JOB)
_MARK = Update(job_step, job_step.c.job_id == _OF_JOB, job_step.c.n == bindparam("of_step"))
_STEPS = Query(
    select(job_step.c.n, job_step.c.name, job_step.c.state, job_step.c.handle, job_step.c.result)
    .where(job_step.c.job_id == _OF_JOB)
    .order_by(job_step.c.n)
)
_LIMIT = Query(select(job_limit.c.at_most, job_limit.c.running).where(job_limit.c.key == bindparam("of_key")))
_COUNT = Update(job_limit, job_limit.c.key == bindparam("of_key"))


class Proof(NamedTuple):
    """This attempt owns the job; what else its row says that a step must know."""

    cancel_requested: bool
    limit_key: str | None
    parent_id: str | None


class Candidate(NamedTuple):
    """A job that may be claimed."""

    id: str
    operation: str
    version: int
    attempt: int
    round: int
    undoing: bool
    cancel_requested: bool
    limit_key: str | None
    parent_id: str | None
    root_id: str
    user_id: str
    token_id: str | None
    plan: str
    percent: int
    started_at: int | None


_CANDIDATE_COLUMNS = [PLAN_TEXT if name == "plan" else job.c[name] for name in Candidate._fields]
_CANDIDATE = Query(select(*_CANDIDATE_COLUMNS).where(job.c.id == _OF_JOB))


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

    Nobody works on a job whose worker died, nor on one of ours that is not among those `at_work`. A job whose plan
    cannot be read is failed here: it must not keep the others waiting.
    """
    claimable = _claimable(tuple((name, operation.version) for name, operation in operations.items()))
    unattended = claimable.unattended.rows(connection, now=now, us=replica_id, room=room + len(at_work))
    ids = [job_id for (job_id,) in unattended if job_id not in at_work][:room]
    orphans = [Candidate(*row) for job_id in ids for row in _CANDIDATE.rows(connection, of_job=job_id)]
    queued = [Candidate(*row) for row in claimable.queued.rows(connection, room=room - len(orphans))]
    taken = [*orphans, *(one for one in queued if _within_limit(connection, one))]
    claimed = (_take(connection, replica_id, one, operations[one.operation], now) for one in taken)
    return [one for one in claimed if one is not None]


class _Claimable(NamedTuple):
    """Jobs of operations that are known: running ones of dead workers and of ours (`now`, `us`), and queued ones."""

    unattended: Query
    queued: Query


@lru_cache(maxsize=16)
def _claimable(known: tuple[tuple[str, int], ...]) -> _Claimable:
    is_known = or_(false(), *((job.c.operation == name) & (job.c.version <= version) for name, version in known))
    live = select(replica.c.id).where(replica.c.lease_until > bindparam("now"))
    unattended = select(job.c.id).where(
        job.c.state == JobState.RUNNING,
        ~job.c.waits,
        or_(job.c.replica.not_in(live), job.c.replica == bindparam("us")),
        is_known,
    )
    queued = (
        select(*_CANDIDATE_COLUMNS)
        .join(job_limit, job_limit.c.key == job.c.limit_key, isouter=True)
        .where(
            job.c.state == JobState.QUEUED,
            ~job.c.waits,
            is_known,
            or_(job_limit.c.key.is_(None), job_limit.c.running < job_limit.c.at_most),
        )
    )
    room: BindParameter[int] = bindparam("room")
    return _Claimable(Query(unattended.order_by(job.c.seq).limit(room)), Query(queued.order_by(job.c.seq).limit(room)))


def _within_limit(connection: Connection, row: Candidate) -> bool:
    """Whether there is a place for it, which is then taken. A key that nobody limited has places for all."""
    if row.limit_key is None:
        return True
    limit = _LIMIT.first(connection, of_key=row.limit_key)
    if limit is None:
        return True
    at_most, running = limit
    if running >= at_most:
        return False
    _COUNT.run(connection, {"of_key": row.limit_key}, running=running + 1)
    return True


def _take(
    connection: Connection, replica_id: str, row: Candidate, operation: Operation[Any, Any], now: int
) -> Claimed | None:
    attempt, steps = row.attempt + 1, steps_of(connection, row.id)
    try:
        plan = unreadable.read_plan(operation, row.plan, [step.name for step in steps])
    except UnreadablePlanError as why:
        _give_up(connection, row, operation, str(why), steps, now)
        return None
    _TAKE.run(
        connection,
        {"of_job": row.id},
        state=JobState.RUNNING,
        replica=replica_id,
        attempt=attempt,
        started_at=row.started_at or now,
        ended_at=None,
    )
    trail.job_event(connection, now, row.id, JobState.RUNNING, percent=row.percent)
    if row.parent_id is not None:
        family.child_moved_on(connection, row.parent_id, now)
    return Claimed(
        job_id=row.id,
        attempt=attempt,
        round=row.round,
        operation=operation,
        plan=plan,
        undoing=row.undoing,
        steps=steps,
        user_id=row.user_id,
        token_id=row.token_id,
        cancelled=row.cancel_requested,
    )


def _give_up(
    connection: Connection,
    row: Candidate,
    operation: Operation[Any, Any],
    why: str,
    steps: list[StepRecord],
    now: int,
) -> None:
    if row.limit_key is not None:
        free_place(connection, row.limit_key)
    error = unreadable.told(row.root_id, why, [step.name for step in touched(steps)])
    values = {"state": JobState.FAILED, "error": error, "replica": None, "ended_at": now}
    failed = update(job).where(job.c.id == row.id).values(**values).returning(job.c.subject_id)
    subject_id = connection.execute(failed).scalar_one()
    if row.parent_id is None:
        family.block(connection, row.id)
    operation.unreadable(connection, subject_id, now, dismissed=False)
    trail.job_event(connection, now, row.id, JobState.FAILED)
    if row.parent_id is not None:
        family.child_ended(connection, row.parent_id, now)


def begin(connection: Connection, claimed: Claimed, now: int) -> None:
    """Record the intent of the first step to be done, in the transaction that claims the job."""
    if not claimed.undoing and not claimed.cancelled and claimed.open_steps:
        _mark(connection, claimed, claimed.open_steps[0].n, **_intent(claimed, now))


def _intent(claimed: Claimed, now: int) -> dict[str, Any]:
    return {"state": StepState.INTENT, "attempt": claimed.attempt, "started_at": now, "ended_at": None, "error": None}


def steps_of(connection: Connection, job_id: str) -> list[StepRecord]:
    """A job's steps in order, as the journal has them now."""
    return [
        StepRecord(n, name, StepState(state), handle, result)
        for n, name, state, handle, result in _STEPS.rows(connection, of_job=job_id)
    ]


def prove(connection: Connection, claimed: Claimed) -> Proof:
    """What the job's row says, if this attempt still owns it; SupersededError if not."""
    return _proof(claimed, _PROVE.rows(connection, of_job=claimed.job_id, of_attempt=claimed.attempt))


def _move_on(connection: Connection, claimed: Claimed, **values: Any) -> Proof:
    """Change the job's row, if this attempt still owns it, in the same statement; SupersededError if not."""
    where = {"of_job": claimed.job_id, "of_attempt": claimed.attempt}
    return _proof(claimed, _MOVE_ON.run(connection, where, **values))


def _proof(claimed: Claimed, rows: list[tuple[Any, ...]]) -> Proof:
    if not rows:
        raise SupersededError(claimed.job_id)
    return Proof(*rows[0])


def intend(connection: Connection, claimed: Claimed, n: int, now: int) -> None:
    """Record that a step is about to be done, in a transaction that has proved that this attempt owns the job."""
    _mark(connection, claimed, n, **_intent(claimed, now))
    trail.job_event(connection, now, claimed.job_id, JobState.RUNNING, step=n, percent=_percent(claimed, n))


def follow(connection: Connection, claimed: Claimed, n: int, percent: int, now: int, handle: str | None) -> bool:
    """Record how far a long step is and by what handle it is followed; whether a cancel was asked for."""
    row = prove(connection, claimed)
    _mark(connection, claimed, n, percent=percent, handle=handle, error=None)
    trail.job_event(connection, now, claimed.job_id, JobState.RUNNING, step=n, step_percent=percent)
    return row.cancel_requested


def succeed(connection: Connection, claimed: Claimed, n: int, result: Result, now: int) -> bool:
    """Record a step's result; whether a cancel was asked for. What the step itself records goes with it."""
    proof = _move_on(connection, claimed, percent=_percent(claimed, n + 1))
    _mark(connection, claimed, n, state=StepState.DONE, result=result, percent=100, ended_at=now, error=None)
    if proof.parent_id is not None:
        family.child_moved_on(connection, proof.parent_id, now)
    return proof.cancel_requested


def undoing(connection: Connection, claimed: Claimed, n: int, now: int) -> None:
    prove(connection, claimed)
    _mark(connection, claimed, n, state=StepState.UNDOING, attempt=claimed.attempt, started_at=now)
    trail.job_event(connection, now, claimed.job_id, JobState.RUNNING, step=n, undoing=True)


def undone(connection: Connection, claimed: Claimed, n: int, now: int) -> None:
    prove(connection, claimed)
    _mark(connection, claimed, n, state=StepState.UNDONE, ended_at=now, handle=None, result=None, percent=0, error=None)


def complete(
    connection: Connection, claimed: Claimed, results: Mapping[str, Result], now: int, *, cancel_requested: bool
) -> None:
    """The last result is in: the job is done, its locks are free. A cancel that came so late is told of, not obeyed."""
    info = [result["info"] for result in results.values() if "info" in result]
    if cancel_requested:
        info.append(CANCELLED_TOO_LATE)
    state = JobState.COMPLETED_WITH_INFO if info else JobState.COMPLETED
    if _end(connection, claimed, state, now, percent=100, info=info or None, error=None).parent_id is None:
        _free(connection, claimed)
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
    if _end(connection, claimed, JobState.FAILED, now, error={**error, "left": left}).parent_id is None:
        _block(connection, claimed)
    claimed.operation.failed(connection, claimed.plan, now)


def turn_back(connection: Connection, claimed: Claimed, now: int) -> None:
    """A cancel was asked for at a safe point: the same attempt goes back over what it did."""
    _move_on(connection, claimed, undoing=True)
    trail.job_event(connection, now, claimed.job_id, JobState.RUNNING, undoing=True)


def undo_ended(connection: Connection, claimed: Claimed, left: list[str], now: int) -> None:
    """Everything that can be undone is. What cannot is named, and waits for a decision."""
    row = prove(connection, claimed)
    state = JobState.CANCELLED if row.cancel_requested else JobState.FAILED
    if left:
        error = {"message": "It was undone as far as it can be.", "left": left}
        if _end(connection, claimed, state, now, error=error).parent_id is None:
            _block(connection, claimed)
        claimed.operation.failed(connection, claimed.plan, now)
        return
    family.end_unbegun(connection, claimed.job_id, now)
    if _end(connection, claimed, state, now, percent=0, resolution=Resolution.UNDONE).parent_id is None:
        _free(connection, claimed)
    claimed.operation.released(connection, claimed.plan, undone=True, now=now)


def _free(connection: Connection, claimed: Claimed) -> None:
    if family.is_parent(claimed.operation):
        family.free(connection, claimed.job_id)
    else:
        locks.free(connection, claimed.job_id)


def _block(connection: Connection, claimed: Claimed) -> None:
    if family.is_parent(claimed.operation):
        family.block(connection, claimed.job_id)
    else:
        locks.block(connection, claimed.job_id)


def park(connection: Connection, claimed: Claimed, n: int, now: int) -> bool:
    """Leave the job to its children until the last of them has ended; False when none has yet to end."""
    proof = prove(connection, claimed)
    if not family.begin(connection, claimed.job_id):
        return False
    if proof.cancel_requested:
        family.cancel(connection, claimed.job_id, now)
    if not family.is_going(connection, claimed.job_id):
        return False
    _move_on(connection, claimed, waits=True, replica=None)
    if proof.limit_key is not None:
        free_place(connection, proof.limit_key)
    trail.job_event(connection, now, claimed.job_id, JobState.RUNNING, step=n)
    return True


def send_back(connection: Connection, claimed: Claimed, record: StepRecord, now: int) -> bool:
    """Undo the children, once an undo, and leave the job to them; False when none has yet to end."""
    prove(connection, claimed)
    if record.handle != _SENT_BACK:
        family.begin_undo(connection, claimed.job_id, now)
        _mark(connection, claimed, record.n, handle=_SENT_BACK)
        record.handle = _SENT_BACK
    return park(connection, claimed, record.n, now)


def _end(connection: Connection, claimed: Claimed, state: JobState, now: int, **values: Any) -> Proof:
    proof = _move_on(connection, claimed, state=state, ended_at=now, replica=None, **values)
    if proof.limit_key is not None:
        free_place(connection, proof.limit_key)
    trail.job_event(connection, now, claimed.job_id, state)
    if proof.parent_id is not None:
        family.child_ended(connection, proof.parent_id, now)
    return proof


def free_place(connection: Connection, limit_key: str) -> None:
    """One job fewer runs under this limit."""
    limit = _LIMIT.first(connection, of_key=limit_key)
    if limit is not None:
        _COUNT.run(connection, {"of_key": limit_key}, running=max(0, limit[1] - 1))


def _mark(connection: Connection, claimed: Claimed, n: int, **values: Any) -> None:
    _MARK.run(connection, {"of_job": claimed.job_id, "of_step": n}, **values)


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
