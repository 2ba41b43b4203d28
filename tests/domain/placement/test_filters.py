"""Each criterion: what it says of a host that breaks it, and that following its advice makes the host fit."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import pytest

from hostler.domain.fabric.reserves import HostReserve, Levels, Unit
from hostler.domain.placement import filters
from hostler.domain.placement.criterion import Filter
from hostler.domain.placement.filters import FILTERS
from hostler.domain.placement.model import (
    DiskNeed,
    HostSnapshot,
    PlacementError,
    Policy,
    PropertyRule,
    Rating,
    Relation,
    Request,
    Strength,
    VmLoad,
    Volume,
)
from hostler.domain.placement.rank import rank
from hostler.domain.placement.snapshot import Snapshot


class MakeHost(Protocol):
    def __call__(self, **changes: Any) -> HostSnapshot: ...


class Case(NamedTuple):
    """A host and a VM that break one criterion, what is said, and what of host or VM then mends it."""

    code: str
    host: dict[str, Any]
    vm: dict[str, Any]
    text: str
    would_help: str
    mended_host: Mapping[str, Any] = MappingProxyType({})
    mended_vm: Mapping[str, Any] = MappingProxyType({})


def volume(free_mib: int, *, available: bool = True) -> Volume:
    return Volume(id="v1", path="/srv", capacity_mib=9000, free_mib=free_mib, available_for_placement=available)


LAN, DMZ = frozenset({"lan"}), frozenset({"dmz"})
CASES = [
    Case(
        "memory",
        {"memory_total_mib": 8192, "memory_used_mib": 6912},
        {"memory_mib": 4096},
        "needs 4096 MiB of memory, 1024 MiB free after the reserve of 256 MiB",
        "free 3072 MiB, or lower the VM's memory to 1024 MiB",
        {"memory_used_mib": 6912 - 3072},
    ),
    Case(
        "memory",
        {"memory_total_mib": 8192, "memory_used_mib": 6912},
        {"memory_mib": 4096},
        "needs 4096 MiB of memory",
        "lower the VM's memory to 1024 MiB",
        {},
        {"memory_mib": 1024},
    ),
    Case(
        "memory",
        {"memory_total_mib": 1000, "memory_used_mib": 900},
        {"memory_mib": 512},
        "0 MiB free after the reserve of 256 MiB",
        "free 668 MiB",
        {"memory_used_mib": 900 - 668},
    ),
    Case(
        "disk_space",
        {"volumes": (volume(1100),)},
        {"disks": (DiskNeed(size_mib=1000), DiskNeed(size_mib=9000, initial_mib=500))},
        "needs 1500 MiB on one volume, 1000 MiB free on /srv, the roomiest, after the reserve of 100 MiB",
        "free 500 MiB on /srv, or lower the VM's disk space to 1000 MiB, or add a volume with 1600 MiB free",
        {"volumes": (volume(1600),)},
    ),
    Case(
        "disk_space",
        {"volumes": (volume(8000, available=False),)},
        {},
        "no volume of the host is open to placement",
        "set a volume available for placement",
        {"volumes": (volume(8000),)},
    ),
    Case(
        "disk_space",
        {"volumes": ()},
        {},
        "the host has no volume for VMs",
        "add a volume",
        {"volumes": (volume(8000),)},
    ),
    Case(
        "memory",
        {"memory_total_mib": 1000, "memory_used_mib": 300},
        {"memory_mib": 2048},
        "444 MiB free after the reserve of 256 MiB",
        "choose a host of 2304 MiB or more, or lower the VM's memory to 444 MiB",
        {"memory_total_mib": 2304, "memory_used_mib": 0},
    ),
    Case(
        "disk_space",
        {"volumes": (volume(1100),)},
        {"disk_space_mib": 20_000},
        "needs 20000 MiB on one volume, 1000 MiB free on /srv",
        "lower the VM's disk space to 1000 MiB, or add a volume with 20100 MiB free",
        {"volumes": (volume(1100), volume(20_100))},
    ),
    Case(
        "processors",
        {"cpu_count": 2},
        {"vcpus": 4},
        "needs 4 virtual processors, the host has 2 logical ones",
        "lower the VM's processors to 2",
        {},
        {"vcpus": 2},
    ),
    Case(
        "responding",
        {"responding": False},
        {},
        "the host does not respond",
        "bring the host or its agent back",
        {"responding": True},
    ),
    Case(
        "maintenance",
        {"maintenance": True},
        {},
        "the host is in maintenance mode",
        "take the host out of maintenance mode",
        {"maintenance": False},
    ),
    Case(
        "available",
        {"available_for_placement": False},
        {},
        "the host is closed to placement",
        "set the host available for placement",
        {"available_for_placement": True},
    ),
    Case(
        "status",
        {"status": "needs_attention"},
        {},
        "the host's status is needs_attention, not ok",
        "look into what the host reports",
        {"status": "ok"},
    ),
    Case(
        "hypervisor",
        {"hypervisor": "hyperv"},
        {"hypervisor": "vsphere"},
        "the VM is for vsphere, the host runs hyperv",
        "choose a vsphere host, or convert the VM to hyperv",
        {"hypervisor": "vsphere"},
    ),
    Case(
        "firmware",
        {"firmwares": frozenset({"bios"})},
        {"firmware": "uefi"},
        "the VM's firmware is uefi, the host offers bios",
        "choose another firmware",
        {},
        {"firmware": "bios"},
    ),
    Case(
        "networks",
        {"networks": LAN},
        {"networks": LAN | DMZ},
        "no connection to the network dmz",
        "connect the host to dmz",
        {"networks": LAN | DMZ},
    ),
    Case(
        "cpu_features",
        {"cpu_features": frozenset({"sse4_2"})},
        {"cpu_features": frozenset({"sse4_2", "avx2"})},
        "the host's processor lacks avx2",
        "choose a host that has avx2",
        {"cpu_features": frozenset({"sse4_2", "avx2"})},
    ),
    Case(
        "capabilities",
        {},
        {"capabilities": frozenset({"dynamic_memory", "tpm"})},
        "the host cannot do dynamic_memory, tpm",
        "choose a host that can do dynamic_memory, tpm",
        {"capabilities": frozenset({"dynamic_memory", "tpm"})},
    ),
    Case(
        "highly_available",
        {},
        {"highly_available": True},
        "the VM is highly available, the host is in no cluster",
        "add the host to a cluster",
        {"cluster": "c1"},
    ),
    Case(
        "cluster_reserve",
        {"cluster": "c1", "cluster_overcommitted": True},
        {"highly_available": True},
        "the cluster c1 is over-committed",
        "add a node or free memory in the cluster",
        {"cluster_overcommitted": False},
    ),
    Case(
        "acceleration",
        {"accelerated": False},
        {},
        "its guests are emulated and slow",
        "switch virtualisation on",
        {"accelerated": True},
    ),
    Case(
        "possible_hosts",
        {},
        {"possible_hosts": frozenset({"host-2"})},
        "not among the possible owners",
        "add the host to the VM's possible owners",
        {},
        {"possible_hosts": frozenset({"host-1", "host-2"})},
    ),
    Case(
        "preferred_hosts",
        {},
        {"preferred_hosts": frozenset({"host-2"})},
        "not among the preferred owners",
        "add the host to the VM's preferred owners",
        {},
        {"preferred_hosts": frozenset({"host-1"})},
    ),
    Case(
        "availability_set",
        {},
        {"availability_set": "dns"},
        "another VM of the availability set dns is on the host",
        "choose a host without one",
        {},
        {"availability_set": "web"},
    ),
    Case(
        "property_must",
        {"properties": {"site": "Bern", "tier": "test"}},
        {
            "rules": (
                PropertyRule(name="site", value="Berlin"),
                PropertyRule(name="tier", value="test", relation=Relation.MUST_NOT_MATCH),
            )
        },
        "the host's site is 'Bern', wanted: 'Berlin'; the host's tier is 'test', wanted: anything but 'test'",
        "change the property of the host",
        {"properties": {"site": "Berlin", "tier": "live"}},
    ),
    Case(
        "property_should",
        {},
        {"rules": (PropertyRule(name="site", value="Berlin", relation=Relation.SHOULD_MATCH),)},
        "the host's site is not set, wanted: 'Berlin'",
        "change the property of the host",
        {"properties": {"site": "Berlin"}},
    ),
    Case(
        "cpu_reserve",
        {"cpu_used_percent": 88.0},
        {"vcpus": 2, "cpu_expected_percent": 20},
        "leaves 7.0 % of CPU free, the reserve is 10.0 %",
        "free 3 % of CPU, or lower the VM's expected CPU from 20 to 8",
        {"cpu_used_percent": 85.0},
    ),
    Case(
        "cpu_reserve",
        {"cpu_used_percent": 5.0},
        {"vcpus": 8, "cpu_expected_percent": 100},
        "leaves 0.0 % of CPU free, the reserve is 10.0 %",
        "lower the VM's expected CPU from 100 to 85",
        {},
        {"cpu_expected_percent": 85},
    ),
    Case(
        "disk_io_reserve",
        {
            "disk_iops_used": 9500.0,
            "reserve": HostReserve(disk_io=Levels(reserve=100, unit=Unit.IOPS)),
        },
        {"disk_iops": 450},
        "leaves 50.0 IOPS of disk operations free, the reserve is 100.0 IOPS",
        "free 50 IOPS of disk operations, or lower the VM's expected disk operations from 450 to 400",
        {"disk_iops_used": 9450.0},
    ),
    Case(
        "network_reserve",
        {"network_used_percent": 80.0},
        {"network_mbps": 200},
        "leaves 0.0 % of network free, the reserve is 10.0 %",
        "free 10 % of network, or lower the VM's expected network from 200 to 100",
        {"network_used_percent": 70.0},
    ),
    Case(
        "placement_level",
        {
            "cpu_used_percent": 60.0,
            "reserve": HostReserve(
                cpu=Levels(reserve=10, placement=50),
                memory=Levels(reserve=0, placement=16_000, unit=Unit.MIB),
                disk_space=Levels(reserve=0, placement=90),
            ),
        },
        {},
        "would leave free: 38 % of CPU (50 wished for), 15872 MiB of memory (16000 wished for),"
        " 397952 MiB of disk space (450000 wished for)",
        "choose a host with more free",
        {"reserve": HostReserve()},
    ),
]


def rate(make_host: MakeHost, case: Case, **changes: Any) -> Rating:
    host = make_host(**{**case.host, **changes.pop("host", {})})
    vms = [VmLoad(host_id=host.id, running=False, availability_set="dns")]
    request = Request(**{**case.vm, **changes.pop("vm", {})})
    return rank(Snapshot.of([host], vms), request, **changes).ratings[0]


def unmet(rating: Rating) -> set[str]:
    return {reason.code for reason in rating.zero_reasons + rating.warnings}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}: {case.text[:40]}")
def test_a_broken_criterion_says_what_is_wrong_and_what_would_help(make_host: MakeHost, case: Case) -> None:
    criterion = next(c for c in FILTERS if c.code == case.code)
    rating = rate(make_host, case)
    if criterion.strength is Strength.FAVOR:
        assert (rating.zero_reasons, rating.warnings, rating.preferences_missed) == ((), (), 1)
        rating = rate(make_host, case, policy=Policy(strengths={case.code: Strength.SHOULD_MEET}))
    must = criterion.strength is Strength.MUST_MEET
    (reason,) = rating.zero_reasons if must else rating.warnings
    assert (rating.stars == 0) is must
    assert reason.code == case.code
    assert case.text in reason.text
    assert case.would_help in reason.what_would_help
    assert reason.overridable is criterion.overridable


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}: {case.text[:40]}")
def test_following_the_advice_makes_the_host_fit(make_host: MakeHost, case: Case) -> None:
    assert case.mended_host or case.mended_vm
    rating = rate(make_host, case, host=case.mended_host, vm=case.mended_vm)
    assert case.code not in unmet(rating)
    assert rating.preferences_missed == 0
    assert rating.stars > 0


def test_every_criterion_has_a_case_here() -> None:
    assert {case.code for case in CASES} == {criterion.code for criterion in FILTERS}


def test_codes_are_unique_and_equal_to_the_file_names() -> None:
    assert [criterion.code for criterion in FILTERS] == sorted(
        path.stem for path in Path(filters.__path__[0]).glob("[!_]*.py")
    )


def test_all_reasons_are_kept_not_the_first(make_host: MakeHost) -> None:
    host = make_host(maintenance=True, responding=False, memory_total_mib=300, volumes=(), cpu_count=1)
    rating = rank(Snapshot.of([host]), Request(vcpus=2)).ratings[0]
    codes = {reason.code for reason in rating.zero_reasons}
    assert codes == {"maintenance", "responding", "memory", "disk_space", "processors"}


def test_a_new_file_is_in_force_without_another_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zz_planted.py").write_text(
        "from hostler.domain.placement.criterion import Filter\n"
        "FILTER = Filter(code='zz_planted', bind=lambda request: None)\n"
    )
    monkeypatch.setattr(filters, "__path__", [*filters.__path__, str(tmp_path)])
    discovered: tuple[Filter, ...] = filters._discover()
    assert [criterion.code for criterion in discovered] == [*(c.code for c in FILTERS), "zz_planted"]


class TestPolicy:
    CPU = next(case for case in CASES if case.code == "cpu_reserve")

    @pytest.mark.parametrize(
        ("strength", "stars_are_zero", "warnings", "missed"),
        [
            (Strength.MUST_MEET, True, 0, 0),
            (Strength.SHOULD_MEET, False, 1, 0),
            (Strength.FAVOR, False, 0, 1),
            (Strength.OFF, False, 0, 0),
        ],
    )
    def test_a_criterion_counts_as_its_group_says(
        self,
        make_host: MakeHost,
        strength: Strength,
        stars_are_zero: bool,
        warnings: int,
        missed: int,
    ) -> None:
        rating = rate(make_host, self.CPU, policy=Policy(strengths={"cpu_reserve": strength}))
        assert (rating.stars == 0) is stars_are_zero
        assert (len(rating.warnings), rating.preferences_missed) == (warnings, missed)

    def test_reserves_can_be_enforced(self, make_host: MakeHost) -> None:
        assert rate(make_host, self.CPU, policy=Policy(strengths={"cpu_reserve": Strength.MUST_MEET})).stars == 0

    @pytest.mark.parametrize(
        ("code", "said"), [("memory", "'memory', which always holds"), ("nonsense", "does not exist")]
    )
    def test_what_is_physical_cannot_be_wished_away(self, make_host: MakeHost, code: str, said: str) -> None:
        with pytest.raises(PlacementError, match=said):
            rate(make_host, self.CPU, policy=Policy(strengths={code: Strength.OFF}))
