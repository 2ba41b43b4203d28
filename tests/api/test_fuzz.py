"""No body of any operation breaks the API: what is wrong is refused with a problem, never with a 5xx."""

import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hostler.operations  # noqa: F401 - registers every operation
from hostler.jobs.operation import Operation
from hostler.store.queries.nouns import NOUNS

TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "\0", "\ud800", "'\"`$()", "🦊", "a" * 5000, "../..", "name:x", "\n", "%s", "{}", "--"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.sampled_from([10**400, -(2**63) - 1])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@pytest.mark.parametrize("name", sorted(Operation.registry))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_body_breaks_an_operation(client: httpx2.AsyncClient, name: str, data: st.DataObject) -> None:
    operation = Operation.registry[name]
    fields = list(operation.Params.model_fields)
    names = st.one_of(st.sampled_from(fields), TEXTS) if fields else TEXTS
    body: dict[str, Any] = data.draw(st.dictionaries(names, VALUES, max_size=6))
    plural = NOUNS[operation.noun].plural
    tail = "" if operation.makes_new else f"/some-name/{operation.verb}"
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    answer = await client.post(
        f"/api/v1/{plural}{tail}",
        params={"dry_run": "true"},
        content=content,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code < 500, (body, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
