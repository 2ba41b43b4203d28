"""The OpenAPI document: FastAPI's, with the schemas of the lists, which come from their columns."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from hostler.api.problems import MEDIA_TYPE
from hostler.api.problems import SCHEMA as PROBLEM_SCHEMA
from hostler.store.queries.catalogue import LISTINGS
from hostler.store.queries.columns import ColumnType, Listing

_TYPES: Mapping[ColumnType, dict[str, Any]] = {
    ColumnType.TEXT: {"type": "string"},
    ColumnType.INTEGER: {"type": "integer"},
    ColumnType.BOOLEAN: {"type": "boolean"},
    ColumnType.TIME: {"type": "string", "format": "date-time"},
    ColumnType.JSON: {},
}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def answers(description: str, schema: dict[str, Any], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """A route's `responses` for one JSON answer."""
    return {status: {"description": description, "content": {"application/json": {"schema": schema}}}}


def schema_name(listing: Listing) -> str:
    """`library-shares` → LibraryShare."""
    return "".join(word.capitalize() for word in listing.plural.removesuffix("s").split("-"))


def page_schema_name(listing: Listing) -> str:
    return f"{schema_name(listing)}Page"


def _schemas(listing: Listing) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for column in listing.columns:
        shape = dict(_TYPES[column.type])
        if column.nullable and "type" in shape:
            shape["type"] = [shape["type"], "null"]
        properties[column.name] = {**shape, "description": column.about}
    for attached in listing.attachments:
        properties[attached.name] = {"type": "array", "items": {"type": "object"}, "description": attached.about}
    page = {
        "items": {"type": "array", "items": ref(schema_name(listing))},
        "next": {"type": ["string", "null"], "description": "Give it as `after` for the next page; null: no more"},
        "total": {"type": "integer", "description": "All rows that pass the filters; only where asked for"},
    }
    return {
        schema_name(listing): {"type": "object", "properties": properties},
        page_schema_name(listing): {"type": "object", "properties": page, "required": ["items", "next"]},
    }


def install(app: FastAPI, schemas: Mapping[str, Any]) -> None:
    """Make `app.openapi()` the whole document; `schemas` are more components."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, schemas)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI, schemas: Mapping[str, Any]) -> dict[str, Any]:
    made = get_openapi(
        title="Hostler",
        version="1",
        openapi_version="3.1.0",
        description="An open virtual machine manager. Every change is a job; every refusal says why and what helps.",
        routes=app.routes,
    )
    components = made.setdefault("components", {})
    known = components.setdefault("schemas", {})
    for listing in LISTINGS.values():
        known.update(_schemas(listing))
    known.update(schemas)
    known["Problem"] = PROBLEM_SCHEMA
    for unused in ("HTTPValidationError", "ValidationError"):
        known.pop(unused, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"token": []}]
    made["paths"]["/api/v1/sign-in"]["post"]["security"] = []
    problem = {"description": "Why not, and what to do", "content": {MEDIA_TYPE: {"schema": ref("Problem")}}}
    for path in made["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = problem
    return made
