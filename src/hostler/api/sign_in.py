"""Sign-in by one-time link, sign-out, and API tokens."""

from collections.abc import Callable
from datetime import datetime, timedelta
from html import escape
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.datastructures import Headers

from hostler.api.guard import Doorkeeper, caller_of, cookie_of
from hostler.api.openapi import answers, ref
from hostler.api.problems import Problem
from hostler.api.wire import json_response
from hostler.domain.access.rights import VIEW, Caller, Rights
from hostler.jobs import trail
from hostler.jobs.operation import Operation
from hostler.store.database import AnyRow, Database
from hostler.store.queries import sign_in
from hostler.store.queries.access import rights_now
from hostler.store.queries.columns import EPOCH, moment
from hostler.store.queries.sign_in import NewSession

TOKEN_DAYS = 30
"""How long the token lives that a command line gets for a one-time link."""

_LAST_YEAR = 9998
"""The last of which each moment can be written in UTC, whatever its offset."""

_BAD_LINK = "This sign-in link is not known, was already used, or is older than an hour."
_REMEDY = "Make a new one on the machine that runs Hostler: hostler sign-in-link."


class Cookies:
    """The two cookies of a session. Under TLS their names bind them to this host."""

    def __init__(self, *, tls: bool) -> None:
        self._tls = tls
        prefix = "__Host-" if tls else ""
        self.session = f"{prefix}hostler-session"
        self.csrf = f"{prefix}hostler-csrf"

    def give(self, response: Response, made: NewSession) -> None:
        life = sign_in.SESSION_SECONDS
        for name, value, hidden in ((self.session, made.secret, True), (self.csrf, made.csrf, False)):
            response.set_cookie(
                name, value, max_age=life, path="/", secure=self._tls, httponly=hidden, samesite="strict"
            )

    def take(self, response: Response) -> None:
        for name, hidden in ((self.session, True), (self.csrf, False)):
            response.delete_cookie(name, path="/", secure=self._tls, httponly=hidden, samesite="strict")


class Link(BaseModel):
    """A one-time link's secret, or the whole link."""

    model_config = ConfigDict(extra="forbid")

    link: Annotated[str, Field(max_length=500)]


