"""From a call to a job: checked, planned and written in one transaction, with its locks and its audit record."""

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import ValidationError
from sqlalchemy import Connection, bindparam, select

from hostler.domain.access.rights import Caller
from hostler.domain.references import RefersTo
from hostler.domain.scripts.call import Call
from hostler.jobs import locks, trail
from hostler.jobs.errors import AmbiguousError, ForbiddenError, InvalidError, NotAcceptedError, UnknownObjectError
from hostler.jobs.operation import Acceptance, ChildCall, Operation, Params, Prepared
from hostler.jobs.states import JobState, StepState
from hostler.store.compiled import Insert, Query
from hostler.store.database import AnyRow
from hostler.store.queries.nouns import BadReferenceError
from hostler.store.tables import job, job_step

_KNOWN = Query(select(job.c.request_hash).where(job.c.id == bindparam("of_job")))
_JOB = Insert(job)
_STEP = Insert(job_step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call as it came in. `job_id` is the idempotency key: the same one with the same call is the same job."""

    job_id: str
    operation: str
    subject: str | None
    arguments: dict[str, Any]
    caller: Caller
    parent_id: str | None = None
    survey: Any = None
    """What the operation saw outside the database before; no part of the call."""

    def child(self, call: ChildCall) -> "Request":
        """The call of a part of this one, by the same caller."""
        return Request(
            job_id=call.job_id,
            operation=call.operation,
            subject=call.subject,
            arguments=call.arguments,
            caller=self.caller,
            parent_id=self.job_id,
        )

    @property
    def fingerprint(self) -> str:
        body = [self.operation, self.subject, self.arguments, self.caller.user_id]
        return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A call that passed every check: its operation, its plan and the steps that apply."""

    operation: Operation[Any, Any]
    prepared: Prepared[Any]
    call: Call
    step_names: tuple[str, ...]


class SameKeyOtherCallError(NotAcceptedError):
    """The idempotency key already stands for another call."""

    status = 422
    code = "key_reused"


def understood(request: Request) -> tuple[Operation[Any, Any], Params]:
    """The operation and its parameters, of a caller who may ask for it."""
    refuse_unstorable(request)
    operation = Operation.registry[request.operation]
    if not request.caller.rights.allow(operation.privilege):
        raise ForbiddenError(
            f"{request.caller.user_name} may not {operation.name()}: it needs the privilege {operation.privilege}.",
            "An administrator can add it to a role of yours, or to the token you use.",
        )
    return operation, _parse(operation, request.arguments)


def plan(connection: Connection, request: Request, now: int) -> Planned:
    """All of acceptance but the writing: this is also the dry run."""
    operation, params = understood(request)
    at = Acceptance(connection, request.caller, now, request.survey)
    try:
        subject = None if request.subject is None else at.find(operation.noun, request.subject)
        call = _call(operation, subject, params, at)
        prepared = operation.prepare(at, subject, params)
    except BadReferenceError as bad:
        if bad.ids:
            raise AmbiguousError(str(bad), "Use one of the ids.", ids=list(bad.ids)) from bad
        raise UnknownObjectError(str(bad)) from bad
    steps = tuple(step.name for step in operation.steps if step.when is None or step.when(prepared.plan))
    return Planned(operation=operation, prepared=prepared, call=call, step_names=steps)


def accept(connection: Connection, request: Request, now: int) -> str:
    """Write the job and all that belongs to it; the job's id. Called again with the same key, it only answers."""
    known = _KNOWN.first(connection, of_job=request.job_id)
    if known is not None:
        refuse_unstorable(request)
        if known != (request.fingerprint,):
            raise SameKeyOtherCallError(
                f"The key {request.job_id} was already used for a different call.", "Use a new Idempotency-Key."
            )
        return request.job_id
    planned = plan(connection, request, now)
    root_id = root_of(connection, request)
    _insert_job(connection, request, planned, root_id, now)
    prepared = planned.prepared
    locks.take(connection, request.job_id, root_id, prepared.exclusive, prepared.shared)
    planned.operation.accepted(connection, prepared.plan, request.job_id, now)
    trail.audit(
        connection,
        request.caller,
        now,
        request.operation,
        str(prepared.subject.name),
        "accepted",
        job_id=request.job_id,
    )
    trail.job_event(connection, now, request.job_id, JobState.QUEUED)
    for child in prepared.children:
        accept(connection, request.child(child), now)
    return request.job_id


def root_of(connection: Connection, request: Request) -> str:
    """The topmost job that the call is a part of: itself, or that of its parent."""
    if request.parent_id is None:
        return request.job_id
    root: str | None = connection.execute(select(job.c.root_id).where(job.c.id == request.parent_id)).scalar()
    if root is None:
        raise UnknownObjectError(f"There is no job {request.parent_id} that this one could be a part of.")
    return root


def plan_children(connection: Connection, request: Request, planned: Planned, now: int) -> list[Planned]:
    """What the children would be if each were alone: for a dry run, which writes nothing that the next could see."""
    return [plan(connection, request.child(child), now) for child in planned.prepared.children]


def _insert_job(connection: Connection, request: Request, planned: Planned, root_id: str, now: int) -> None:
    prepared, operation = planned.prepared, planned.operation
    _JOB.one(
        connection,
        id=request.job_id,
        operation=operation.name(),
        version=operation.version,
        title=prepared.title,
        state=JobState.QUEUED,
        attempt=0,
        undoing=False,
        cancel_requested=False,
        waits=request.parent_id is not None,
        limit_key=prepared.limit_key,
        parent_id=request.parent_id,
        root_id=root_id,
        subject_kind=prepared.subject.kind,
        subject_id=prepared.subject.id,
        subject_name=prepared.subject.name,
        user_id=request.caller.user_id,
        user=request.caller.user_name,
        token_id=request.caller.token_id,
        source=request.caller.source,
        reason=request.caller.reason,
        call=planned.call,
        plan=prepared.plan,
        request_hash=request.fingerprint,
        changes=list(prepared.changes),
        percent=0,
        created_at=now,
    )
    titles = {step.name: step.title for step in operation.steps}
    _STEP.many(
        connection,
        [
            {
                "job_id": request.job_id,
                "n": n,
                "name": name,
                "title": titles[name],
                "state": StepState.PLANNED,
                "attempt": 0,
                "percent": 0,
            }
            for n, name in enumerate(planned.step_names)
        ],
    )


def _parse(operation: Operation[Any, Any], arguments: dict[str, Any]) -> Params:
    try:
        return operation.Params.model_validate(arguments)  # type: ignore[no-any-return]  # registry of Any
    except ValidationError as invalid:
        problems = [
            {"field": ".".join(str(part) for part in error["loc"]), "problem": error["msg"]}
            for error in invalid.errors()
        ]
        told = "; ".join(f"{p['field'] or 'the call'}: {p['problem']}" for p in problems)
        raise InvalidError(f"{operation.name()} was not understood: {told}.", problems=problems) from invalid


def refuse_unstorable(request: Request) -> None:
    """NUL and lone surrogates can be stored in no database, file name or script: refused at the door."""
    _refuse_unstorable(request.arguments, request.operation)
    _refuse_unstorable(request.subject, f"the subject of {request.operation}")
    _refuse_unstorable(request.caller.reason, f"the reason for {request.operation}")


def _refuse_unstorable(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_unstorable(key, where)
            _refuse_unstorable(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_unstorable(inner, where)
    elif isinstance(value, str) and ("\0" in value or not _encodable(value)):
        where = where.encode(errors="replace").decode().replace("\0", "?")
        raise InvalidError(f"{where} has a character that no script can carry (NUL or a lone surrogate).")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _call(operation: Operation[Any, Any], subject: AnyRow | None, params: Params, at: Acceptance) -> Call:
    """The call with every object by its id and the name beside it."""
    arguments = params.model_dump(mode="json", exclude_unset=True)
    for name, field in type(params).model_fields.items():
        noun = next((mark.noun for mark in field.metadata if isinstance(mark, RefersTo)), None)
        if noun is not None and arguments.get(name) is not None:
            row = at.find(noun, arguments[name])
            arguments[name] = f"{row.id}:{row.name}"
    return Call(
        noun=operation.noun,
        verb=operation.verb,
        subject=None if subject is None else f"{subject.id}:{subject.name}",
        arguments=arguments,
    )
