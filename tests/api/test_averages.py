"""Averages of hosts and VMs: one span at a time, oldest first, of what exists."""

import uuid
from typing import Any

import httpx2
from sqlalchemy import insert

from hostler.store.tables import load_average


async def test_each_span_is_read_by_itself_oldest_first(site: Any, client: httpx2.AsyncClient, add_vms: Any) -> None:
    (vm_id,) = await add_vms({"name": "web 1"})
    rows = [
        {"object_id": vm_id, "span_seconds": span, "slot_at": at, "covered_seconds": 60.0, "cpu_percent": cpu}
        for span, at, cpu in ((60, 120_000_000, 2.5), (60, 60_000_000, 1.5), (600, 0, 9.0))
    ]
    await site.database.write(lambda connection: connection.execute(insert(load_average), rows) and None)

    for reference in (vm_id, "web 1"):
        answer = (await client.get(f"/api/v1/vms/{reference}/averages")).json()
        assert answer["span_seconds"] == 60
        assert [(one["at"], one["cpu_percent"]) for one in answer["items"]] == [
            ("1970-01-01T00:01:00Z", 1.5),
            ("1970-01-01T00:02:00Z", 2.5),
        ]
        assert answer["items"][0]["disk_iops"] is None
    coarse = (await client.get(f"/api/v1/vms/{vm_id}/averages?span=ten_minutes")).json()
    assert (coarse["span_seconds"], len(coarse["items"])) == (600, 1)


async def test_what_is_not_there_is_not_found(client: httpx2.AsyncClient) -> None:
    for plural in ("vms", "hosts"):
        answer = await client.get(f"/api/v1/{plural}/{uuid.uuid4()}/averages")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await client.get("/api/v1/vms/x/averages?span=year")).status_code == 422
