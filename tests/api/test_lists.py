"""Lists: filtered, sorted, column-chosen, paged by key; what they do not know they refuse with what they do."""

from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostler.store.queries.catalogue import LISTINGS

VMS = "/api/v1/vms"


async def names(client: httpx2.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get(VMS, params={"columns": "name", **params})
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


@pytest.mark.parametrize("plural", LISTINGS)
async def test_every_list_answers_with_all_its_columns(client: httpx2.AsyncClient, plural: str) -> None:
    listing = LISTINGS[plural]
    answer = await client.get(f"/api/v1/{plural}", params={"columns": ",".join(listing.names), "total": "true"})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"items": [], "next": None, "total": 0}
    for name in listing.searchable:
        for order in (name, f"-{name}"):
            assert (await client.get(f"/api/v1/{plural}", params={"sort": order})).status_code == 200


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("name:eq:web-1", ["web-1"]),
        ("name:ne:web-1", ["Web_2", "db:1", "web%3"]),
        ("name:like:web*", ["Web_2", "web%3", "web-1"]),
        ("name:like:*%*", ["web%3"]),
        ("name:like:web_1", []),
        ("name:eq:db:1", ["db:1"]),
        ("name:in:web-1,db:1", ["db:1", "web-1"]),
        ("memory_mib:ge:2048", ["db:1", "web%3"]),
        ("memory_mib:lt:2048", ["Web_2", "web-1"]),
        ("observed_at:null:true", ["Web_2", "db:1", "web%3"]),
        ("observed_at:null:false", ["web-1"]),
        ("observed_at:gt:2020-01-01T00:00:00Z", ["web-1"]),
        ("observed_at:gt:2020-01-01T00:00:00+14:00", ["web-1"]),
        ("adopted:eq:true", ["db:1"]),
    ],
)
async def test_filters(client: httpx2.AsyncClient, add_vms: Any, written: str, found: list[str]) -> None:
    await add_vms(
        {"name": "web-1", "adopted": False, "observed_at": 1_700_000_000_000_000},
        {"name": "Web_2", "adopted": False},
        {"name": "web%3", "memory_mib": 4096, "adopted": False},
        {"name": "db:1", "memory_mib": 2048, "adopted": True},
        {"name": "deleted", "deleted_at": 5, "adopted": False},
    )
    assert sorted(await names(client, filter=written)) == found


async def test_filters_all_hold(client: httpx2.AsyncClient, add_vms: Any) -> None:
    await add_vms({"name": "a", "state": "running"}, {"name": "b", "state": "running"}, {"name": "b", "state": "saved"})
    answer = await client.get(VMS, params={"filter": ["name:eq:b", "state:eq:running"], "total": "true"})
    assert [item["name"] for item in answer.json()["items"]] == ["b"]
    assert answer.json()["total"] == 1


@pytest.mark.parametrize("sort", ["name", "-name", "memory_mib", "-memory_mib", "observed_at", "-observed_at"])
async def test_pages_by_key_show_each_row_once(client: httpx2.AsyncClient, add_vms: Any, sort: str) -> None:
    ids = await add_vms(
        *({"name": f"vm-{n % 7}", "memory_mib": n % 5, "observed_at": (n % 3) or None} for n in range(53))
    )
    seen: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        params = {"sort": sort, "limit": "10", **after}
        page = (await client.get(VMS, params=params)).json()
        seen += page["items"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert sorted(item["id"] for item in seen) == sorted(ids)
    column = sort.lstrip("-")
    values = [(item[column] is not None, item[column]) for item in seen]
    assert values == sorted(values, reverse=sort.startswith("-"))


async def test_a_row_added_before_the_place_moves_no_page(client: httpx2.AsyncClient, add_vms: Any) -> None:
    await add_vms(*({"name": f"m-{n:02}"} for n in range(6)))
    first = (await client.get(VMS, params={"limit": "3"})).json()
    await add_vms({"name": "a-first"})
    assert await names(client, limit="3", after=first["next"]) == ["m-03", "m-04", "m-05"]


@pytest.mark.parametrize(
    ("params", "allowed"),
    [
        ({"columns": "id,secret"}, "name"),
        ({"sort": "facts"}, "memory_mib"),
        ({"filter": "secret:eq:1"}, "name"),
        ({"filter": "name:is:1"}, "eq"),
        ({"filter": "memory_mib:eq:much"}, None),
        ({"filter": "memory_mib:eq:9223372036854775808"}, None),
        ({"filter": "observed_at:eq:yesterday"}, None),
        ({"filter": "observed_at:gt:2020-01-01"}, None),
        ({"state": "running"}, "filter"),
        ({"limit": "0"}, None),
        ({"limit": "1001"}, None),
        ({"limit": "²"}, None),
        ({"after": "nonsense"}, None),
        ({"after": "!"}, None),
        ({"after": "WyJuYW1lIiwgOTIyMzM3MjAzNjg1NDc3NTgwOCwgImEiXQ"}, None),
        ({"total": "perhaps"}, "true"),
    ],
)
async def test_what_a_list_does_not_know(client: httpx2.AsyncClient, params: dict[str, str], allowed: Any) -> None:
    answer = await client.get(VMS, params=params)
    assert answer.status_code == 422, answer.text
    if allowed is not None:
        assert allowed in answer.json()["allowed"]


async def test_a_place_of_another_order_is_refused(client: httpx2.AsyncClient, add_vms: Any) -> None:
    await add_vms({"name": "a"}, {"name": "b"})
    first = (await client.get(VMS, params={"limit": "1"})).json()
    answer = await client.get(VMS, params={"after": first["next"], "sort": "-name"})
    assert answer.status_code == 422


async def test_one_object_by_id_name_or_both(client: httpx2.AsyncClient, add_vms: Any) -> None:
    (one,) = await add_vms({"name": "web 1'\""})
    two = await add_vms({"name": "twin"}, {"name": "twin"})
    for reference in (one, "web 1'\"", f"{one}:web 1'\""):
        answer = await client.get(f"{VMS}/{quote(reference, safe='')}")
        assert answer.json()["id"] == one
    assert (await client.get(f"{VMS}/{one}:other")).status_code == 404
    assert (await client.get(f"{VMS}/nobody")).json()["code"] == "not_found"
    twins = (await client.get(f"{VMS}/twin")).json()
    assert (twins["code"], sorted(twins["ids"])) == ("ambiguous", sorted(two))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    params=st.dictionaries(
        st.sampled_from(["columns", "sort", "filter", "after", "limit", "total", "else"]),
        st.one_of(st.text(max_size=30), st.sampled_from(["name", "name:like:*\\%", "name:in:", "1", "-id", "bnVsbA"])),
    )
)
async def test_no_query_breaks_a_list(client: httpx2.AsyncClient, params: dict[str, str]) -> None:
    sent = {name: text.encode(errors="replace").decode() for name, text in params.items()}
    assert (await client.get(VMS, params=sent)).status_code in (200, 422)


async def test_more_filters_than_a_database_takes_are_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.get(VMS, params={"filter": ["name:eq:a"] * 1500})
    assert answer.status_code == 422
    assert "at most 50" in answer.json()["detail"]
    assert (await client.get(VMS, params={"filter": ["name:eq:a"] * 50})).status_code == 200
