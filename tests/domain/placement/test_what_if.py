"""What would make a VM fit: each remedy, followed, makes its host fit."""

from typing import Any, Protocol

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.domain.placement.model import DiskNeed, HostSnapshot, Request, Volume
from hostler.domain.placement.rank import rank
from hostler.domain.placement.snapshot import Snapshot
from hostler.domain.placement.what_if import remedies


class MakeHost(Protocol):
    def __call__(self, **changes: Any) -> HostSnapshot: ...


BIG = Request(vcpus=4, memory_mib=8192, disks=(DiskNeed(size_mib=50_000),))


def volumes(free_mib: int) -> tuple[Volume, ...]:
    return (Volume(id="v1", path="/srv", capacity_mib=100_000, free_mib=free_mib),)


@pytest.mark.parametrize(
    ("hosts", "code", "best", "change"),
    [
        (
            [{"memory_used_mib": 12_000}, {"memory_used_mib": 10_000}],
            "memory",
            "host-1",
            {"memory_mib": 16_384 - 256 - 10_000},
        ),
        ([{"cpu_count": 2}, {"cpu_count": 3}], "processors", "host-1", {"vcpus": 3}),
        (
            [{"volumes": volumes(20_100)}, {"volumes": volumes(10_100)}],
            "disk_space",
            "host-0",
            {"disks": (), "disk_space_mib": 20_000},
        ),
    ],
)
def test_a_smaller_vm_goes_to_the_roomiest_host(
    make_host: MakeHost, hosts: list[dict[str, Any]], code: str, best: str, change: dict[str, Any]
) -> None:
    snapshot = Snapshot.of(make_host(id=f"host-{n}", **changes) for n, changes in enumerate(hosts))
    (remedy,) = remedies(snapshot, rank(snapshot, BIG))
    assert (remedy.code, remedy.host_id, remedy.hosts) == (code, best, 2)
    assert remedy.request == msgspec.structs.replace(BIG, **change)


def test_what_opens_the_most_hosts_comes_first(make_host: MakeHost) -> None:
    hosts = [make_host(id=f"m-{n}", maintenance=True) for n in range(3)]
    hosts += [make_host(id="closed", available_for_placement=False), make_host(id="fits")]
    snapshot = Snapshot.of(hosts)
    found = remedies(snapshot, rank(snapshot, BIG))
    assert [(remedy.code, remedy.hosts, remedy.request) for remedy in found] == [
        ("maintenance", 3, None),
        ("available", 1, None),
    ]


def test_a_host_that_lacks_two_things_is_no_remedy(make_host: MakeHost) -> None:
    hosts = [
        make_host(id="three", maintenance=True, responding=False, cpu_count=1),
        make_host(id="two", maintenance=True, cpu_count=1),
    ]
    snapshot = Snapshot.of(hosts)
    ranking = rank(snapshot, BIG)
    assert remedies(snapshot, ranking) == ()


@given(
    st.lists(
        st.builds(
            HostSnapshot,
            id=st.uuids().map(str),
            name=st.just("host"),
            cpu_count=st.integers(1, 8),
            memory_total_mib=st.integers(1, 16_384),
            memory_used_mib=st.integers(0, 16_384),
            volumes=st.integers(0, 60_000).map(volumes),
        ),
        max_size=5,
        unique_by=lambda host: host.id,
    )
)
def test_every_smaller_vm_fits_the_host_it_is_for(hosts: list[HostSnapshot]) -> None:
    snapshot = Snapshot.of(hosts)
    for remedy in remedies(snapshot, rank(snapshot, BIG)):
        if remedy.request is not None:
            after = rank(snapshot, remedy.request)
            assert next(r.stars for r in after.ratings if r.host_id == remedy.host_id) > 0
