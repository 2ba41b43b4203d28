"""Reads need the privilege View; without it one reads one's own jobs and tokens, and nothing of anybody else."""

import uuid
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert
from tests.api.conftest import NOW

from hostler.api.guard import ONES_OWN, OPEN, READING_POSTS
from hostler.store.tables import job

OWN = {"/api/v1/tokens", "/api/v1/events", "/api/v1/jobs", "/api/v1/jobs/{id}", "/api/v1/jobs/{id}/script"}


async def token(client: httpx2.AsyncClient, *privileges: str) -> dict[str, str]:
    made = await client.post("/api/v1/tokens", json={"name": "narrow", "privileges": list(privileges)})
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['secret']}"}


def reads(site: Any) -> list[tuple[str, str]]:
    """Every route that reads, as (method, path)."""
    found = {(method, path) for method, path in site.addresses() if method == "GET" or path in READING_POSTS}
    return sorted(found - OPEN)


async def test_every_read_is_closed_to_who_may_not_view(site: Any, client: httpx2.AsyncClient) -> None:
    narrow, viewing = await token(client, "Start"), await token(client, "View")
    seen = reads(site)
    assert len(seen) > 20
    assert {path for _, path in seen if ONES_OWN.fullmatch(path)} == OWN
    async with site.client() as anonymous:
        for method, path in seen:
            if path == "/api/v1/events":
                continue  # endless: below
            address = path.replace("{id}", str(uuid.uuid4()))
            body: dict[str, str] | None = {} if method == "POST" else None
            status = {
                who: (await anonymous.request(method, address, headers=headers, json=body)).status_code
                for who, headers in (("nobody", {}), ("narrow", narrow), ("viewing", viewing))
            }
            assert status["nobody"] == 401, path
            assert status["viewing"] in (200, 404), (path, status)
            assert (status["narrow"] == 403) is (path not in OWN), (path, status)


async def test_who_may_only_view_changes_nothing(site: Any, client: httpx2.AsyncClient) -> None:
    async with site.client(**await token(client, "View")) as viewer:
        answer = await viewer.post("/api/v1/hardware-profiles", json={"name": "small"})
    assert answer.status_code == 403


@pytest.fixture
async def theirs(site: Any) -> str:
    """A job of another user."""
    identity = str(uuid.uuid4())
    values = {
        "id": identity, "root_id": identity, "operation": "hardware-profile.create", "version": 1, "title": "Theirs",
        "state": "completed", "subject_kind": "hardware-profile", "subject_id": str(uuid.uuid4()), "subject_name": "s",
        "user_id": str(uuid.uuid4()), "user": "eve", "source": "", "call": {}, "plan": {}, "request_hash": "",
        "changes": [], "created_at": NOW,
    }  # fmt: skip
    await site.database.write(lambda connection: connection.execute(insert(job).values(**values)) and None)
    return identity


async def test_ones_own_jobs_are_read_and_followed_without_view(
    site: Any, client: httpx2.AsyncClient, theirs: str
) -> None:
    async with site.client(**await token(client, "Author")) as author:
        made = await author.post("/api/v1/hardware-profiles", json={"name": "small"})
        own = made.json()["id"]
        assert made.status_code == 202
        assert [one["id"] for one in (await author.get("/api/v1/jobs?total=true")).json()["items"]] == [own]
        assert (await author.get("/api/v1/jobs?total=true")).json()["total"] == 1
        assert (await author.get(f"/api/v1/jobs/{own}/script")).status_code == 200
        for path in (f"/api/v1/jobs/{theirs}", f"/api/v1/jobs/{theirs}/script"):
            assert (await author.get(path)).status_code == 404
    everything = (await client.get("/api/v1/jobs")).json()["items"]
    assert {theirs, own} <= {one["id"] for one in everything}
