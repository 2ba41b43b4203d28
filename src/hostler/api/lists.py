"""Lists and single objects of every noun, straight from the catalogue."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Connection

from hostler.api.guard import caller_of
from hostler.api.openapi import answers, page_schema_name, ref, schema_name
from hostler.api.problems import Problem
from hostler.api.wire import json_response
from hostler.jobs.errors import AmbiguousError, UnknownObjectError
from hostler.store.database import Database
from hostler.store.queries import nouns
from hostler.store.queries.catalogue import LISTINGS
from hostler.store.queries.columns import Listing
from hostler.store.queries.filters import GRAMMAR, BadFilterError, parse_filter
from hostler.store.queries.listing import DEFAULT_LIMIT, MOST_ROWS, BadQueryError, PageQuery, read_one, read_page
from hostler.store.queries.scope import scope_of

_NOUN_OF = {noun.plural: noun.name for noun in nouns.NOUNS.values()}
MOST_FILTERS = 50
"""More of them say nothing that fewer cannot, and a database takes only so deep an expression."""
_PARAMETERS = ("columns", "sort", "filter", "after", "limit", "total")


def mount(router: APIRouter, database: Database) -> None:
    """Add `GET /{plural}` for each list, and `GET /{plural}/{id}` where objects have an id."""
    for listing in LISTINGS.values():
        singular = schema_name(listing)
        router.add_api_route(
            f"/{listing.plural}",
            _list(listing, database),
            methods=["GET"],
            operation_id=f"list_{listing.plural}".replace("-", "_"),
            tags=[listing.plural],
            summary=f"List {listing.plural.replace('-', ' ')}",
            responses=answers("A page", ref(page_schema_name(listing))),
            openapi_extra={"parameters": _documented(listing)},
        )
        if "id" in listing.names:
            router.add_api_route(
                f"/{listing.plural}/{{id}}",
                _one(listing, database),
                methods=["GET"],
                operation_id=f"get_{listing.plural}".replace("-", "_"),
                tags=[listing.plural],
                summary="Everything that is known of one",
                responses=answers("The object", ref(singular)),
            )


def _list(listing: Listing, database: Database) -> Callable[..., Any]:
    async def page(request: Request) -> Response:
        query, scope = _read_query(listing, request), scope_of(caller_of(request))

        def read(connection: Connection) -> dict[str, Any]:
            found = read_page(connection, listing, query, scope)
            answer: dict[str, Any] = {"items": found.items, "next": found.next}
            return answer if found.total is None else answer | {"total": found.total}

        try:
            return json_response(await database.read(read, brief=query.is_brief))
        except BadQueryError as bad:
            raise _told(bad.parameter, str(bad), bad.allowed) from bad

    return page


def _one(listing: Listing, database: Database) -> Callable[..., Any]:
    async def one(
        request: Request,
        reference: Annotated[str, Path(alias="id", description="Id, or exact name where names exist")],
    ) -> Response:
        scope = scope_of(caller_of(request))

        def read(connection: Connection) -> dict[str, Any] | None:
            noun = _NOUN_OF.get(listing.plural)
            key = reference if noun is None else str(nouns.resolve(connection, noun, reference).id)
            return read_one(connection, listing, key, scope)

        try:
            found = await database.read(read)
        except nouns.BadReferenceError as bad:
            kind = AmbiguousError if bad.ids else UnknownObjectError
            raise kind(str(bad), f"GET /api/v1/{listing.plural} lists them.", **_ids(bad)) from bad
        if found is None:
            raise UnknownObjectError(f"There is no {reference} among the {listing.plural}.")
        return json_response(found)

    return one


def _ids(bad: nouns.BadReferenceError) -> dict[str, object]:
    return {"ids": list(bad.ids)} if bad.ids else {}


def _read_query(listing: Listing, request: Request) -> PageQuery:
    given = request.query_params
    for name in given:
        if name not in _PARAMETERS:
            detail = f"The list of {listing.plural} has no parameter {name!r}."
            if name in listing.searchable:
                detail += f" To filter by it, write filter={name}:eq:value."
            raise _told(name, detail, list(_PARAMETERS))
    conditions = given.getlist("filter")
    if len(conditions) > MOST_FILTERS:
        raise _told("filter", f"A list takes at most {MOST_FILTERS} filters; these are {len(conditions)}.", [])
    try:
        filters = tuple(parse_filter(listing, text) for text in conditions)
    except BadFilterError as bad:
        raise _told("filter", str(bad), bad.allowed) from bad
    return PageQuery(
        columns=tuple(name for name in given.get("columns", "").split(",") if name),
        sort=given.get("sort", ""),
        filters=filters,
        after=given.get("after"),
        limit=_limit(given.get("limit")),
        total=_flag(given.get("total", "false")),
    )


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MOST_ROWS):
        raise _told("limit", f"`limit` is a number from 1 to {MOST_ROWS}, not {text!r}.", [])
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise _told("total", f"`total` is true or false, not {text!r}.", ["true", "false"])
    return text == "true"


def _told(parameter: str, detail: str, allowed: list[str]) -> Problem:
    remedy = f"Use one of: {', '.join(allowed)}." if allowed else "Correct it."
    problems = [{"field": f"query.{parameter}", "problem": detail}]
    return Problem(422, "invalid", detail, remedy, allowed=allowed, problems=problems)


def _documented(listing: Listing) -> list[dict[str, Any]]:
    orders = [f"{sign}{name}" for name in listing.searchable for sign in ("", "-")]
    shown: list[tuple[str, dict[str, Any], str]] = [
        (
            "columns",
            {"type": "array", "items": {"type": "string", "enum": listing.names}},
            f"Columns to show, separated by commas; without it: {', '.join(listing.listed)}",
        ),
        ("sort", {"type": "string", "enum": orders, "default": listing.order}, "Column to sort by; `-` turns it round"),
        ("filter", {"type": "array", "items": {"type": "string"}}, GRAMMAR),
        ("after", {"type": "string"}, "The `next` of the page before"),
        ("limit", {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": DEFAULT_LIMIT}, "Most rows"),
        ("total", {"type": "boolean", "default": False}, "Count all rows that pass the filters, which takes longer"),
    ]
    return [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": about}
        | ({"style": "form", "explode": name == "filter"} if schema["type"] == "array" else {})
        for name, schema, about in shown
    ]
