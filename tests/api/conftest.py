"""A whole API on a database of its own, with the real engine and operations, asked over ASGI."""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, insert, select
from starlette.routing import BaseRoute

import hostler.operations  # noqa: F401 - registers every operation
from hostler.api.app import build
from hostler.domain.access.rights import Caller, Rights
from hostler.jobs.engine import Engine
from hostler.jobs.states import ENDED
from hostler.jobs.worker import Worker
from hostler.service.connections import Connections
from hostler.store.queries import sign_in
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import metadata, vm

ORIGIN = "http://hostler.test"
NOW = time.time_ns() // 1000


@dataclass
class Site:
    """The app and what it stands on."""

    app: FastAPI
    database: SqliteDatabase
    user_id: str
    token: str

    def client(self, **headers: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)

    def addresses(self) -> list[tuple[str, str]]:
        """Each method of each route that the app has, read from the app itself."""
        found: list[tuple[str, str]] = []

        def walk(routes: Sequence[BaseRoute], prefix: str) -> None:
            for route in routes:
                inner = getattr(route, "routes", None) or getattr(
                    getattr(route, "original_router", None), "routes", None
                )
                if inner:
                    walk(inner, prefix)
                    continue
                path = getattr(route, "path", None)
                assert path is not None, f"a route of an unknown kind: {route!r}"
                found.extend((method, prefix + path) for method in getattr(route, "methods", None) or ("GET",))

        walk(self.app.router.routes, "")
        return found

    async def link(self) -> str:
        return await self.database.write(lambda c: sign_in.new_link(c, self.user_id, time.time_ns() // 1000))

    async def rows(self) -> int:
        """How many rows stand in all tables together."""

        def count(connection: Any) -> int:
            tables = metadata.tables.values()
            return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)

        return await self.database.read(count)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    database = SqliteDatabase(tmp_path / "hostler.sqlite")
    metadata.create_all(database.engine)
    connections = Connections(database, tmp_path)
    worker = Worker(database, connections)
    engine = Engine(database, worker)

    def first_start(connection: Any) -> tuple[str, str]:
        user_id = sign_in.ensure_administrator(connection, NOW)
        known = Caller(user_id=user_id, user_name="administrator", rights=Rights(privileges=None))
        made = sign_in.new_token(connection, known, NOW, name="tests", privileges=None, expires_at=None)
        return user_id, made[1]

    user_id, token = await database.write(first_start)
    scripts = {"python": lambda call: f"# {call.operation}\n"}
    app = build(engine, database, scripts=scripts)
    await worker.start(alone=True)
    async with app.router.lifespan_context(app):
        yield Site(app, database, user_id, token)
    await worker.stop(grace_seconds=0)
    await connections.close()
    database.close()


@pytest.fixture
async def anonymous(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with site.client() as client:
        yield client


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    """Signed in as the administrator, by token."""
    async with site.client(Authorization=f"Bearer {site.token}") as client:
        yield client


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    """Signed in by the one-time link, with cookies."""
    async with site.client(Origin=ORIGIN) as client:
        answer = await client.post("/sign-in", data={"link": await site.link()})
        assert answer.status_code == 303, answer.text
        yield client


@pytest.fixture
def ended(site: Site, client: httpx2.AsyncClient) -> Callable[[str], Any]:
    """The job as shown once it has ended."""

    async def wait(job_id: str) -> dict[str, Any]:
        seen = await site.app.state.feed.newest()
        while True:
            job: dict[str, Any] = (await client.get(f"/api/v1/jobs/{job_id}")).json()
            if job["state"] in ENDED:
                return job
            async for news in site.app.state.feed.follow(seen, 5.0):
                assert news, "nothing happened to the job"
                seen = news[-1].seq
                break

    return wait


@pytest.fixture
def add_vms(site: Site) -> Callable[..., Any]:
    """Put rows of VMs into the store."""

    async def add(*rows: dict[str, Any]) -> list[str]:
        whole = [
            {"id": str(uuid.uuid4()), "state": "running", "cpu_count": 1, "memory_mib": 1024, "created_at": NOW} | row
            for row in rows
        ]
        await site.database.write(lambda c: c.execute(insert(vm), _alike(whole)))
        return [str(row["id"]) for row in whole]

    return add


def _alike(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = {key for row in rows for key in row}
    return [{key: row.get(key) for key in keys} for row in rows]
