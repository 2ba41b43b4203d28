"""The guard at the door: who asks, may they come in, and is the request of a size and an origin to be served."""

import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

import msgspec
from fastapi import Request, Response
from sqlalchemy import Connection
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hostler.api.problems import Problem, of_bug, problem_response
from hostler.domain.access.rights import VIEW, Caller
from hostler.store.database import Database
from hostler.store.queries import sign_in
from hostler.store.queries.sign_in import Known

MOST_BYTES = 1 << 20
TOO_LARGE = f"The body is larger than {MOST_BYTES} bytes; send less in one request."
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN = frozenset(
    {
        ("GET", "/healthz"),
        ("GET", "/sign-in"),
        ("POST", "/sign-in"),
        ("POST", "/api/v1/sign-in"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/static/hostler.css"),
        ("GET", "/static/hostler.js"),
    }
)
"""What answers without a sign-in. Nothing else does."""
ONES_OWN = re.compile(r"/api/v1/(tokens|events|jobs(/[^/]+(/script)?)?)")
"""Reads that answer who lacks the privilege to view too: with what is their own, and nothing else."""
READING_POSTS = frozenset({"/api/v1/placement/rate"})

_CONTENT_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", _CONTENT_POLICY),
)
_CACHED = 4096
_STALE_AFTER = 2.0
"""Seconds after which a remembered caller is looked up again, for what other replicas changed."""

_WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{20,120}")


class Doorkeeper:
    """Knows callers by their secrets. What it remembers is forgotten with any commit, so rights are those of now."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._generation = 0
        self._remembered: OrderedDict[str, tuple[int, float, Known]] = OrderedDict()
        self.forget_news = database.on_commit(self.forget)

    def forget(self) -> None:
        """Something was committed, or is known to change who may come in."""
        self._generation += 1

    async def known(self, secret: str) -> Known | None:
        """Who holds this secret of a session or token."""
        if not _WELL_FORMED.fullmatch(secret):
            return None
        generation, now = self._generation, self._clock()
        if (kept := self._remembered.get(secret)) is not None:
            of_generation, looked_up, known = kept
            fresh = of_generation == generation and time.monotonic() - looked_up < _STALE_AFTER
            if fresh and (known.expires_at is None or known.expires_at > now):
                return known
            del self._remembered[secret]

        def look_up(connection: Connection) -> Known | None:
            by = sign_in.known_by_token if secret.startswith(sign_in.TOKEN_PREFIX) else sign_in.known_by_session
            return by(connection, secret, now)

        found = await self._database.read(look_up)
        if found is not None:
            self._remembered[secret] = (generation, time.monotonic(), found)
            if len(self._remembered) > _CACHED:
                self._remembered.popitem(last=False)
        return found


class Guard:
    """ASGI middleware around the whole app. Behind it `caller_of(request)` is who asks."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper, cookie: str) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started = False

        async def told(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        try:
            await self._admit(scope)
            await self._app(scope, _limited(scope, receive), told)
        except Problem as problem:
            if started:
                raise
            await _refusal(scope, problem)(scope, receive, told)
        except Exception as bug:  # noqa: BLE001 - the last door: a bug is logged and told without its trace
            ours = of_bug(f"{scope['method']} {scope['path']}", bug)
            if not started:
                await problem_response(ours)(scope, receive, told)

    async def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > MOST_BYTES:
            raise Problem(413, "too_large", TOO_LARGE)
        if (_method(scope), scope["path"]) in OPEN:
            if scope["method"] not in SAFE:
                _check_origin(headers, required=False)
            return
        known = await self._known(scope["method"], headers)
        if _reads(scope) and not (known.caller.rights.allow(VIEW) or ONES_OWN.fullmatch(scope["path"])):
            raise Problem(
                403,
                "forbidden",
                f"{known.caller.user_name} may not read this: it needs the privilege {VIEW}.",
                "An administrator can add it to a role or token of yours. Your own jobs are open to you.",
            )
        source = (scope.get("client") or ("", 0))[0]
        scope.setdefault("state", {})["caller"] = msgspec.structs.replace(known.caller, source=source)

    async def _known(self, method: str, headers: Headers) -> Known:
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, secret = authorization.partition(" ")
            known = await self._doorkeeper.known(secret.strip()) if scheme.lower() == "bearer" else None
            if known is None or known.csrf_hash is not None:
                raise _nobody()
            return known
        known = await self._doorkeeper.known(cookie_of(headers, self._cookie))
        if known is None:
            raise _nobody()
        if method not in SAFE:
            _check_origin(headers, required=True)
            sent = sign_in.hash_of(headers.get("x-csrf-token", ""))
            if known.csrf_hash is None or not hmac.compare_digest(sent, known.csrf_hash):
                raise Problem(
                    403,
                    "csrf",
                    "The request lacks the session's X-CSRF-Token header, so it may come from another site.",
                    "Send the value of the csrf cookie in it, or use an API token.",
                )
        return known


def caller_of(request: Request, reason: str = "") -> Caller:
    """Who asks; the guard has proven it."""
    caller: Caller = request.scope["state"]["caller"]
    return msgspec.structs.replace(caller, reason=reason) if reason else caller


def secret_of_request(request: Request, cookie: str) -> str:
    """The secret by which the guard let this request in."""
    bearer = request.headers.get("authorization", "").partition(" ")[2].strip()
    return bearer or cookie_of(request.headers, cookie)


def cookie_of(headers: Headers, name: str) -> str:
    """A cookie's value, or nothing."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def _method(scope: Scope) -> str:
    return "GET" if scope["method"] == "HEAD" else str(scope["method"])


def _reads(scope: Scope) -> bool:
    return scope["method"] in SAFE or scope["path"] in READING_POSTS


def _nobody() -> Problem:
    return Problem(
        401,
        "not_signed_in",
        "Nobody is signed in with this request, or the session or token has ended.",
        "Sign in with a one-time link (hostler sign-in-link makes one), or send an API token as Authorization: Bearer.",
    )


def _check_origin(headers: Headers, *, required: bool) -> None:
    origin = headers.get("origin")
    if origin is None and not required:
        return
    if origin is None or not _same_place(origin, headers.get("host", "")):
        raise Problem(403, "foreign_origin", "The request does not come from a page of this service.", "")


def _same_place(origin: str, host: str) -> bool:
    try:
        return host != "" and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _refusal(scope: Scope, problem: Problem) -> Response:
    if problem.status != 401:
        return problem_response(problem)
    if scope["path"] == "/" and "text/html" in Headers(scope=scope).get("accept", ""):
        return Response(_SIGNED_OUT, 401, media_type="text/html")
    return problem_response(problem, {"WWW-Authenticate": "Bearer"})


_SIGNED_OUT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Hostler</title><link rel="stylesheet" href="/static/hostler.css">
<main class="narrow"><h1>Hostler</h1><p>You are not signed in. Ask the machine that runs Hostler for a one-time link:
<pre>hostler sign-in-link</pre></main></html>
"""


def _limited(scope: Scope, receive: Receive) -> Receive:
    """Counts what is received, for bodies that do not say their length."""
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > MOST_BYTES:
                raise HTTPException(413, TOO_LARGE)
        return message

    return counting
