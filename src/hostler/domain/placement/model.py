"""The vocabulary of Intelligent Placement: what a host offers, what a VM asks, and the answer in stars."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from hostler.domain.fabric.reserves import HostReserve

Identity = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Text = Annotated[str, Meta(max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Count = Annotated[int, Meta(ge=1, le=2**20)]
Mib = Annotated[int, Meta(ge=0, le=2**43)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Rate = Annotated[float, Meta(ge=0, le=1e12)]


class PlacementError(ValueError):
    """A question that cannot be answered as it was put; the text says what to change."""


class Goal(StrEnum):
    """What is preferred among the hosts that fit: the emptier ones, or the fuller ones."""

    LOAD_BALANCING = "load_balancing"
    RESOURCE_MAXIMIZATION = "resource_maximization"


class Strength(StrEnum):
    """How much a criterion counts: zero stars, a warning, a silent preference, nothing."""

    MUST_MEET = "must_meet"
    SHOULD_MEET = "should_meet"
    FAVOR = "favor"
    OFF = "off"


class Volume(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A place on a host where VMs are kept."""

    id: Identity
    path: Text
    capacity_mib: Mib
    free_mib: Mib
    available_for_placement: bool = True


class HostSnapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a host at one moment.

    Counters are averages over the last minutes; `None` means not measured, and then the sum over the host's
    VMs stands for it. `disk_iops_max` is None when the host's own limit is not known.
    """

    id: Identity
    name: Identity
    group_path: Text = "/"
    hypervisor: Identity = "kvm"
    status: Identity = "ok"
    responding: bool = True
    maintenance: bool = False
    available_for_placement: bool = True
    cpu_count: Count
    cpu_used_percent: Percent | None = None
    cpu_features: frozenset[Identity] = frozenset()
    accelerated: bool = True
    memory_total_mib: Mib
    memory_used_mib: Mib | None = None
    volumes: tuple[Volume, ...] = ()
    disk_iops_used: Rate | None = None
    disk_iops_max: Rate | None = None
    network_capacity_mbps: Rate = 0
    network_used_percent: Percent | None = None
    networks: frozenset[Identity] = frozenset()
    firmwares: frozenset[Identity] = frozenset({"bios", "uefi"})
    capabilities: frozenset[Identity] = frozenset()
    cluster: Text = ""
    cluster_overcommitted: bool = False
    properties: dict[Identity, Text] = {}
    reserve: HostReserve = HostReserve()


class VmLoad(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What one VM takes of its host; `cpu_used_percent` is of the VM's own virtual processors."""

    host_id: Identity
    running: bool = True
    vcpus: Count = 1
    memory_mib: Mib = 0
    cpu_used_percent: Percent = 0
    disk_iops: Rate = 0
    network_mbps: Rate = 0
    availability_set: Text = ""


