"""Bodies as they cross the wire: strict JSON in, msgspec JSON out."""

import json
from typing import Any, NoReturn

import msgspec
from fastapi import Request, Response

from hostler.api.problems import Problem

_MOST = 1 << 63


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json", headers=headers)


async def read_arguments(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an absent one is empty. Refuses numbers that JSON has not, or no store can keep."""
    body = await request.body()
    if not body.strip():
        return {}
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as bad:
        raise Problem(422, "invalid", f"The body is not JSON: {bad}.", "Send a JSON object.") from bad
    if not isinstance(value, dict):
        raise Problem(422, "invalid", "The body is not a JSON object.", "Send an object with the parameters.")
    _refuse_out_of_range(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _refuse_out_of_range(value: Any) -> None:
    if isinstance(value, dict):
        for inner in value.values():
            _refuse_out_of_range(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_out_of_range(inner)
    elif isinstance(value, int | float) and not -_MOST <= value < _MOST:
        raise Problem(422, "invalid", "The body has a number beyond 64 bits.", "Use a smaller number.")
