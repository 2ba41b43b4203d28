"""`GET /api/v1/events`: the feed as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, select

from hostler.api.feed import Event, Feed, Gap
from hostler.api.guard import Doorkeeper, caller_of, secret_of_request
from hostler.api.problems import Problem
from hostler.store.database import Database
from hostler.store.queries.scope import Scope, scope_of
from hostler.store.tables import job

HEARTBEAT_SECONDS = 15.0
RETRY_MS = 1000


def mount(router: APIRouter, feed: Feed, database: Database, doorkeeper: Doorkeeper, session_cookie: str) -> None:
    """Add the stream. It ends when the service stops, or when the caller's session or token ends or changes."""

    @router.get(
        "/events",
        operation_id="events",
        tags=["events"],
        summary="Live events, in order, each once",
        description=(
            "Server-sent events: `event` is the kind, `id` the sequence number, `data` JSON with object_id and "
            "body. The first is `ready` (its id is where the stream begins) or `reset`: events are missing, so read "
            "anew what you follow. Resume with Last-Event-ID or `after`. Who lacks the privilege View sees the "
            "events of their own jobs."
        ),
        responses={
            200: {"description": "The stream", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
        },
    )
    async def events(
        request: Request,
        after: Annotated[str | None, Query(description="Begin after this sequence number; without it: now")] = None,
        kind: Annotated[str | None, Query(description="Only events of this kind, as `job`")] = None,
        object_id: Annotated[str | None, Query(description="Only events of this object")] = None,
        last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    ) -> Response:
        begin = _number(last_event_id if last_event_id is not None else after)
        if begin is None:
            begin = await feed.newest()
        secret = secret_of_request(request, session_cookie)
        begun_as = caller_of(request)
        visible = Visible(database, scope_of(begun_as))

        async def still_known() -> bool:
            known = await doorkeeper.known(secret)
            return known is not None and known.caller.rights == begun_as.rights

        async def stream() -> AsyncIterator[bytes]:
            yield f"retry: {RETRY_MS}\n\n".encode() + _message("ready", begin, "{}")
            async for news in feed.follow(begin, HEARTBEAT_SECONDS):
                if isinstance(news, Gap):
                    yield _message("reset", news.seq, "{}")
                    continue
                if not await still_known():
                    return
                wanted = [one for one in news if _matches(one, kind, object_id)]
                yield _told(await visible.of(wanted), news[-1].seq if news else None)

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


class Visible:
    """Which events a follower may see: all, or those of the jobs that are theirs."""

    def __init__(self, database: Database, scope: Scope) -> None:
        self._database = database
        self._scope = scope

    async def of(self, events: list[Event]) -> list[Event]:
        if not self._scope.is_narrow or not events:
            return events
        of_jobs = [one for one in events if one.kind == "job"]
        own = await self._database.read(lambda connection: self._own(connection, {one.object_id for one in of_jobs}))
        return [one for one in of_jobs if one.object_id in own]

    def _own(self, connection: Connection, job_ids: set[str]) -> set[str]:
        wanted = select(job.c.id).where(job.c.id.in_(job_ids), self._scope.condition(job.c.user_id))
        return set(connection.execute(wanted, self._scope.values).scalars())


def _told(events: list[Event], read_to: int | None) -> bytes:
    """The events; or, if the filter left none, a comment that keeps the line and moves the follower's place on."""
    if not events:
        return b":\n\n" if read_to is None else f"id: {read_to}\n:\n\n".encode()
    return b"".join(
        _message(one.kind, one.seq, f'{{"object_id":"{one.object_id}","body":{one.body}}}') for one in events
    )


def _message(kind: str, seq: int, data: str) -> bytes:
    return f"id: {seq}\nevent: {kind}\ndata: {data}\n\n".encode()


def _matches(one: Event, kind: str | None, object_id: str | None) -> bool:
    return (kind is None or one.kind == kind) and (object_id is None or one.object_id == object_id)


def _number(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise Problem(422, "invalid", f"{text!r} is not the id of an event.", "Give the id of the last event seen.")
    return int(text)
