"""The OpenAPI document is a golden file that only grows.

After an addition, `UPDATE_GOLDEN=1 pytest tests/api/test_openapi.py` writes it; what breaks clients is refused.
"""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hostler.api.growth import breaks
from hostler.jobs.operation import Operation
from hostler.store.queries.nouns import NOUNS

GOLDEN = Path(__file__).parent.parent / "golden" / "openapi.json"


def golden() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(GOLDEN.read_text())
    return document


async def test_the_document_only_grows(anonymous: httpx2.AsyncClient) -> None:
    now = (await anonymous.get("/api/v1/openapi.json")).json()
    written = json.dumps(now, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if not GOLDEN.exists() and os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(written)
    assert breaks(golden(), now) == []
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(written)
    assert now == golden(), "it has grown: review it, and write it with UPDATE_GOLDEN=1"


async def test_it_is_3_1_and_every_reference_resolves(site: Any) -> None:
    document = site.app.openapi()
    assert document["openapi"] == "3.1.0"

    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            inner = {name for part in value.values() for name in references(part)}
            return inner | ({value["$ref"]} if isinstance(value.get("$ref"), str) else set())
        return {name for part in value for name in references(part)} if isinstance(value, list) else set()

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known
    ids = [method["operationId"] for path in document["paths"].values() for method in path.values()]
    assert len(ids) == len(set(ids))


async def test_each_operation_shows_its_parameters_and_itself(site: Any) -> None:
    document = site.app.openapi()
    for operation in Operation.registry.values():
        plural = NOUNS[operation.noun].plural
        tail = f"/{{id}}/{operation.verb}"
        if operation.makes_new:
            tail = "" if operation.verb in ("create", "add") else f"/{operation.verb}"
        shown = document["paths"][f"/api/v1/{plural}{tail}"]["post"]
        assert shown["operationId"] == f"{operation.noun}_{operation.verb}".replace("-", "_")
        assert shown["x-hostler"]["privilege"] == operation.privilege
        assert shown["x-hostler"]["cmdlet"] == operation.cmdlet
        schema = shown["requestBody"]["content"]["application/json"]["schema"]
        name = next(part["$ref"] for part in (schema, *schema.get("anyOf", ())) if "$ref" in part).rpartition("/")[2]
        properties = document["components"]["schemas"][name].get("properties", {})
        assert set(properties) == set(operation.Params.model_fields)
        asked = {parameter["name"] for parameter in shown["parameters"]}
        assert {"dry_run", "reason", "Idempotency-Key"} <= asked
        assert ("expect_name" in asked) is not operation.makes_new


CREATE_VM = "/api/v1/vms"


def _post(document: Any) -> Any:
    return document["paths"][CREATE_VM]["post"]


def _params(document: Any) -> Any:
    return document["components"]["schemas"]["VmCreateParams"]


def _vm(document: Any) -> Any:
    return document["components"]["schemas"]["Vm"]["properties"]


VIOLATIONS: dict[str, Callable[[Any], Any]] = {
    "path removed": lambda d: d["paths"].pop(CREATE_VM),
    "method removed": lambda d: d["paths"][CREATE_VM].pop("get"),
    "operationId changed": lambda d: _post(d).update(operationId="make_vm"),
    "parameter removed": lambda d: _post(d)["parameters"].pop(),
    "parameter now required": lambda d: _post(d)["parameters"][0].update(required=True),
    "new required parameter": lambda d: _post(d)["parameters"].append(
        {"name": "site", "in": "query", "required": True, "schema": {}}
    ),
    "parameter's type changed": lambda d: _post(d)["parameters"][0].update(schema={"type": "integer"}),
    "body removed": lambda d: _post(d).pop("requestBody"),
    "input field removed": lambda d: _params(d)["properties"].pop("host"),
    "new required input": lambda d: (
        _params(d)["properties"].update(site={"type": "string"}),
        _params(d)["required"].append("site"),
    ),
    "input now required": lambda d: _params(d)["required"].append("host"),
    "input's type changed": lambda d: _params(d)["properties"]["template"].update(type="integer"),
    "input no longer null": lambda d: _params(d)["properties"].update(host={"type": "string"}),
    "input's range narrowed": lambda d: _params(d)["properties"]["guest_timeout_seconds"].update(maximum=10),
    "input's value gone": lambda d: d["components"]["schemas"]["CloneKind"].update(enum=["linked"]),
    "output field removed": lambda d: _vm(d).pop("state"),
    "output's type changed": lambda d: _vm(d)["cpu_count"].update(type="string"),
    "output now null": lambda d: _vm(d)["cpu_count"].update(type=["integer", "null"]),
    "output no longer always there": lambda d: d["components"]["schemas"]["VmPage"].update(required=["items"]),
    "answer removed": lambda d: _post(d)["responses"].pop("202"),
    "header removed": lambda d: _post(d)["responses"]["202"]["headers"].pop("Location"),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_planted_violation_is_seen(violation: str) -> None:
    broken = copy.deepcopy(golden())
    VIOLATIONS[violation](broken)
    assert breaks(golden(), broken)


GROWTH: dict[str, Callable[[Any], Any]] = {
    "new path": lambda d: d["paths"].update({"/api/v1/new": d["paths"][CREATE_VM]}),
    "new optional parameter": lambda d: _post(d)["parameters"].append({"name": "x", "in": "query", "schema": {}}),
    "new optional input": lambda d: _params(d)["properties"].update(site={"type": "string"}),
    "new output": lambda d: _vm(d).update(site={"type": "string"}),
    "new value": lambda d: d["components"]["schemas"]["CloneKind"]["enum"].append("instant"),
    "new words": lambda d: _post(d).update(summary="Other words"),
}


@pytest.mark.parametrize("growth", GROWTH)
def test_growth_is_no_violation(growth: str) -> None:
    grown = copy.deepcopy(golden())
    GROWTH[growth](grown)
    assert breaks(golden(), grown) == []
