"""From counters that only grow to averages over spans of time: differences, resets, and what falls into which slot."""

from collections.abc import Iterator

from msgspec import Struct

from hostler.domain.fabric.facts import HostLoad
from hostler.domain.machines.facts import VmLoad

SECOND = 1_000_000
"""Microseconds: times are integers of these."""

MINUTE, TEN_MINUTES, SIX_HOURS = 60, 600, 21_600
"""Spans that averages are kept for, in seconds; each is made from the one before it."""

COARSER = ((MINUTE, TEN_MINUTES), (TEN_MINUTES, SIX_HOURS))


class Counters(Struct, frozen=True, kw_only=True, gc=False):
    """Counters of one host or VM at one moment (`at` in microseconds). `processors`: what all of its CPU time is."""

    at: int
    cpu_time_ns: int
    processors: float
    memory_used_mib: int | None
    disk_requests: int
    disk_bytes: int
    net_bytes: int


class Averages(Struct, frozen=True, kw_only=True, gc=False):
    """Averages over a while; None: not known. `cpu_percent` is of the object's own processors, 0–100."""

    cpu_percent: float | None = None
    memory_used_mib: float | None = None
    disk_iops: float | None = None
    disk_bytes_per_second: float | None = None
    net_bytes_per_second: float | None = None


class Share(Struct, frozen=True, kw_only=True, gc=False):
    """The part of a measured while that falls into the minute beginning at `slot_at`."""

    slot_at: int
    covered_seconds: float


def of_host(load: HostLoad, at: int, before: HostLoad | None) -> Counters:
    """A host's counters; its processors are told by how fast its total CPU time grew since `before`."""
    grown = load.cpu_total_ns - before.cpu_total_ns if before is not None else 0
    return Counters(
        at=at,
        cpu_time_ns=load.cpu_busy_ns,
        processors=float(grown),
        memory_used_mib=load.memory_used_mib,
        disk_requests=load.disk_requests,
        disk_bytes=0,
        net_bytes=load.net_bytes,
    )


def of_vm(load: VmLoad, at: int, cpu_count: int) -> Counters:
    return Counters(
        at=at,
        cpu_time_ns=load.cpu_time_ns,
        processors=float(cpu_count),
        memory_used_mib=load.memory_used_mib,
        disk_requests=load.disk_requests,
        disk_bytes=load.disk_read_bytes + load.disk_write_bytes,
        net_bytes=load.net_bytes,
    )
