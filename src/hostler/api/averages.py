"""What hosts and VMs used: the averages that are kept of their counters, one object and one span at a time."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import Connection

from hostler.api.openapi import answers, ref
from hostler.api.wire import json_response
from hostler.domain.fabric.averages import MINUTE, SIX_HOURS, TEN_MINUTES
from hostler.jobs.errors import AmbiguousError, UnknownObjectError
from hostler.store.database import Database
from hostler.store.queries import nouns
from hostler.store.queries.averages import averages_of
from hostler.store.queries.columns import moment


class Span(StrEnum):
    """How long each average is of, and so how far back they reach: two hours, two days, ninety days."""

    MINUTE = "minute"
    TEN_MINUTES = "ten_minutes"
    SIX_HOURS = "six_hours"


_SECONDS = {Span.MINUTE: MINUTE, Span.TEN_MINUTES: TEN_MINUTES, Span.SIX_HOURS: SIX_HOURS}
_NUMBER = {"type": ["number", "null"]}
SCHEMAS: dict[str, Any] = {
    "Averages": {
        "type": "object",
        "description": "Averages of one object, oldest first. A time that is not there was not measured.",
        "properties": {
            "span_seconds": {"type": "integer", "description": "What each average is of"},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "at": {"type": "string", "format": "date-time", "description": "When its span begins"},
                        "covered_seconds": {"type": "number", "description": "How much of it was measured"},
                        "cpu_percent": _NUMBER | {"description": "Of the object's own processors, 0–100"},
                        "memory_used_mib": _NUMBER,
                        "disk_iops": _NUMBER,
                        "disk_bytes_per_second": _NUMBER,
                        "net_bytes_per_second": _NUMBER,
                    },
                },
            },
        },
    }
}


def mount(router: APIRouter, database: Database) -> None:
    """Add `GET /hosts/{id}/averages` and the same of VMs."""
    for noun in ("host", "vm"):
        plural = nouns.NOUNS[noun].plural
        router.add_api_route(
            f"/{plural}/{{id}}/averages",
            _averages(noun, plural, database),
            methods=["GET"],
            operation_id=f"{noun}_averages",
            tags=[plural],
            summary="What it used, as averages over time",
            responses=answers("The averages", ref("Averages")),
        )


def _averages(noun: str, plural: str, database: Database) -> Callable[..., Any]:
    async def averages(
        reference: Annotated[str, Path(alias="id", description="Id, or exact name without a slash")],
        span: Annotated[Span, Query(description="What each average is of")] = Span.MINUTE,
    ) -> Response:
        seconds = _SECONDS[span]

        def read(connection: Connection) -> list[dict[str, Any]]:
            identity = nouns.resolve(connection, noun, reference).id
            return [_shown(row._mapping) for row in averages_of(connection, identity, seconds, 0)]

        try:
            return json_response({"span_seconds": seconds, "items": await database.read(read)})
        except nouns.BadReferenceError as bad:
            if bad.ids:
                raise AmbiguousError(str(bad), "Use an id.", ids=list(bad.ids)) from bad
            raise UnknownObjectError(str(bad), f"GET /api/v1/{plural} lists them.") from bad

    return averages


def _shown(row: Any) -> dict[str, Any]:
    measures = {name: value for name, value in row.items() if name not in ("object_id", "span_seconds", "slot_at")}
    return {"at": moment(row["slot_at"])} | measures
