"""Jobs over HTTP: what is shown of them, the decisions on them, their scripts, the audit trail."""

import uuid
from typing import Any

import httpx2
import pytest

from hostler.jobs.operation import Operation

PROFILES = "/api/v1/hardware-profiles"


@pytest.fixture
async def done(client: httpx2.AsyncClient, ended: Any) -> dict[str, Any]:
    answer = await client.post(PROFILES, json={"name": "small"}, params={"reason": "because"})
    job: dict[str, Any] = await ended(answer.json()["id"])
    return job


async def test_a_list_of_jobs_is_newest_first(client: httpx2.AsyncClient, ended: Any) -> None:
    for name in ("a", "b", "c"):
        await ended((await client.post(PROFILES, json={"name": name})).json()["id"])
    items = (await client.get("/api/v1/jobs")).json()["items"]
    assert [item["subject_name"] for item in items] == ["c", "b", "a"]
    assert "steps" not in items[0]
    chosen = (await client.get("/api/v1/jobs", params={"columns": "id,steps", "limit": "1"})).json()["items"]
    assert [step["state"] for step in chosen[0]["steps"]] == ["done"]


async def test_times_are_utc(done: dict[str, Any]) -> None:
    assert done["created_at"].endswith("Z")
    assert done["created_at"] <= done["started_at"] <= done["ended_at"]


@pytest.mark.parametrize("verb", ["cancel", "restart", "undo", "dismiss"])
async def test_a_completed_job_takes_no_decision(client: httpx2.AsyncClient, done: dict[str, Any], verb: str) -> None:
    answer = await client.post(f"/api/v1/jobs/{done['id']}/{verb}")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert done["id"] in answer.json()["detail"]
    assert (await client.post(f"/api/v1/jobs/{uuid.uuid4()}/{verb}")).status_code == 404


async def test_a_job_that_failed_names_itself_in_the_way_and_is_decided(
    site: Any, client: httpx2.AsyncClient, ended: Any, monkeypatch: pytest.MonkeyPatch, done: dict[str, Any]
) -> None:
    delete = Operation.registry["hardware-profile.delete"]
    monkeypatch.setattr(type(delete), "completed", _fail)
    address = f"{PROFILES}/{done['subject_id']}/delete"
    failed = await ended((await client.post(address)).json()["id"])
    assert failed["state"] == "failed", failed
    assert "it broke" in failed["error"]["message"]
    refused = await client.post(address)
    assert (refused.status_code, refused.json()["job"]) == (409, failed["id"])
    assert failed["id"] in refused.json()["remedy"]
    monkeypatch.undo()
    again = await client.post(f"/api/v1/jobs/{failed['id']}/restart", params={"reason": "mended"})
    assert again.status_code == 200
    assert (await ended(failed["id"]))["state"] == "completed"
    trail = (await client.get("/api/v1/audit", params={"filter": "action:eq:job.restart"})).json()["items"]
    assert [(record["outcome"], record["reason"], record["job_id"]) for record in trail] == [
        ("accepted", "mended", failed["id"])
    ]


def _fail(*_: Any) -> None:
    raise RuntimeError("it broke")


async def test_the_script_of_a_job(client: httpx2.AsyncClient, done: dict[str, Any]) -> None:
    answer = await client.get(f"/api/v1/jobs/{done['id']}/script")
    assert (answer.status_code, answer.text) == (200, "# hardware-profile.create\n")
    assert answer.headers["content-type"].startswith("text/plain")
    other = await client.get(f"/api/v1/jobs/{done['id']}/script", params={"as": "cobol"})
    assert (other.status_code, other.json()["allowed"]) == (422, ["python"])
    assert (await client.get(f"/api/v1/jobs/{uuid.uuid4()}/script")).status_code == 404


async def test_the_audit_trail_has_who_what_and_why(client: httpx2.AsyncClient, done: dict[str, Any]) -> None:
    refused = await client.post(PROFILES, json={"name": "small"})
    assert refused.status_code in (409, 422)
    first, second = (await client.get("/api/v1/audit")).json()["items"][:2]
    assert (first["outcome"], first["user"]) == ("refused", "administrator")
    assert first["detail"]["message"] == refused.json()["detail"]
    assert (second["outcome"], second["reason"], second["job_id"]) == ("accepted", "because", done["id"])
