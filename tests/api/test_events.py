"""Live events over a real server: in order, each once, resumed, filtered, and ended with the service."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete

from hostler.api import feed as feed_module
from hostler.api.feed import Gap
from hostler.service.web import WebServer
from hostler.store.queries.events import notify
from hostler.store.tables import event


@pytest.fixture
async def served(site: Any) -> AsyncIterator[tuple[str, WebServer]]:
    listener = socket.create_server(("127.0.0.1", 0))
    site.app.router.lifespan_context = _nothing  # the fixture `site` has begun it
    server = WebServer(site.app, "127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
    server.should_exit = True
    await serving
    listener.close()


def _nothing(_app: Any) -> Any:
    class Nothing:
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *_: Any) -> None: ...

    return Nothing()


class Stream:
    """A follower: its messages as (id, kind, data)."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""

    async def next(self) -> tuple[str, dict[str, Any]]:
        kind, data = "", ""
        async with asyncio.timeout(20):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data = value
                elif line == "" and kind:
                    return kind, json.loads(data)
        raise EOFError


async def tell(site: Any, *numbers: int, kind: str = "job", object_id: str = "one") -> None:
    def unit(connection: Any) -> None:
        for n in numbers:
            notify(connection, 0, kind, object_id, {"n": n})

    await site.database.write(unit)


def follow(base: str, site: Any, **params: Any) -> tuple[httpx2.AsyncClient, Any]:
    client = httpx2.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {site.token}"}, timeout=30)
    return client, client.stream("GET", "/api/v1/events", params=params)


async def test_events_come_live_and_resume_where_they_broke_off(site: Any, served: Any) -> None:
    base, _ = served
    client, opened = follow(base, site)
    async with client:
        async with opened as response:
            stream = Stream(response)
            assert (await stream.next())[0] == "ready"
            await tell(site, 1, 2)
            assert [(await stream.next())[1]["body"]["n"] for _ in range(2)] == [1, 2]
        await tell(site, 3)
        headers = {"Last-Event-ID": stream.last_id}
        async with client.stream("GET", "/api/v1/events", headers=headers) as response:
            stream = Stream(response)
            assert (await stream.next())[0] == "ready"
            await tell(site, 4)
            assert [(await stream.next())[1]["body"]["n"] for _ in range(2)] == [3, 4]


async def test_none_is_lost_or_repeated_under_load(site: Any, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "BATCH", 7)
    base, _ = served
    total, chance = 300, random.Random(7)

    async def follower(breaks: int) -> list[int]:
        seen: list[int] = []
        headers = {"Last-Event-ID": "0"}
        while len(seen) < total:
            until = total if breaks == 0 else min(total, len(seen) + chance.randint(1, 80))
            client, _ = follow(base, site)
            async with client, client.stream("GET", "/api/v1/events", headers=headers) as response:
                stream = Stream(response)
                assert (await stream.next())[0] == "ready"
                while len(seen) < until:
                    seen.append((await stream.next())[1]["body"]["n"])
                headers["Last-Event-ID"] = stream.last_id
            breaks -= 1
        return seen

    async def writer() -> None:
        n = 0
        while n < total:
            size = min(chance.randint(1, 9), total - n)
            await tell(site, *range(n, n + size))
            n += size

    await site.database.write(lambda c: c.execute(delete(event)))
    *seen, _ = await asyncio.gather(follower(0), follower(6), follower(6), writer())
    assert all(one == list(range(total)) for one in seen)


async def test_a_read_that_fails_ends_no_stream(site: Any, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "RETRY_SECONDS", 0.01)
    read, failures = feed_module._read, [OSError("disk"), OSError("disk")]

    def failing(connection: Any, after: int, upto: int | None) -> Any:
        if failures:
            raise failures.pop()
        return read(connection, after, upto)

    client, opened = follow(served[0], site)
    async with client, opened as response:
        stream = Stream(response)
        await stream.next()
        monkeypatch.setattr(feed_module, "_read", failing)
        await tell(site, 1)
        assert (await stream.next())[1]["body"] == {"n": 1}
    assert failures == []


async def test_a_filter_leaves_only_what_it_names(site: Any, served: Any) -> None:
    client, opened = follow(served[0], site, kind="vm", object_id="two")
    async with client, opened as response:
        stream = Stream(response)
        await stream.next()
        await tell(site, 1, kind="job", object_id="two")
        await tell(site, 2, kind="vm", object_id="one")
        await tell(site, 3, kind="vm", object_id="two")
        assert await stream.next() == ("vm", {"object_id": "two", "body": {"n": 3}})


async def test_what_was_pruned_is_told(site: Any, served: Any) -> None:
    await tell(site, *range(10))
    await site.database.write(lambda c: c.execute(delete(event).where(event.c.seq <= 5)))
    for after in (2, 10_000):
        client, opened = follow(served[0], site, after=after)
        async with client, opened as response:
            stream = Stream(response)
            assert [(await stream.next())[0] for _ in range(2)] == ["ready", "reset"]
            newest = await site.app.state.feed.newest()
            assert stream.last_id == str(newest)


async def test_it_ends_when_the_service_stops(site: Any, served: Any) -> None:
    base, server = served
    client, opened = follow(base, site)
    async with client, opened as response:
        stream = Stream(response)
        await stream.next()
        server.should_exit = True
        with pytest.raises(EOFError):
            await stream.next()


async def test_it_ends_with_the_token(site: Any, served: Any) -> None:
    client, opened = follow(served[0], site)
    async with client, opened as response:
        stream = Stream(response)
        await stream.next()
        me = (await client.get("/api/v1/tokens")).json()["items"][0]["id"]
        await client.post(f"/api/v1/tokens/{me}/revoke")
        await tell(site, 1)
        with pytest.raises(EOFError):
            await stream.next()


async def test_a_feed_holds_no_more_than_it_may(site: Any) -> None:
    feed = site.app.state.feed
    await tell(site, *range(feed_module.KEPT + 600))
    seen = 0
    async for news in feed.follow(0, 5.0):
        assert not isinstance(news, Gap)
        assert len(news) <= feed_module.BATCH
        seen += len(news)
        if seen >= feed_module.KEPT + 600:
            break
    assert len(feed._recent) == feed_module.KEPT


@pytest.mark.parametrize("after", ["-1", "x", "9" * 30])
async def test_a_bad_place_is_refused(client: httpx2.AsyncClient, after: str) -> None:
    assert (await client.get("/api/v1/events", params={"after": after})).status_code == 422


async def test_who_may_not_view_hears_of_their_own_jobs_alone(
    site: Any, served: Any, client: httpx2.AsyncClient
) -> None:
    base, _ = served
    made = await client.post("/api/v1/tokens", json={"name": "narrow", "privileges": ["Author"]})
    headers = {"Authorization": f"Bearer {made.json()['secret']}"}
    author = httpx2.AsyncClient(base_url=base, headers=headers, timeout=30)
    async with author, author.stream("GET", "/api/v1/events") as response:
        stream = Stream(response)
        assert (await stream.next())[0] == "ready"
        await tell(site, 1, kind="vm")
        await tell(site, 2, kind="job", object_id="somebody-elses")
        own = (await author.post("/api/v1/hardware-profiles", json={"name": "small"})).json()["id"]
        kind, data = await stream.next()
    assert (kind, data["object_id"]) == ("job", own)
