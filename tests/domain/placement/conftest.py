from typing import Any, Protocol

import pytest

from hostler.domain.placement.model import HostSnapshot, Volume


class MakeHost(Protocol):
    def __call__(self, **changes: Any) -> HostSnapshot: ...


@pytest.fixture(scope="session")
def make_host() -> MakeHost:
    """An idle host on which any modest VM fits; `changes` are its fields."""

    def make(**changes: Any) -> HostSnapshot:
        fields: dict[str, Any] = {
            "id": "host-1",
            "name": "kvm-01",
            "cpu_count": 8,
            "memory_total_mib": 16_384,
            "volumes": (Volume(id="v1", path="/srv/vms", capacity_mib=500_000, free_mib=400_000),),
            "network_capacity_mbps": 1000,
        }
        return HostSnapshot(**fields | changes)

    return make
