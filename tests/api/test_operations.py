"""Operations over HTTP: accepted as jobs, tried dry, refused with reasons, repeated without effect."""

import uuid
from typing import Any

import httpx2
import pytest

from hostler.jobs.operation import Operation
from hostler.store.queries.nouns import NOUNS

PROFILES = "/api/v1/hardware-profiles"


async def make(client: httpx2.AsyncClient, ended: Any, name: str = "small") -> str:
    answer = await client.post(PROFILES, json={"name": name})
    assert answer.status_code == 202, answer.text
    job = await ended(answer.json()["id"])
    assert job["state"] == "completed", job
    return str(job["subject_id"])


async def test_every_operation_has_its_route(site: Any) -> None:
    routes = {path for path, methods in site.app.openapi()["paths"].items() if "post" in methods}
    for operation in Operation.registry.values():
        plural = NOUNS[operation.noun].plural
        tail = "" if operation.makes_new else f"/{{id}}/{operation.verb}"
        assert f"/api/v1/{plural}{tail}" in routes


async def test_a_call_becomes_a_job(client: httpx2.AsyncClient, ended: Any) -> None:
    key = str(uuid.uuid4())
    answer = await client.post(
        PROFILES, params={"reason": "tests"}, json={"name": "small"}, headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/jobs/{key}"
    assert answer.json()["id"] == key
    job = await ended(key)
    assert job["state"] == "completed"
    assert job["reason"] == "tests"
    assert job["user"] == "administrator"
    assert job["call"] == {
        "noun": "hardware-profile",
        "verb": "create",
        "subject": None,
        "arguments": {"name": "small"},
    }
    assert [step["state"] for step in job["steps"]] == ["done"] * len(job["steps"])
    shown = (await client.get(f"{PROFILES}/small")).json()
    assert shown["id"] == job["subject_id"]


async def test_the_same_key_is_the_same_job(client: httpx2.AsyncClient, ended: Any) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = await client.post(PROFILES, json={"name": "small"}, headers=headers)
    again = await client.post(PROFILES, json={"name": "small"}, headers=headers)
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"]
    other = await client.post(PROFILES, json={"name": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert len((await client.get("/api/v1/jobs")).json()["items"]) == 1
    await ended(headers["Idempotency-Key"])


async def test_a_bad_key_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PROFILES, json={"name": "small"}, headers={"Idempotency-Key": "7"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_key")


async def test_a_dry_run_changes_nothing(site: Any, client: httpx2.AsyncClient) -> None:
    before = await site.rows()
    answer = await client.post(PROFILES, params={"dry_run": "true"}, json={"name": "small"})
    assert answer.status_code == 200
    dry = answer.json()
    assert dry["steps"]
    assert dry["locks"]["exclusive"]
    assert dry["plan"]
    assert dry["scripts"] == {"python": "# hardware-profile.create\n"}
    assert await site.rows() == before


async def test_the_name_beside_an_id_is_a_check(client: httpx2.AsyncClient, ended: Any) -> None:
    made = await make(client, ended)
    for address in (f"{PROFILES}/{made}/delete", f"{PROFILES}/small/delete", f"{PROFILES}/{made}:small/delete"):
        wrong = await client.post(address, params={"expect_name": "large"})
        assert (wrong.status_code, wrong.json()["code"]) == (404, "not_found"), wrong.text
        right = await client.post(address, params={"expect_name": "small", "dry_run": "true"})
        assert right.status_code == 200, right.text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"name": "x", "sizes": 1}', "sizes"),
        (b"{}", "name"),
        (b"[1]", ""),
        (b"{", ""),
        (b'{"name": "\\u0000"}', ""),
        (b'{"name": "\\ud800"}', ""),
        (b'{"\\ud800": 1, "name": "x"}', ""),
        (b'{"name": "x", "cpu_count": 1e999}', ""),
        (b'{"name": "x", "cpu_count": NaN}', ""),
        (b'{"name": "x", "cpu_count": 123456789012345678901234567890}', ""),
        (b"[" * 100_000, ""),
        (b"\xff", ""),
    ],
)
async def test_bad_bodies_are_problems(client: httpx2.AsyncClient, body: bytes, told: str) -> None:
    answer = await client.post(PROFILES, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert told in problem["detail"]
    assert problem["next"] == "fix_request"


async def test_a_name_of_two_is_refused_with_their_ids(client: httpx2.AsyncClient, add_vms: Any) -> None:
    ids = await add_vms({"name": "twin"}, {"name": "twin"})
    answer = await client.post("/api/v1/vms/twin/start")
    assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous"), answer.text
    assert sorted(answer.json()["ids"]) == sorted(ids)


async def test_no_traceback_leaks(client: httpx2.AsyncClient, site: Any, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the secret of the house")

    site.database.read = fail
    answer = await client.get("/api/v1/vms")
    assert (answer.status_code, answer.json()["next"]) == (500, "report_bug")
    assert "secret" not in answer.text
    assert "the secret of the house" in caplog.text


async def test_a_body_of_more_than_a_mebibyte(client: httpx2.AsyncClient) -> None:
    async def endless() -> Any:
        for _ in range(20):
            yield b" " * 100_000

    for content in (b" " * 1_100_000, endless()):
        answer = await client.post(PROFILES, content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_unknown_addresses_and_methods(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/v1/nothing")).json()["code"] == "no_such_address"
    answer = await client.delete("/api/v1/vms")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