class DiskNeed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A disk of the VM: its full size, and what it takes at first when it grows or is a linked clone."""

    size_mib: int
    initial_mib: int | None = None

    @property
    def needed_mib(self) -> int:
        """The room that must be there when the VM is placed."""
        return self.size_mib if self.initial_mib is None else self.initial_mib


class Relation(StrEnum):
    """How a property of the VM must relate to the property of the same name of the host."""

    MUST_MATCH = "must_match"
    SHOULD_MATCH = "should_match"
    MUST_NOT_MATCH = "must_not_match"
    SHOULD_NOT_MATCH = "should_not_match"


class PropertyRule(msgspec.Struct, frozen=True, kw_only=True):
    """A custom placement rule: the host's property against the VM's value of it."""

    name: str
    value: str
    relation: Relation = Relation.MUST_MATCH

    @property
    def wants_equal(self) -> bool:
        """Whether the two values are to be equal, or different."""
        return self.relation in (Relation.MUST_MATCH, Relation.SHOULD_MATCH)

    def is_met_by(self, properties: Mapping[str, str]) -> bool:
        """Whether a host with these properties is as the rule wants it; a missing property equals nothing."""
        return (properties.get(self.name) == self.value) is self.wants_equal

    def difference(self, properties: Mapping[str, str]) -> str:
        """What a host that breaks the rule has instead."""
        has = properties.get(self.name)
        seen = f"is {has!r}" if has is not None else "is not set"
        wanted = "" if self.wants_equal else "anything but "
        return f"the host's {self.name} {seen}, wanted: {wanted}{self.value!r}"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a VM needs of its host, with the load expected of it.

    `cpu_expected_percent` is of the VM's own virtual processors. Without `disks`, `disk_space_mib` is the
    room needed. `networks` are names or tags. Raises PlacementError when a number is out of range.
    """

    vcpus: int = 1
    memory_mib: int = 512
    disks: tuple[DiskNeed, ...] = ()
    disk_space_mib: int = 2048
    cpu_expected_percent: float = 20
    disk_iops: float = 0
    network_mbps: float = 0
    networks: frozenset[str] = frozenset()
    hypervisor: str = ""
    firmware: str = ""
    cpu_features: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    highly_available: bool = False
    availability_set: str = ""
    possible_hosts: frozenset[str] = frozenset()
    preferred_hosts: frozenset[str] = frozenset()
    rules: tuple[PropertyRule, ...] = ()

    def __post_init__(self) -> None:
        if self.vcpus < 1:
            raise PlacementError(f"the VM has {self.vcpus} virtual processors: give at least 1")
        if self.memory_mib < 1:
            raise PlacementError(f"the VM has {self.memory_mib} MiB of memory: give at least 1")
        if not 0 <= self.cpu_expected_percent <= 100:
            raise PlacementError(
                f"the expected CPU use is {self.cpu_expected_percent:g} %: give 0 to 100, as the share of the"
                " VM's own virtual processors"
            )
        for name in ("disk_space_mib", "disk_iops", "network_mbps"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise PlacementError(f"{name} is {getattr(self, name):g}: give a number from 0 upwards")
        if any(disk.needed_mib < 0 for disk in self.disks):
            raise PlacementError("a disk has a size below 0: give sizes from 0 upwards")

    @property
    def disk_needed_mib(self) -> int:
        """The room that the VM needs on one volume."""
        return sum(disk.needed_mib for disk in self.disks) if self.disks else self.disk_space_mib


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """How much each term counts, 0 (ignored) to 10; `others` are terms beyond SCVMM's four, by name.

    Raises PlacementError for a weight out of range or all of them 0.
    """

    cpu: float = 5
    memory: float = 8
    disk: float = 2
    network: float = 2
    others: dict[str, float] = {}

    def __post_init__(self) -> None:
        for name, weight in self.by_name().items():
            if not 0 <= weight <= 10:
                raise PlacementError(f"the weight of {name} is {weight:g}: give 0 (ignore) to 10")
        if not any(self.by_name().values()):
            raise PlacementError("all weights are 0, so no host is better than another: raise at least one")

    def by_name(self) -> dict[str, float]:
        """The weights that were given, by the name of their term."""
        return {
            "cpu": self.cpu,
            "memory": self.memory,
            "disk": self.disk,
            "network": self.network,
            **self.others,
        }


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The placement configuration of a host group: criteria, by code, that count more or less than usual."""

    strengths: dict[str, Strength] = {}


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why a host does not fit, or is not quite right, and what would change that."""

    code: str
    text: str
    what_would_help: str
    overridable: bool = False


class Term(msgspec.Struct, frozen=True, gc=False):
    """A weighted term: its value 0–1, its weight, and its share of the score (the shares add up to it)."""

    name: str
    value: float
    weight: float
    share: float


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """What all hosts of a ranking are weighed by: the terms, their weights, and these as parts of their sum."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    parts: tuple[float, ...]


class Rating(msgspec.Struct, frozen=True, gc=False):
    """What one host is worth to the VM. Zero stars exactly when there are zero reasons.

    `values` are the terms in the order of the scale, which all ratings of a ranking share: so that ranking
    thousands of hosts writes little memory.
    """

    host_id: str
    host_name: str
    stars: float
    score: float
    values: tuple[float, ...]
    scale: Scale
    zero_reasons: tuple[Reason, ...]
    warnings: tuple[Reason, ...]
    volume: Volume | None
    preferences_missed: int

    @property
    def terms(self) -> tuple[Term, ...]:
        """What the score is made of."""
        scale = self.scale
        return tuple(
            Term(name, value, weight, value * part)
            for name, value, weight, part in zip(scale.names, self.values, scale.weights, scale.parts, strict=True)
        )


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """All hosts, the best first, with everything the decision was made from but the snapshot itself."""

    ratings: tuple[Rating, ...]
    request: Request
    weights: Weights
    goal: Goal
    policy: Policy
    seed: int

    @property
    def suggested(self) -> Rating | None:
        """The best host that fits."""
        return self.ratings[0] if self.ratings and self.ratings[0].stars > 0 else None
