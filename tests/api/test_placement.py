"""Placement over HTTP: the ranking, its refusals, and a fleet file that rates the same offline."""

import uuid
from typing import Any

import httpx2
import msgspec
import pytest
from sqlalchemy import insert

from hostler.domain.fabric.facts import Acceleration, HostFacts, HostState, Volume
from hostler.domain.placement.fleet import decode
from hostler.domain.placement.model import Ranking
from hostler.domain.placement.rank import rank
from hostler.store.tables import host

GIB = 1 << 30


@pytest.fixture
async def hosts(site: Any, add_vms: Any) -> list[str]:
    """A small host and a large one; the large one has a VM."""
    ids = [str(uuid.uuid4()), str(uuid.uuid4())]

    def unit(connection: Any) -> None:
        for n, identity in enumerate(ids):
            facts = HostFacts(
                host_name=f"kvm-{n}",
                hypervisor="kvm",
                hypervisor_version="9",
                provider_version="9",
                cpu_model="x",
                cpu_count=4 + 28 * n,
                cpu_mhz=2000,
                memory_mib=4096 * (1 + 15 * n),
                acceleration=Acceleration.KVM,
                acceleration_note="",
                volumes=(Volume(path="/vms", capacity_bytes=900 * GIB, free_bytes=800 * GIB),),
                networks=("default",),
            )
            values = {"id": identity, "name": f"kvm-{n}", "provider": "kvm", "address": "x", "vm_path": "/vms"}
            connection.execute(
                insert(host).values(
                    **values, state=HostState.RESPONDING, state_at=1, facts=facts, facts_at=1, created_at=1
                )
            )

    await site.database.write(unit)
    await add_vms({"name": "web", "host_id": ids[1], "memory_mib": 2048}, {"name": "nowhere"})
    return ids


async def test_every_host_is_rated_with_reasons(client: httpx2.AsyncClient, hosts: list[str]) -> None:
    answer = await client.post("/api/v1/placement/rate", json={"vcpus": 2, "memory_mib": 16384})
    assert answer.status_code == 200, answer.text
    ranking = msgspec.convert(answer.json(), Ranking)
    assert [rating.host_id for rating in ranking.ratings] == [hosts[1], hosts[0]]
    assert ranking.ratings[0].stars > 0
    assert ranking.ratings[1].stars == 0
    assert all(reason.what_would_help for reason in ranking.ratings[1].zero_reasons)


async def test_an_exported_fleet_rates_the_same_offline(client: httpx2.AsyncClient, hosts: list[str]) -> None:
    asked = {"vcpus": 1, "memory_mib": 512, "weights": {"cpu": 1, "memory": 9}, "goal": "resource_maximization"}
    online = msgspec.convert((await client.post("/api/v1/placement/rate", json=asked)).json(), Ranking)
    file = (await client.get("/api/v1/fleet/export")).content
    fleet = decode(file)
    assert [vm.name for vm in fleet.vms] == ["web"]
    offline = rank(fleet.snapshot(), online.request, weights=online.weights, goal=online.goal)
    assert [(one.host_id, one.stars) for one in offline.ratings] == [(one.host_id, one.stars) for one in online.ratings]
    assert len(hosts) == len(offline.ratings)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"template": "nothing"}, 404),
        ({"vcpus": 0}, 422),
        ({"weights": {"cpu": 0, "memory": 0, "disk": 0, "network": 0}}, 422),
        ({"weights": {"luck": 1}}, 422),
        ({"goal": "beauty"}, 422),
    ],
)
async def test_bad_questions_are_refused(client: httpx2.AsyncClient, body: dict[str, Any], status: int) -> None:
    answer = await client.post("/api/v1/placement/rate", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
