"""Intelligent Placement asked without creating anything, and the fleet as a file for asking offline."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select

from hostler.api.live_check import read_live
from hostler.api.openapi import answers, ref
from hostler.api.problems import Problem
from hostler.api.wire import json_response
from hostler.domain.library.profiles import Hardware
from hostler.domain.machines.spec import CloneKind
from hostler.domain.placement.fleet import encode
from hostler.domain.placement.model import DiskNeed, Goal, PlacementError, Policy, Ranking, Request, Strength, Weights
from hostler.domain.placement.rank import rank
from hostler.jobs.errors import AmbiguousError, UnknownObjectError
from hostler.jobs.step import Services
from hostler.operations.placing import needs_from
from hostler.store.database import Database
from hostler.store.queries import nouns
from hostler.store.queries.placement import export_fleet, fleet_snapshot
from hostler.store.tables import library_object

_USUAL = Weights()

Weight = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


class RateWeights(BaseModel):
    """How much each term counts, 0 (ignored) to 10."""

    model_config = ConfigDict(extra="forbid")

    cpu: Weight = _USUAL.cpu
    memory: Weight = _USUAL.memory
    disk: Weight = _USUAL.disk
    network: Weight = _USUAL.network


class RateRequest(BaseModel):
    """What a VM would need: a template's, or plain numbers, or a template with some numbers in place of its own."""

    model_config = ConfigDict(extra="forbid")

    template: Annotated[str | None, Field(max_length=1000, description="Id or exact name of a template")] = None
    vcpus: Annotated[int | None, Field(ge=1, le=1024)] = None
    memory_mib: Annotated[int | None, Field(ge=1, le=1 << 30)] = None
    disk_mib: Annotated[int | None, Field(ge=0, le=1 << 40)] = None
    clone: CloneKind = CloneKind.LINKED
    host: Annotated[
        str | None, Field(max_length=1000, description="Only this host, which is read now: id or exact name")
    ] = None
    host_group: Annotated[str | None, Field(max_length=4096, description="Only hosts of this group")] = None
    goal: Goal = Goal.LOAD_BALANCING
    weights: RateWeights = RateWeights()
    strengths: Annotated[
        dict[str, Strength],
        Field(max_length=50, description="Placement configuration: how much a criterion counts, by its code"),
    ] = {}


SCHEMAS: dict[str, Any] = {
    "Ranking": {
        "type": "object",
        "description": "Every host, the best first, with what each rating is made of.",
        "properties": {
            "ratings": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "host_id": {"type": "string"},
                        "host_name": {"type": "string"},
                        "stars": {"type": "number", "description": "0 (with reasons), or ½ to 5 in halves"},
                        "score": {"type": "number"},
                        "values": {"type": "array", "items": {"type": "number"}, "description": "Terms, 0–1"},
                        "scale": {"type": "object", "description": "Names and weights of the terms, in that order"},
                        "zero_reasons": {"type": "array", "items": ref("PlacementReason")},
                        "warnings": {"type": "array", "items": ref("PlacementReason")},
                        "volume": {"type": ["object", "null"], "description": "Where its disks would go"},
                        "preferences_missed": {"type": "integer"},
                    },
                },
            },
            "request": {"type": "object", "description": "What was asked for, whole"},
            "weights": {"type": "object"},
            "goal": {"type": "string"},
            "live": {
                "type": "object",
                "description": "Of the host that was named: when it was read, or why it could not be",
                "properties": {
                    "host_id": {"type": "string"},
                    "read_at": {"type": ["string", "null"], "format": "date-time"},
                    "problem": {"type": ["string", "null"]},
                },
            },
        },
    },
    "PlacementReason": {
        "type": "object",
        "properties": {
            "code": {"type": "string"},
            "text": {"type": "string"},
            "what_would_help": {"type": "string"},
            "overridable": {"type": "boolean"},
        },
    },
}


def mount(router: APIRouter, database: Database, services: Services, clock: Callable[[], int]) -> None:
    """Add the two routes. Both only read."""

    @router.post(
        "/placement/rate",
        operation_id="placement_rate",
        tags=["placement"],
        summary="Rate every host for a VM, with reasons",
        responses=answers("The ranking", ref("Ranking")),
    )
    async def rate(body: RateRequest) -> Response:
        def unit(connection: Connection, host_id: str | None) -> Ranking:
            snapshot = fleet_snapshot(connection)
            if body.host_group is not None:
                snapshot = snapshot.within(body.host_group)
            if host_id is not None:
                snapshot = snapshot.only(host_id)
            weights, policy = Weights(**body.weights.model_dump()), Policy(strengths=body.strengths)
            return rank(snapshot, _needs(connection, body), weights=weights, goal=body.goal, policy=policy)

        try:
            if body.host is None:
                return json_response(await database.read(lambda connection: unit(connection, None)))
            named = body.host
            host_id = await database.read(lambda connection: str(nouns.resolve(connection, "host", named).id))
            live = await read_live(services, database, host_id, clock)
            ranking = await database.read(lambda connection: unit(connection, host_id))
            return json_response(msgspec.to_builtins(ranking) | {"live": msgspec.to_builtins(live)})
        except nouns.BadReferenceError as bad:
            if bad.ids:
                raise AmbiguousError(str(bad), "Use an id.", ids=list(bad.ids)) from bad
            raise UnknownObjectError(str(bad), "List the templates or the hosts.") from bad
        except PlacementError as bad:
            raise Problem(422, "invalid", f"{bad}.", "Correct the request.") from bad

    @router.get(
        "/fleet/export",
        operation_id="fleet_export",
        tags=["placement"],
        summary="The fleet as placement sees it, for rating offline",
        responses=answers("A fleet file, format hostler-fleet/1", {"type": "object"}),
    )
    async def export() -> Response:
        content = await database.read(lambda connection: encode(export_fleet(connection)))
        headers = {"Content-Disposition": 'attachment; filename="fleet.json"'}
        return Response(content, media_type="application/json", headers=headers)


def _needs(connection: Connection, body: RateRequest) -> Request:
    needs = Request()
    if body.template is not None:
        template = nouns.resolve(connection, "template", body.template)
        disk = connection.execute(select(library_object).where(library_object.c.id == template.disk_id)).one()
        needs = needs_from(msgspec.convert(template.hardware, Hardware), disk, body.clone)
    changes: dict[str, Any] = {"vcpus": body.vcpus, "memory_mib": body.memory_mib}
    if body.disk_mib is not None:
        changes["disks"] = (DiskNeed(size_mib=body.disk_mib),)
    given = {name: value for name, value in changes.items() if value is not None}
    return msgspec.structs.replace(needs, **given)
