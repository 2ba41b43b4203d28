"""Each term against the published formula, with the VM's load added to what is used."""

from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from hostler.domain.fabric.reserves import HostReserve, Levels, Unit
from hostler.domain.placement import weighers
from hostler.domain.placement.criterion import Weigher
from hostler.domain.placement.model import HostSnapshot, Request, VmLoad
from hostler.domain.placement.snapshot import Snapshot
from hostler.domain.placement.weighers import WEIGHERS


class MakeHost(Protocol):
    def __call__(self, **changes: Any) -> HostSnapshot: ...


def value(name: str, host: HostSnapshot, request: Request, *vms: VmLoad) -> float:
    weigher = next(w for w in WEIGHERS if w.name == name)
    return weigher.bind(request)(Snapshot.of([host], vms).candidates[0])


def test_there_are_the_four_terms_of_scvmm() -> None:
    assert [weigher.name for weigher in WEIGHERS] == ["cpu", "disk", "memory", "network"]


@pytest.mark.parametrize(
    ("term", "host", "vm", "expected"),
    [
        # 40 % used, and 4 processors of 8 at 20 % are 10 % of the host: 1 − 50 / (100 − 10)
        ("cpu", {"cpu_used_percent": 40.0}, {"vcpus": 4}, 1 - 50 / 90),
        ("cpu", {"cpu_used_percent": 40.0}, {"vcpus": 4, "cpu_expected_percent": 80}, 1 - 80 / 90),
        ("cpu", {"cpu_used_percent": 0.0, "reserve": HostReserve(cpu=Levels(reserve=100))}, {}, 0),
        # 1 − (4096 + 2048) / (16384 − 256)
        ("memory", {"memory_used_mib": 4096}, {"memory_mib": 2048}, 1 - 6144 / 16128),
        ("memory", {"memory_total_mib": 100}, {"memory_mib": 2048}, 0),
        ("disk", {"disk_iops_used": 2500.0}, {"disk_iops": 500}, 1 - 3000 / 10_000),
        ("disk", {"disk_iops_used": 2500.0, "disk_iops_max": 5000.0}, {}, 0.5),
        ("disk", {"disk_iops_max": 0.0}, {}, 0),
        # 100 Mbps of a 1000 Mbps link are 10 %
        ("network", {"network_used_percent": 20.0}, {"network_mbps": 100}, 1 - 30 / 90),
        # Without a known link the VM's Mbps cannot be turned into percent.
        (
            "network",
            {"network_used_percent": 20.0, "network_capacity_mbps": 0},
            {"network_mbps": 100},
            1 - 20 / 90,
        ),
        (
            "network",
            {
                "network_used_percent": 20.0,
                "reserve": HostReserve(network=Levels(reserve=200, unit=Unit.MBPS)),
            },
            {},
            0.75,
        ),
        (
            "network",
            {"network_used_percent": 0.0, "reserve": HostReserve(network=Levels(reserve=100))},
            {},
            0,
        ),
    ],
)
def test_the_published_formula(
    make_host: MakeHost, term: str, host: dict[str, Any], vm: dict[str, Any], expected: float
) -> None:
    assert value(term, make_host(**host), Request(**vm)) == pytest.approx(expected)


def test_a_vm_of_more_processors_is_expected_to_use_more_of_the_host(make_host: MakeHost) -> None:
    host = make_host(cpu_used_percent=0.0)
    # 20 % of one processor of eight, and of all eight.
    assert value("cpu", host, Request(vcpus=1)) == pytest.approx(1 - 2.5 / 90)
    assert value("cpu", host, Request(vcpus=8)) == pytest.approx(1 - 20 / 90)


class TestLoadOfTheVmsThere:
    """What the host does not measure is the sum of its VMs."""

    VM = VmLoad(host_id="host-1", vcpus=4, memory_mib=4096, cpu_used_percent=50, disk_iops=1000, network_mbps=90)
    IDLE_VM = Request(cpu_expected_percent=0, memory_mib=1)

    @pytest.mark.parametrize(
        ("term", "used", "ceiling"),
        [("cpu", 25, 90), ("memory", 4096 + 1, 16128), ("disk", 1000, 10_000), ("network", 9, 90)],
    )
    def test_is_used_where_the_host_has_no_counter(
        self, make_host: MakeHost, term: str, used: float, ceiling: float
    ) -> None:
        assert value(term, make_host(), self.IDLE_VM, self.VM) == pytest.approx(1 - used / ceiling)

    @pytest.mark.parametrize("term", ["cpu", "memory", "disk", "network"])
    def test_of_a_vm_that_is_off_is_nothing(self, make_host: MakeHost, term: str) -> None:
        off = msgspec.structs.replace(self.VM, running=False)
        assert value(term, make_host(), self.IDLE_VM, off) == value(term, make_host(), self.IDLE_VM)

    @pytest.mark.parametrize("term", ["cpu", "memory", "disk", "network"])
    def test_is_taken_off_its_host_when_the_vm_is_to_move(self, make_host: MakeHost, term: str) -> None:
        counters = {"cpu_used_percent": 25.0, "memory_used_mib": 4096, "disk_iops_used": 1000.0}
        busy = Snapshot.of([make_host(**counters, network_used_percent=9.0), make_host(id="host-2")])
        moving = busy.without(self.VM)
        weigh = next(w for w in WEIGHERS if w.name == term).bind(self.IDLE_VM)
        here, elsewhere = moving.candidates
        assert weigh(here) == pytest.approx(weigh(elsewhere))
        assert weigh(busy.candidates[0]) < weigh(here)

    def test_promised_memory_counts_before_the_guests_touch_it(self, make_host: MakeHost) -> None:
        host = make_host(memory_used_mib=512)
        assert value("memory", host, self.IDLE_VM, self.VM) == pytest.approx(1 - 4097 / 16128)


def test_a_new_file_is_in_force_without_another_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zz_planted.py").write_text(
        "from hostler.domain.placement.criterion import Weigher\n"
        "WEIGHER = Weigher(name='zz_planted', bind=lambda request: lambda candidate: 0.5)\n"
    )
    monkeypatch.setattr(weighers, "__path__", [*weighers.__path__, str(tmp_path)])
    discovered: tuple[Weigher, ...] = weighers._discover()
    assert [weigher.name for weigher in discovered] == [*(w.name for w in WEIGHERS), "zz_planted"]
