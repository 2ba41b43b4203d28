"""What would make a VM fit: the hosts that miss it by one thing, and the smaller VM that would go there."""

from collections.abc import Iterable
from math import floor

import msgspec

from hostler.domain.placement.model import Ranking, Rating, Request
from hostler.domain.placement.snapshot import Candidate, Snapshot


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """One change that makes hosts fit: `hosts` of them, the one named first.

    `request` is the changed VM where changing it alone is enough, and then it fits the named host.
    """

    code: str
    host_id: str
    host_name: str
    hosts: int
    what_would_help: str
    request: Request | None


def remedies(snapshot: Snapshot, ranking: Ranking) -> tuple[Remedy, ...]:
    """The changes after which at least one more host fits, that which opens the most hosts first."""
    candidates = {candidate.host.id: candidate for candidate in snapshot.candidates}
    near: dict[str, list[Rating]] = {}
    for rating in ranking.ratings:
        codes = {reason.code for reason in rating.zero_reasons}
        if len(codes) == 1:
            near.setdefault(codes.pop(), []).append(rating)
    found = [
        _remedy(code, [(rating, candidates[rating.host_id]) for rating in ratings], ranking.request)
        for code, ratings in near.items()
    ]
    return tuple(sorted(found, key=lambda remedy: (-remedy.hosts, remedy.code)))


def _remedy(code: str, near: list[tuple[Rating, Candidate]], request: Request) -> Remedy:
    rating, candidate = _roomiest(code, near)
    return Remedy(
        code=code,
        host_id=rating.host_id,
        host_name=rating.host_name,
        hosts=len(near),
        what_would_help=rating.zero_reasons[0].what_would_help,
        request=_smaller(code, candidate, request),
    )


def _roomiest(code: str, near: Iterable[tuple[Rating, Candidate]]) -> tuple[Rating, Candidate]:
    """The host for the least change of the VM; the better rated one of two equal."""
    return max(near, key=lambda pair: _room(code, pair[1]))


def _room(code: str, candidate: Candidate) -> int:
    """How much of what is short the host could give, in the unit of the request; 0 for what has no size."""
    if code == "memory":
        return floor(candidate.host.memory_total_mib - candidate.memory_used_mib - candidate.memory.reserve)
    if code == "disk_space":
        return floor(candidate.volumes[0].spare_mib) if candidate.volumes else 0
    if code == "processors":
        return candidate.host.cpu_count
    return 0


def _smaller(code: str, candidate: Candidate, request: Request) -> Request | None:
    room = _room(code, candidate)
    if room < 1:
        return None
    if code == "memory":
        return msgspec.structs.replace(request, memory_mib=room)
    if code == "disk_space":
        return msgspec.structs.replace(request, disks=(), disk_space_mib=room)
    return msgspec.structs.replace(request, vcpus=room)
