"""The wire is derived from the contract, carries everything unchanged, and only grows."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.domain.machines.facts import VmFacts
from hostler.domain.machines.spec import CloneKind, CloudInitSeed, DiskFormat, VmSpec
from hostler.domain.machines.states import VmState
from hostler.providers.contract import CloneDisk, Fence, PowerChange, Provider, SaveVm
from hostler.providers.errors import HostNotResponding, ProviderError, Refused
from hostler.providers.wire import (
    arguments_of,
    decode_reply,
    error_codes,
    methods_of,
    reply_of,
    reply_of_error,
    result_of,
)
from hostler.providers.wire_schema import main, schema, text, violations

GOLDEN = Path(__file__).parent.parent / "golden" / "wire.json"
METHODS = methods_of(Provider)
FENCE = Fence(job_id="job", attempt=3)


def test_the_golden_file_is_the_wire() -> None:
    golden = json.loads(GOLDEN.read_text())
    assert violations(golden, schema()) == []
    assert GOLDEN.read_text() == text(schema()), (
        f"the contract has grown: python -m hostler.providers.wire_schema {GOLDEN.name}"
    )


def _drop_method(wire: dict[str, Any]) -> None:
    del wire["methods"]["read_vm"]


def _drop_field(wire: dict[str, Any]) -> None:
    del wire["types"]["VmSpec"]["properties"]["seed_path"]


def _retype_field(wire: dict[str, Any]) -> None:
    wire["types"]["VmSpec"]["properties"]["memory_mib"] = {"type": "string"}


def _redefault_field(wire: dict[str, Any]) -> None:
    wire["types"]["VmFacts"]["properties"]["persistent"]["default"] = False


def _demand_field(wire: dict[str, Any]) -> None:
    wire["types"]["VmSpec"]["properties"]["boot"] = {"type": "string"}
    wire["types"]["VmSpec"]["required"].append("boot")


def _relax_field(wire: dict[str, Any]) -> None:
    wire["types"]["Fence"]["required"].remove("attempt")


def _drop_value(wire: dict[str, Any]) -> None:
    wire["types"]["PowerChange"]["enum"].remove("pause")


def _drop_type(wire: dict[str, Any]) -> None:
    del wire["types"]["GuestFacts"]


def _drop_error(wire: dict[str, Any]) -> None:
    del wire["errors"]["fenced"]


def _change_answer(wire: dict[str, Any]) -> None:
    wire["methods"]["read_vms"]["returns"] = {"type": "null"}


def _drop_union_member(wire: dict[str, Any]) -> None:
    wire["types"]["StartTaskRequest"]["properties"]["work"]["anyOf"].pop()


@pytest.mark.parametrize(
    "plant",
    [
        _drop_method, _drop_field, _retype_field, _redefault_field, _demand_field, _relax_field, _drop_value,
        _drop_type, _drop_error, _change_answer, _drop_union_member,
    ],
)  # fmt: skip
def test_a_planted_violation_is_seen(
    plant: Callable[[dict[str, Any]], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = copy.deepcopy(schema())
    plant(broken)
    assert len(violations(schema(), broken)) == 1
    # Seen from the other side: a golden file that the contract of today would break stays as it is.
    golden = tmp_path / "wire.json"
    golden.write_text(text(broken))
    if violations(broken, schema()):
        assert main([str(golden)]) == 1
        assert "only grows" in capsys.readouterr().err
        assert golden.read_text() == text(broken)


def test_additions_are_no_violation() -> None:
    grown = copy.deepcopy(schema())
    grown["methods"]["move_vm"] = {"request": {}, "returns": {}, "streams": False}
    grown["types"]["VmSpec"]["properties"]["boot"] = {"type": "string", "default": ""}
    grown["types"]["PowerChange"]["enum"].append("nap")
    grown["types"]["Other"] = {"type": "object"}
    grown["types"]["StartTaskRequest"]["properties"]["work"]["anyOf"].append({"$ref": "#/types/Other"})
    grown["errors"]["too_hot"] = "retry"
    assert violations(schema(), grown) == []


def test_a_changed_protocol_is_seen() -> None:
    class Changed(Protocol):
        async def read_vm(self, native_id: int) -> VmFacts | None: ...

    class Was(Protocol):
        async def read_vm(self, native_id: str) -> VmFacts | None: ...

    assert violations(schema(Was), schema(Was)) == []
    assert violations(schema(Was), schema(Changed)) != []


def test_every_method_but_close_travels() -> None:
    public = {name for name in vars(Provider) if not name.startswith("_")}
    assert set(METHODS) == public - {"close"}
    assert [name for name, method in METHODS.items() if method.streams] == ["events"]
    assert {name for name, method in METHODS.items() if method.changes} == {
        "write_seed", "delete_file", "define_vm", "undefine_vm", "change_power", "start_task", "cancel_task",
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ("define_vm", FENCE, VmSpec(vm_id="i", name="n", cpu_count=1, memory_mib=2)),
        ("change_power", FENCE, "id", PowerChange.RESUME),
        ("start_task", FENCE, "t", SaveVm(native_id="id")),
        (
            "start_task",
            FENCE,
            "t",
            CloneDisk(source="s", source_format=DiskFormat.RAW, target="t", kind=CloneKind.FULL),
        ),
        ("read_vms",),
    ],
    ids=lambda value: value[0],
)
def test_arguments_arrive_as_they_were(arguments: tuple[Any, ...]) -> None:
    method = METHODS[arguments[0]]
    assert arguments_of(method.decode(method.encode(*arguments[1:]))) == arguments[1:]


@given(st.text(alphabet=st.characters()), st.dictionaries(st.text(), st.integers(-(2**63), 2**63) | st.text()))
def test_any_text_arrives_or_is_refused(name: str, data: dict[str, object]) -> None:
    method = METHODS["write_seed"]
    seed = CloudInitSeed(instance_id=name, host_name=name, user_data=data)
    try:
        body = method.encode(FENCE, name, seed)
    except Refused:
        assert any("\ud800" <= char <= "\udfff" for char in name + "".join(map(str, data)) + str(list(data.values())))
        return
    assert arguments_of(method.decode(body)) == (FENCE, name, seed)


@given(st.binary())
def test_bytes_that_are_no_request_are_refused(body: bytes) -> None:
    for method in METHODS.values():
        try:
            method.decode(body)
        except Refused as refusal:
            assert refusal.remedy  # noqa: PT017 - both ends are right: valid JSON objects decode


def test_bottomless_json_is_refused() -> None:
    deep = b'{"fence":{"job_id":"","attempt":1},"path":"","seed":{"user_data":' + b'{"a":' * 100_000
    with pytest.raises(Refused):
        METHODS["write_seed"].decode(deep)


@pytest.mark.parametrize("kind", error_codes().values(), ids=lambda kind: kind.code)
def test_every_error_comes_out_as_it_went_in(kind: type[ProviderError]) -> None:
    reply = decode_reply(reply_of_error(kind("what <happened>\n\N{ROCKET}", "what helps")))
    with pytest.raises(kind) as caught:
        result_of(METHODS["read_vm"], reply)
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.remedy) == ("what <happened>\n\N{ROCKET}", "what helps")


def test_an_error_of_a_newer_peer_is_still_an_error() -> None:
    reply = decode_reply(b'{"problem": {"code": "too_hot", "message": "m", "since": 3}}')
    with pytest.raises(ProviderError, match="m"):
        result_of(METHODS["read_vm"], reply)


def test_fields_of_a_newer_peer_are_passed_over() -> None:
    facts = VmFacts(native_id="i", name="n", state=VmState.RUNNING, cpu_count=1, memory_mib=2)
    newer = json.loads(reply_of(facts))
    newer["result"]["colour"] = "red"
    assert result_of(METHODS["read_vm"], decode_reply(msgspec.json.encode(newer))) == facts


def test_an_answer_that_is_not_understood_is_an_error_of_ours() -> None:
    with pytest.raises(ProviderError, match="not understood") as caught:
        result_of(METHODS["read_vm"], decode_reply(b'{"result": {"native_id": 7}}'))
    assert not isinstance(caught.value, HostNotResponding)
