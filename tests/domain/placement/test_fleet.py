"""The exported fleet: read back as written, and refused with the place in the file when it is wrong."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.domain.placement.fleet import FORMAT, Fleet, FleetError, decode, encode, schema
from hostler.domain.placement.model import Request
from hostler.domain.placement.rank import rank

ROOT = Path(__file__).parents[3]
EXAMPLE = (ROOT / "tests/golden/placement/fleet.json").read_bytes()


def changed(path: str, value: Any) -> bytes:
    """The example with one value changed, at a dotted path."""
    document = json.loads(EXAMPLE)
    *parents, last = path.split(".")
    place: Any = document
    for key in parents:
        place = place[int(key)] if key.isdigit() else place[key]
    place[last] = value
    return json.dumps(document).encode()


def test_what_is_exported_is_read_back_and_exported_alike() -> None:
    fleet = decode(EXAMPLE)
    assert decode(encode(fleet)) == fleet
    assert encode(fleet) == EXAMPLE


def test_the_vms_of_the_file_load_their_hosts() -> None:
    candidates = {c.host.name: c for c in decode(EXAMPLE).snapshot().candidates}
    # kvm-branch has no counters: 2 processors at 50 % of 4, 50 of 1000 Mbps, and promised memory.
    branch = candidates["kvm-branch"]
    assert (branch.cpu_used_percent, branch.disk_iops_used, branch.network_used_percent) == (25, 400, 5)
    assert branch.memory_used_mib == 12_288
    assert candidates["kvm-01"].availability_sets == {"web"}


def test_the_example_of_the_documentation_is_sound() -> None:
    text = (ROOT / "docs/operators/fleet-format.md").read_text(encoding="utf-8")
    examples = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 1
    ranking = rank(decode(examples[0].encode()).snapshot(), Request())
    assert ranking.suggested is not None


def test_the_documentation_names_every_field() -> None:
    text = (ROOT / "docs/operators/fleet-format.md").read_text(encoding="utf-8")
    fields = {name for part in schema()["$defs"].values() for name in part.get("properties", {})}
    assert {name for name in fields if f"`{name}`" not in text} == set()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("hosts.3.cpu_count", 0, r"\$\.hosts\[3\]\.cpu_count"),
        ("hosts.3.cpu_count", "many", r"\$\.hosts\[3\]\.cpu_count"),
        ("hosts.0.cpu_used_percent", 101, r"\$\.hosts\[0\]\.cpu_used_percent"),
        ("hosts.0.memory_total_mib", -1, r"\$\.hosts\[0\]\.memory_total_mib"),
        ("hosts.0.memory_total_mib", 10**30, r"\$\.hosts\[0\]\.memory_total_mib"),
        ("hosts.0.name", "", r"\$\.hosts\[0\]\.name"),
        ("hosts.0.name", "red\x1b[31m", r"\$\.hosts\[0\]\.name"),
        ("hosts.0.name", "two\nlines", r"\$\.hosts\[0\]\.name"),
        ("hosts.0.name", "end of line\n", r"\$\.hosts\[0\]\.name"),
        ("hosts.0.memroy_total_mib", 1, r"unknown field `memroy_total_mib`.*\$\.hosts\[0\]"),
        ("hosts.1.volumes.0.free_mib", -5, r"\$\.hosts\[1\]\.volumes\[0\]\.free_mib"),
        (
            "hosts.7.reserve.cpu",
            {"reserve": 30, "placement": 20},
            r"out of order.*\$\.hosts\[7\]\.reserve\.cpu",
        ),
        ("hosts.7.reserve.memory.unit", "mbps", r"memory reserve is given in mbps.*\$\.hosts\[7\]\.reserve"),
        ("vms.2.host_id", "gone", r"'gone', which the file does not have: correct \$\.vms\[2\]\.host_id"),
        ("vms.2.id", "vm-01", r"two VMs have the id 'vm-01': the second is at \$\.vms\[2\]\.id"),
        ("hosts.2.id", "h-01", r"two hosts have the id 'h-01': the second is at \$\.hosts\[2\]\.id"),
        ("format", "hostler-fleet/9", r"has the format 'hostler-fleet/9', this Hostler reads 'hostler-fleet/1'"),
        ("hosts", {}, r"\$\.hosts"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(path: str, value: Any, said: str) -> None:
    with pytest.raises(FleetError, match=re.compile(said, re.DOTALL | re.IGNORECASE)):
        decode(changed(path, value))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"format": "hostler-fleet/1"}',
        b'{"format": "hostler-fleet/1", "hosts": [' + b"[" * 100_000,
        b'{"a": ' * 100_000,
        b'{"format": "hostler-fleet/1", "hosts": [], "vms": [], "x": NaN}',
        b'{"format": "hostler-fleet/1", "hosts": [{"id": "\xff"}]}',
    ],
)
def test_what_is_no_fleet_is_refused(data: bytes) -> None:
    with pytest.raises(FleetError, match="the fleet file"):
        decode(data)


@given(st.binary() | st.recursive(st.none() | st.text(), lambda s: st.lists(s)).map(msgspec.json.encode))
def test_no_input_ends_in_another_error(data: bytes) -> None:
    with pytest.raises(FleetError):
        decode(data)


def test_the_schema_is_of_this_format_and_says_the_bounds() -> None:
    found = schema()
    assert found["$schema"].startswith("https://json-schema.org/")
    fleet, host = found["$defs"]["Fleet"], found["$defs"]["HostSnapshot"]
    assert fleet["properties"]["format"]["enum"] == [FORMAT]
    assert host["additionalProperties"] is False
    assert host["properties"]["cpu_count"]["minimum"] == 1
    assert set(host["required"]) == {"id", "name", "cpu_count", "memory_total_mib"}
    assert msgspec.json.encode(found)


def test_an_empty_fleet_is_a_fleet() -> None:
    assert rank(decode(encode(Fleet(hosts=()))).snapshot(), Request()).ratings == ()
