"""Every operation of the registry as a route; nothing here knows any of them by name."""

import inspect
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Request, Response
from pydantic import create_model

from hostler.api.guard import caller_of
from hostler.api.jobs import Renderer, job_as_shown
from hostler.api.openapi import ref
from hostler.api.problems import Problem
from hostler.api.wire import json_response, read_arguments
from hostler.domain.references import parse_reference
from hostler.domain.scripts.address import address
from hostler.jobs.acceptance import Request as Call
from hostler.jobs.engine import DryRun, Engine
from hostler.jobs.errors import UnknownObjectError
from hostler.jobs.operation import Operation, Params
from hostler.store.database import Database
from hostler.store.queries.nouns import NOUNS

PREFIX = "/api/v1"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Asked = Annotated[bool, Query(description="Check everything, change nothing, and answer what would be done")]
Reason = Annotated[str, Query(max_length=1000, description="Why, for the job and the audit trail")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A UUID that becomes the job's id: the same key with the same call is the same job",
    ),
]
ObjectId = Annotated[str, Path(alias="id", description="Id, or exact name without a slash")]
ExpectName = Annotated[
    str | None, Query(description="Refuse unless the object has this name: for scripts that name objects by id")
]


def mount(router: APIRouter, engine: Engine, database: Database, scripts: Mapping[str, Renderer]) -> None:
    """Add a route for each operation."""
    for operation in Operation.registry.values():
        noun = NOUNS[operation.noun]
        made = address(noun.plural, operation.verb, None).removeprefix(PREFIX)
        path = made if operation.makes_new else f"/{noun.plural}/{{id}}/{operation.verb}"
        summary, _, about = inspect.cleandoc(operation.__doc__ or "").partition("\n")
        router.add_api_route(
            path,
            _endpoint(operation, engine, database, scripts),
            methods=["POST"],
            operation_id=f"{operation.noun}_{operation.verb}".replace("-", "_"),
            tags=[noun.plural],
            summary=summary,
            description=about.strip() or summary,
            status_code=202,
            responses=_RESPONSES,
            openapi_extra={
                "x-hostler": {
                    "privilege": operation.privilege,
                    "cmdlet": operation.cmdlet,
                    "steps": [step.title for step in operation.steps],
                }
            },
        )


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The dry run", "content": {"application/json": {"schema": ref("DryRun")}}},
    202: {
        "description": "The job, accepted and durable",
        "content": {"application/json": {"schema": ref("Job")}},
        "headers": {"Location": {"description": "Address of the job", "schema": {"type": "string"}}},
    },
}

DRY_RUN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What a call would do: nothing was changed.",
    "properties": {
        "title": {"type": "string"},
        "steps": {"type": "array", "items": {"type": "string"}},
        "children": {"type": "array", "items": {"type": "string"}, "description": "Titles of the jobs it is made of"},
        "locks": {
            "type": "object",
            "properties": {
                "exclusive": {"type": "array", "items": {"type": "string"}},
                "shared": {"type": "array", "items": {"type": "string"}},
            },
        },
        "changes": {"type": "array", "items": {"type": "object"}},
        "plan": {"type": "object", "description": "What acceptance would fix; random values differ each time"},
        "call": {"type": "object", "description": "The call as data"},
        "scripts": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def _endpoint(
    operation: Operation[Any, Any], engine: Engine, database: Database, scripts: Mapping[str, Renderer]
) -> Callable[..., Any]:
    async def call(
        request: Request,
        subject: str | None,
        expect_name: str | None,
        *,
        dry_run: bool,
        reason: str,
        key: str | None,
    ) -> Response:
        asked = Call(
            job_id=_key(key),
            operation=operation.name(),
            subject=None if subject is None else _expecting(subject, expect_name),
            arguments=await read_arguments(request),
            caller=caller_of(request, reason),
        )
        if dry_run:
            return json_response(_shown(await engine.dry_run(asked), scripts))
        job_id = await engine.accept(asked)
        job = await job_as_shown(database, job_id)
        return json_response(job, 202, {"Location": f"{PREFIX}/jobs/{job_id}"})

    body, default = _body(operation)
    if operation.makes_new:

        async def create(
            request: Request, body: Any, *, dry_run: Asked = False, reason: Reason = "", idempotency_key: Key = None
        ) -> Response:
            return await call(request, None, None, dry_run=dry_run, reason=reason, key=idempotency_key)

        return _annotated(create, body, default)

    async def act(
        request: Request,
        subject: ObjectId,
        body: Any,
        *,
        expect_name: ExpectName = None,
        dry_run: Asked = False,
        reason: Reason = "",
        idempotency_key: Key = None,
    ) -> Response:
        return await call(request, subject, expect_name, dry_run=dry_run, reason=reason, key=idempotency_key)

    return _annotated(act, body, default)


def _body(operation: Operation[Any, Any]) -> tuple[Any, Any]:
    """The body's annotation and default. The model gets a name of its own, which the OpenAPI document keeps."""
    words = f"{operation.noun}-{operation.verb}".split("-")
    name = "".join(word.capitalize() for word in words) + "Params"
    model: type[Params] = create_model(name, __base__=operation.Params)
    if any(field.is_required() for field in model.model_fields.values()):
        return Annotated[model, Body()], inspect.Parameter.empty
    return Annotated[model | None, Body()], None


def _annotated(endpoint: Callable[..., Any], body: Any, default: Any) -> Callable[..., Any]:
    """`endpoint` with the body's exact type, from which FastAPI validates and documents."""
    signature = inspect.signature(endpoint)
    parameters = [
        parameter.replace(annotation=body, default=default, kind=inspect.Parameter.KEYWORD_ONLY)
        if parameter.name == "body"
        else parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in signature.parameters.values()
    ]
    endpoint.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # FastAPI reads it
    return endpoint


def _key(text: str | None) -> str:
    if text is None:
        return str(uuid.uuid4())
    if not _UUID.fullmatch(text.lower()):
        raise Problem(422, "bad_key", f"The Idempotency-Key {text!r} is not a UUID.", "Send a UUID, or none.")
    return text.lower()


def _expecting(subject: str, name: str | None) -> str:
    """The reference with the name that it must have."""
    if name is None:
        return subject
    reference = parse_reference(subject)
    if reference.name is not None and reference.name != name:
        raise UnknownObjectError(
            f"The address names {reference.name!r}, and expect_name says {name!r}.", "Make both say the same."
        )
    return name if reference.id is None else f"{reference.id}:{name}"


def _shown(dry: DryRun, scripts: Mapping[str, Renderer]) -> dict[str, Any]:
    return {
        "title": dry.title,
        "steps": dry.steps,
        "children": dry.children,
        "locks": {"exclusive": dry.exclusive, "shared": dry.shared},
        "changes": dry.changes,
        "plan": dry.plan,
        "call": dry.call,
        "scripts": {language: render(dry.call) for language, render in scripts.items()},
    }