class NewToken(BaseModel):
    """A token to make. Without `privileges` it may what its maker may; without `expires_at` it lasts until revoked."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]
    privileges: list[str] | None = None
    expires_at: datetime | None = None


_TOKEN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "privileges": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "null: as much as its maker may",
        },
        "created_at": {"type": "string", "format": "date-time"},
        "expires_at": {"type": ["string", "null"], "format": "date-time"},
    },
}
_SECRET = {"type": "string", "description": "Told only now; send it as Authorization: Bearer"}
SCHEMAS: dict[str, Any] = {
    "Token": _TOKEN,
    "TokenPage": {"type": "object", "properties": {"items": {"type": "array", "items": ref("Token")}}},
    "MadeToken": {"type": "object", "properties": {**_TOKEN["properties"], "secret": _SECRET}},
}


def mount_pages(router: APIRouter, database: Database, clock: Callable[[], int], cookies: Cookies) -> None:
    """The page that a one-time link opens: its button uses the link, so a preview of the link does not."""

    @router.get("/sign-in", include_in_schema=False)
    async def page(link: str = "") -> Response:
        return Response(_PAGE.format(link=escape(link, quote=True)), media_type="text/html", headers=_UNKEPT)

    @router.post("/sign-in", include_in_schema=False)
    async def button(request: Request) -> Response:
        form = parse_qs((await request.body()).decode(errors="replace"))
        secret = secret_of(form.get("link", [""])[0])
        now, source = clock(), _source(request)

        def unit(connection: Connection) -> NewSession | None:
            user = _use(connection, secret, now, source)
            return None if user is None else sign_in.new_session(connection, user.user_id, now)

        made = await database.write(unit) if await _is_good(database, secret, now) else None
        if made is None:
            return Response(_REFUSED, 403, media_type="text/html", headers=_UNKEPT)
        response = Response(status_code=303, headers={"Location": "/"})
        cookies.give(response, made)
        return response


def mount(
    router: APIRouter, database: Database, clock: Callable[[], int], cookies: Cookies, doorkeeper: Doorkeeper
) -> None:
    """Sign-in for programs, sign-out, and tokens."""

    @router.post(
        "/sign-in",
        operation_id="sign_in",
        tags=["access"],
        summary="Use a one-time link, for an API token",
        status_code=201,
        responses=answers("The token", ref("MadeToken"), 201),
    )
    async def for_programs(request: Request, body: Link) -> Response:
        secret, now, source = secret_of(body.link), clock(), _source(request)

        def unit(connection: Connection) -> dict[str, Any] | None:
            user = _use(connection, secret, now, source)
            if user is None:
                return None
            ends = now + TOKEN_DAYS * 86_400 * sign_in.SECOND
            return _make_token(connection, user, now, f"Signed in from {source}", None, ends)

        made = await database.write(unit) if await _is_good(database, secret, now) else None
        if made is None:
            raise Problem(403, "bad_link", _BAD_LINK, _REMEDY)
        return json_response(made, 201)

    @router.post("/sign-out", operation_id="sign_out", tags=["access"], summary="End this session", status_code=204)
    async def sign_out(request: Request) -> Response:
        secret = cookie_of(Headers(scope=request.scope), cookies.session)
        await database.write(lambda connection: sign_in.end_session(connection, secret))
        doorkeeper.forget()
        response = Response(status_code=204)
        cookies.take(response)
        return response

    _mount_tokens(router, database, clock, doorkeeper)


def _mount_tokens(router: APIRouter, database: Database, clock: Callable[[], int], doorkeeper: Doorkeeper) -> None:
    @router.post(
        "/tokens",
        operation_id="token_create",
        tags=["access"],
        summary="Make an API token, with no more rights than yours",
        status_code=201,
        responses=answers("The token, with its secret", ref("MadeToken"), 201),
    )
    async def create(request: Request, body: NewToken) -> Response:
        caller, now = caller_of(request), clock()
        ends = None if body.expires_at is None else _future(body.expires_at, now)

        def unit(connection: Connection) -> dict[str, Any]:
            rights = rights_now(connection, caller.user_id, caller.token_id)
            _check_privileges(rights, body.privileges)
            return _make_token(connection, caller, now, body.name, body.privileges, ends)

        return json_response(await database.write(unit), 201)

    @router.get(
        "/tokens",
        operation_id="list_tokens",
        tags=["access"],
        summary="Your API tokens, without their secrets",
        responses=answers("The tokens", ref("TokenPage")),
    )
    async def tokens(request: Request) -> Response:
        user_id = caller_of(request).user_id
        rows = await database.read(lambda connection: sign_in.tokens_of(connection, user_id))
        return json_response({"items": [_shown(row) for row in rows]})

    @router.post(
        "/tokens/{id}/revoke", operation_id="token_revoke", tags=["access"], summary="End a token", status_code=204
    )
    async def revoke(request: Request, token_id: Annotated[str, Path(alias="id")]) -> Response:
        caller, now = caller_of(request), clock()

        def unit(connection: Connection) -> bool:
            revoked = sign_in.revoke_token(connection, caller, token_id, now)
            if revoked:
                trail.audit(connection, caller, now, "token.revoke", token_id, "accepted")
            return revoked

        if not await database.write(unit):
            raise Problem(
                404, "not_found", f"You have no token {token_id} that you may end.", "GET /api/v1/tokens lists yours."
            )
        doorkeeper.forget()
        return Response(status_code=204)


def secret_of(link: str) -> str:
    """The secret in a link as it was printed; or the text itself."""
    _, mark, rest = link.strip().partition("link=")
    return rest.partition("&")[0] if mark else link.strip()


def _source(request: Request) -> str:
    return request.client.host if request.client else ""


async def _is_good(database: Database, secret: str, now: int) -> bool:
    """A look before the leap: guesses never wait in the queue of writers."""
    return await database.read(lambda connection: sign_in.link_is_good(connection, secret, now))


def _use(connection: Connection, secret: str, now: int, source: str) -> Caller | None:
    user_id = sign_in.use_link(connection, secret, now)
    if user_id is None:
        return None
    caller = Caller(user_id=user_id, user_name=sign_in.ADMINISTRATOR, rights=Rights(privileges=None), source=source)
    trail.audit(connection, caller, now, "session.sign-in", caller.user_name, "accepted")
    return caller


def _make_token(
    connection: Connection, caller: Caller, now: int, name: str, privileges: list[str] | None, ends: int | None
) -> dict[str, Any]:
    token_id, secret = sign_in.new_token(connection, caller, now, name=name, privileges=privileges, expires_at=ends)
    trail.audit(connection, caller, now, "token.create", name, "accepted")
    row = next(row for row in sign_in.tokens_of(connection, caller.user_id) if row.id == token_id)
    return _shown(row) | {"secret": secret}


def _shown(row: AnyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "privileges": row.privileges,
        "created_at": moment(row.created_at),
        "expires_at": moment(row.expires_at),
    }


def _future(at: datetime, now: int) -> int:
    if at.tzinfo is None:
        raise Problem(422, "invalid", "expires_at has no offset from UTC.", "Write it as 2026-01-31T12:00:00Z.")
    if at.year > _LAST_YEAR:
        raise Problem(422, "invalid", f"expires_at lies after the year {_LAST_YEAR}.", "Leave it out: no end at all.")
    ends = (at - EPOCH) // timedelta(microseconds=1)
    if ends <= now:
        raise Problem(422, "invalid", "expires_at has already passed.", "Give a time to come.")
    return ends


def _check_privileges(rights: Rights | None, asked: list[str] | None) -> None:
    if rights is None:
        raise Problem(401, "not_signed_in", "Your session or token has ended.", "Sign in again.")
    known = sorted({VIEW, *(operation.privilege for operation in Operation.registry.values())})
    for privilege in asked or ():
        if privilege not in known:
            detail = f"There is no privilege {privilege!r}."
            raise Problem(422, "invalid", detail, "Choose of `allowed`.", allowed=known)
        if not rights.allow(privilege):
            detail = f"You do not have the privilege {privilege}, so you cannot give it to a token."
            raise Problem(403, "forbidden", detail, "Ask an administrator for it.")


_UNKEPT = {"Cache-Control": "no-store"}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in to Hostler</title><link rel="stylesheet" href="/static/hostler.css"></head>
<body><main class="narrow"><h1>Hostler</h1><p>This link signs you in, once.</p>
<form method="post" action="/sign-in"><input type="hidden" name="link" value="{link}">
<button>Sign in</button></form></main></body></html>
"""

_REFUSED = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Hostler</title>
<link rel="stylesheet" href="/static/hostler.css"></head>
<body><main class="narrow"><h1>Not signed in</h1><p>{_BAD_LINK}</p><p>{_REMEDY}</p></main></body></html>
"""
