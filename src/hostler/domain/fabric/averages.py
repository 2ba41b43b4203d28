"""From counters that only grow to averages: differences, resets, and which minute gets what share of a while."""

from collections.abc import Iterator

from msgspec import Struct

from hostler.domain.fabric.facts import HostLoad, Volume
from hostler.domain.machines.facts import VmLoad

SECOND = 1_000_000
"""Moments are integers of microseconds."""

MINUTE, TEN_MINUTES, SIX_HOURS = 60, 600, 21_600
"""The spans, in seconds, that averages are kept for."""

COARSER = ((MINUTE, TEN_MINUTES), (TEN_MINUTES, SIX_HOURS))
"""Each span and the one that is made from it."""


class Counters(Struct, frozen=True, kw_only=True, gc=False):
    """Counters of one host or VM at one moment. `cpu_total_ns` is the CPU time there was to use: None for a VM, which
    has `processors` of its own. `memory_used_mib` is no counter, but what holds at that moment."""

    at: int
    cpu_time_ns: int
    cpu_total_ns: int | None = None
    processors: int = 1
    memory_used_mib: int | None = None
    disk_requests: int = 0
    disk_bytes: int | None = None
    net_bytes: int = 0


class Averages(Struct, frozen=True, kw_only=True, gc=False):
    """Averages over a while; None: not known. `cpu_percent` is of the object's own processors, 0–100."""

    cpu_percent: float | None = None
    memory_used_mib: float | None = None
    disk_iops: float | None = None
    disk_bytes_per_second: float | None = None
    net_bytes_per_second: float | None = None


class HostUse(Struct, frozen=True, kw_only=True):
    """What a host used lately, and how full its volumes are: kept with the host for lists."""

    averages: Averages
    volumes: tuple[Volume, ...]


class MinuteShare(Struct, frozen=True, kw_only=True, gc=False):
    """How much of a while falls into the minute that begins at `slot_at`."""

    slot_at: int
    covered_seconds: float


def counters_of_host(load: HostLoad, at: int) -> Counters:
    return Counters(
        at=at,
        cpu_time_ns=load.cpu_busy_ns,
        cpu_total_ns=load.cpu_total_ns,
        memory_used_mib=load.memory_used_mib,
        disk_requests=load.disk_requests,
        net_bytes=load.net_bytes,
    )


def counters_of_vm(load: VmLoad, at: int, processors: int) -> Counters:
    return Counters(
        at=at,
        cpu_time_ns=load.cpu_time_ns,
        processors=processors,
        memory_used_mib=load.memory_used_mib,
        disk_requests=load.disk_requests,
        disk_bytes=load.disk_read_bytes + load.disk_write_bytes,
        net_bytes=load.net_bytes,
    )


def averages_between(earlier: Counters, later: Counters) -> Averages:
    """What was used between two reads. After a reset only the memory is known: how far the counters had come before
    they began again, nobody can tell."""
    elapsed = (later.at - earlier.at) / SECOND
    if elapsed <= 0 or _was_reset(earlier, later):
        return Averages(memory_used_mib=later.memory_used_mib)
    if earlier.cpu_total_ns is not None and later.cpu_total_ns is not None:
        capacity_ns = float(later.cpu_total_ns - earlier.cpu_total_ns)
    else:
        capacity_ns = elapsed * 1e9 * later.processors
    used_ns = later.cpu_time_ns - earlier.cpu_time_ns
    return Averages(
        cpu_percent=min(100.0, 100 * used_ns / capacity_ns) if capacity_ns > 0 else None,
        memory_used_mib=later.memory_used_mib,
        disk_iops=(later.disk_requests - earlier.disk_requests) / elapsed,
        disk_bytes_per_second=(
            None
            if later.disk_bytes is None or earlier.disk_bytes is None
            else (later.disk_bytes - earlier.disk_bytes) / elapsed
        ),
        net_bytes_per_second=(later.net_bytes - earlier.net_bytes) / elapsed,
    )


def _was_reset(earlier: Counters, later: Counters) -> bool:
    pairs = (
        (earlier.cpu_time_ns, later.cpu_time_ns),
        (earlier.cpu_total_ns, later.cpu_total_ns),
        (earlier.disk_requests, later.disk_requests),
        (earlier.disk_bytes, later.disk_bytes),
        (earlier.net_bytes, later.net_bytes),
    )
    return any(before is not None and after is not None and after < before for before, after in pairs)


def minute_shares(begun_at: int, ended_at: int) -> Iterator[MinuteShare]:
    """The minutes that a while covers, wholly or in part."""
    slot_at = slot_of(begun_at, MINUTE)
    while slot_at < ended_at:
        following = slot_at + MINUTE * SECOND
        covered = min(ended_at, following) - max(begun_at, slot_at)
        yield MinuteShare(slot_at=slot_at, covered_seconds=covered / SECOND)
        slot_at = following


def slot_of(at: int, span_seconds: int) -> int:
    """The beginning of the slot that a moment falls into."""
    return at - at % (span_seconds * SECOND)
