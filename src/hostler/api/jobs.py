"""Jobs: what became of a call, the decisions on it, and its script."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import select

from hostler.api.guard import caller_of
from hostler.api.openapi import answers, ref
from hostler.api.problems import Problem
from hostler.api.wire import json_response
from hostler.domain.access.rights import Caller
from hostler.domain.scripts.call import Call
from hostler.jobs.engine import Engine
from hostler.store.database import Database
from hostler.store.queries.jobs import JOBS
from hostler.store.queries.listing import read_one
from hostler.store.queries.scope import EVERYTHING, scope_of
from hostler.store.tables import job

JobId = Annotated[str, Path(alias="id")]
Renderer = Callable[[Call], str]
"""Writes a call in one language."""


def mount(router: APIRouter, engine: Engine, database: Database, scripts: Mapping[str, Renderer]) -> None:
    """Add what can be done to a job, and its script."""
    decisions: Mapping[str, Callable[[str, Caller], Awaitable[None]]] = {
        "cancel": engine.cancel,
        "restart": engine.restart,
        "undo": engine.undo,
        "dismiss": engine.dismiss,
    }
    for verb, decide in decisions.items():
        router.add_api_route(
            f"/jobs/{{id}}/{verb}",
            _decision(decide, database),
            methods=["POST"],
            operation_id=f"job_{verb}",
            tags=["jobs"],
            summary=_SUMMARIES[verb],
            responses=answers("The job as it now is", ref("Job")),
        )

    @router.get(
        "/jobs/{id}/script",
        operation_id="job_script",
        tags=["jobs"],
        summary="The call of a job as a script",
        responses={200: {"description": "The script", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def script(
        request: Request,
        job_id: JobId,
        language: str = Query("python", alias="as", description="python, shell, curl or cmdlet"),
    ) -> Response:
        render = scripts.get(language)
        if render is None:
            detail = f"There is no script of a job as {language!r}."
            raise Problem(422, "invalid", detail, "Choose one of `allowed`.", allowed=sorted(scripts))
        scope = scope_of(caller_of(request))
        wanted = select(job.c.call).where(job.c.id == job_id, scope.condition(job.c.user_id))
        document = await database.read(lambda connection: connection.execute(wanted, scope.values).scalar())
        if document is None:
            raise _unknown(job_id)
        return Response(render(msgspec.convert(document, Call)), media_type="text/plain")


_SUMMARIES = {
    "cancel": "Stop a job at its next safe point, and undo what it did",
    "restart": "Go on with a failed job from the step that failed",
    "undo": "Take back what a failed job did",
    "dismiss": "Leave a failed job as it is, and let go of its objects",
}


def _decision(decide: Callable[[str, Caller], Awaitable[None]], database: Database) -> Callable[..., Any]:
    async def decided(
        request: Request,
        job_id: JobId,
        reason: str = Query("", max_length=1000, description="Why, for the audit trail"),
    ) -> Response:
        await decide(job_id, caller_of(request, reason))
        return json_response(await job_as_shown(database, job_id))

    return decided


async def job_as_shown(database: Database, job_id: str) -> dict[str, Any]:
    """Everything that is shown of a job; a 404 for one that does not exist."""
    found = await database.read(lambda connection: read_one(connection, JOBS, job_id, EVERYTHING))
    if found is None:
        raise _unknown(job_id)
    return found


def _unknown(job_id: str) -> Problem:
    return Problem(404, "not_found", f"There is no job {job_id}.", "GET /api/v1/jobs lists them.")
