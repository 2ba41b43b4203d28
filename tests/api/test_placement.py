"""Placement over HTTP: the ranking, its refusals, and a fleet file that rates the same offline."""

import uuid
from typing import Any

import httpx2
import msgspec
import pytest
from sqlalchemy import insert
from tests.every.stage import HOST, VM_PATH, new_host

from hostler.domain.fabric.facts import Acceleration, HostFacts, HostState, Volume
from hostler.domain.machines.spec import VmSpec
from hostler.domain.machines.states import VmState
from hostler.domain.placement.fleet import decode
from hostler.domain.placement.model import Ranking
from hostler.domain.placement.rank import rank
from hostler.providers.simulated.connect import SideDoor, SimulatedProcess
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


async def test_a_strength_changes_what_a_criterion_counts(client: httpx2.AsyncClient, hosts: list[str]) -> None:
    wanted = {"vcpus": 8}
    usual = (await client.post("/api/v1/placement/rate", json=wanted)).json()["ratings"]
    assert [rating["stars"] > 0 for rating in usual] == [True, False]
    eased = await client.post("/api/v1/placement/rate", json=wanted | {"strengths": {"processors": "should_meet"}})
    assert all(rating["stars"] > 0 for rating in eased.json()["ratings"])
    for bad in ({"memory": "off"}, {"nothing": "off"}):
        refused = await client.post("/api/v1/placement/rate", json={"strengths": bad})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


async def test_a_host_that_is_rated_alone_and_does_not_answer_is_rated_by_its_last_facts(
    client: httpx2.AsyncClient, hosts: list[str]
) -> None:
    answer = (await client.post("/api/v1/placement/rate", json={"host": hosts[1]})).json()
    assert [rating["host_id"] for rating in answer["ratings"]] == [hosts[1]]
    assert answer["live"]["host_id"] == hosts[1]
    assert answer["live"]["read_at"] is None
    assert answer["live"]["problem"]
    unknown = await client.post("/api/v1/placement/rate", json={"host": "nobody"})
    assert unknown.status_code == 404


async def test_a_host_that_is_rated_alone_is_read_now(
    client: httpx2.AsyncClient, ended: Any, simulated_process: SimulatedProcess
) -> None:
    door = SideDoor(simulated_process.socket_path)
    try:
        new_host(door)
        added = {"name": HOST, "provider": "simulated", "address": f"{simulated_process.socket_path}#{HOST}"}
        job = await client.post("/api/v1/hosts", json=added | {"vm_path": VM_PATH})
        assert (await ended(job.json()["id"]))["state"] == "completed"
        spec = VmSpec(vm_id=str(uuid.uuid4()), name="stranger", cpu_count=2, memory_mib=1024)
        door.vm_appears(HOST, spec, VmState.RUNNING)
        answer = (await client.post("/api/v1/placement/rate", json={"host": HOST})).json()
    finally:
        door.close()
    assert answer["live"]["read_at"]
    assert answer["live"]["problem"] is None
    assert answer["ratings"][0]["stars"] > 0
    seen = (await client.get("/api/v1/vms")).json()["items"]
    assert [vm["name"] for vm in seen] == ["stranger"]
