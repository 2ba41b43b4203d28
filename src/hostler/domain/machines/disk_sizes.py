"""Sizes of disks, which only costly reads tell: kept over the cheap ones, and no news when they merely grow."""

from msgspec.structs import replace

from hostler.domain.machines.facts import DiskFacts, VmFacts


def with_known_sizes(facts: VmFacts, before: VmFacts) -> VmFacts:
    """The facts, with the sizes that were known before of those disks whose sizes this read did not tell."""
    known = {disk.path: disk for disk in before.disks}
    disks = tuple(_sized(disk, known.get(disk.path)) for disk in facts.disks)
    return facts if disks == facts.disks else replace(facts, disks=disks)


def _sized(disk: DiskFacts, known: DiskFacts | None) -> DiskFacts:
    if known is None or disk.capacity_bytes is not None or disk.allocated_bytes is not None:
        return disk
    return replace(disk, capacity_bytes=known.capacity_bytes, allocated_bytes=known.allocated_bytes)


def differ_beyond_growth(before: VmFacts, after: VmFacts) -> bool:
    """Whether more changed than how full the disks are, which moves all the time."""
    return _without_growth(before) != _without_growth(after)


def _without_growth(facts: VmFacts) -> VmFacts:
    return replace(facts, disks=tuple(replace(disk, allocated_bytes=None) for disk in facts.disks))
