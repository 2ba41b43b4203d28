"""Every error as `application/problem+json` (RFC 9457): what happened, to what, why, and what to do about it."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from hostler.jobs.errors import NotAcceptedError
from hostler.providers.errors import Next

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Why a request was not answered, and what to do next (RFC 9457).",
    "properties": {
        "type": {"type": "string", "description": "about:blank: `code` tells the kind"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable name of the kind of problem"},
        "detail": {"type": "string", "description": "What happened, to what, and why"},
        "remedy": {"type": "string", "description": "What would help; may be empty"},
        "next": {"type": "string", "enum": [step.value for step in Next]},
        "job": {"type": "string", "description": "The job in the way, where there is one"},
        "problems": {
            "type": "array",
            "description": "The fields that are wrong",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "problem": {"type": "string"}},
                "required": ["field", "problem"],
            },
        },
        "allowed": {"type": "array", "items": {"type": "string"}, "description": "What could stand there instead"},
        "ids": {"type": "array", "items": {"type": "string"}, "description": "The objects that bear the name"},
    },
    "required": ["type", "title", "status", "code", "detail", "remedy", "next"],
}


class Problem(Exception):
    """An error of the API itself, ready to be told."""

    def __init__(
        self, status: int, code: str, detail: str, remedy: str = "", *, then: Next = Next.FIX_REQUEST, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"code": code, "detail": detail, "remedy": remedy, "next": then, **more}


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that tells a problem. Text that no JSON can carry is shown with replacement characters."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        **problem.body,
    }
    content = msgspec.json.encode(_writable(body))
    return Response(content, problem.status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_writable(key): _writable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(inner) for inner in value]
    return value


def of_refusal(refusal: NotAcceptedError) -> Problem:
    """A refusal of the engine, told."""
    return Problem(refusal.status, refusal.code, refusal.message, refusal.remedy, then=refusal.next, **refusal.detail)


def _of_http(failure: HTTPException) -> Problem:
    if failure.status_code == HTTPStatus.NOT_FOUND:
        return Problem(404, "no_such_address", "There is nothing at this address.", "See /api/v1/openapi.json.")
    if failure.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = "This address does not take this method."
        return Problem(405, "method_not_allowed", detail, "The header Allow names those it takes.")
    if failure.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Problem(413, "too_large", str(failure.detail))
    if failure.status_code == HTTPStatus.BAD_REQUEST:
        return Problem(400, "invalid", f"{failure.detail}.", "Send a JSON object.")
    phrase = HTTPStatus(failure.status_code).phrase
    return Problem(failure.status_code, phrase.lower().replace(" ", "_"), str(failure.detail))


def _of_validation(invalid: RequestValidationError) -> Problem:
    problems = [
        {"field": ".".join(str(part) for part in error["loc"]), "problem": str(error["msg"])}
        for error in invalid.errors()
    ]
    told = "; ".join(f"{problem['field']}: {problem['problem']}" for problem in problems[:10])
    return Problem(422, "invalid", f"The request was not understood: {told}.", "Correct it.", problems=problems[:100])


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem; a bug is logged with its trace and told without."""

    @app.exception_handler(Problem)
    async def _problem(_request: Request, problem: Problem) -> Response:
        return problem_response(problem)

    @app.exception_handler(NotAcceptedError)
    async def _refusal(_request: Request, refusal: NotAcceptedError) -> Response:
        return problem_response(of_refusal(refusal))

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, failure: HTTPException) -> Response:
        return problem_response(_of_http(failure), failure.headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(_request: Request, invalid: RequestValidationError) -> Response:
        return problem_response(_of_validation(invalid))


def of_bug(where: str, bug: Exception) -> Problem:
    """Our own failure: the trace goes to the log, the caller learns what to do."""
    log.error("%s failed", where, exc_info=bug)
    return Problem(
        500,
        "internal_error",
        "Hostler failed at this request; nothing is known to be wrong with it.",
        "The service's log has the trace. Please report it.",
        then=Next.REPORT_BUG,
    )
