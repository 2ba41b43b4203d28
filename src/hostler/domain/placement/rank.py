"""Rates every host for a VM, in stars, with the reasons: one pure function over a snapshot."""

from zlib import crc32

import msgspec

from hostler.domain.placement.criterion import Check, Value
from hostler.domain.placement.filters import FILTERS
from hostler.domain.placement.model import (
    Goal,
    PlacementError,
    Policy,
    Ranking,
    Rating,
    Reason,
    Request,
    Strength,
    Term,
    Volume,
    Weights,
)
from hostler.domain.placement.snapshot import Candidate, Snapshot
from hostler.domain.placement.weighers import WEIGHERS

DEFAULT_WEIGHTS = Weights()
DEFAULT_POLICY = Policy()


class _Bound(msgspec.Struct, frozen=True):
    """The criteria and terms of one decision, bound to its request; what it does not ask for is left out."""

    must: tuple[Check, ...]
    should: tuple[Check, ...]
    favor: tuple[Check, ...]
    terms: tuple[tuple[str, Value, float, float], ...]
    inverted: bool
    disk_needed_mib: int


def rank(
    snapshot: Snapshot,
    request: Request,
    weights: Weights = DEFAULT_WEIGHTS,
    goal: Goal = Goal.LOAD_BALANCING,
    seed: int = 0,
    policy: Policy = DEFAULT_POLICY,
) -> Ranking:
    """Rates each host of the snapshot on its own: the best first, the unfit last, by how much they lack.

    Equal stars: fewer warnings and missed preferences first, then the exact score, then an order that
    `seed` alone decides. Raises PlacementError for a policy that names what cannot be changed.
    """
    bound = _bind(request, weights, goal, policy)
    scramble = 2 * seed + 1
    keyed = []
    for candidate in snapshot.candidates:
        rating = _rate(candidate, bound)
        tie = (crc32(rating.host_id.encode()) * scramble) & 0xFFFFFFFF
        keyed.append((_order(rating), tie, rating.host_id, rating))
    keyed.sort()
    return Ranking(
        ratings=tuple([key[-1] for key in keyed]),
        request=request,
        weights=weights,
        goal=goal,
        policy=policy,
        seed=seed,
    )


def _bind(request: Request, weights: Weights, goal: Goal, policy: Policy) -> _Bound:
    checks: dict[Strength, list[Check]] = {strength: [] for strength in Strength}
    strengths = _strengths(policy)
    for criterion in FILTERS:
        check = criterion.bind(request)
        if check is not None:
            checks[strengths[criterion.code]].append(check)
    return _Bound(
        must=tuple(checks[Strength.MUST_MEET]),
        should=tuple(checks[Strength.SHOULD_MEET]),
        favor=tuple(checks[Strength.FAVOR]),
        terms=_terms(request, weights),
        inverted=goal is Goal.RESOURCE_MAXIMIZATION,
        disk_needed_mib=request.disk_needed_mib,
    )


def _strengths(policy: Policy) -> dict[str, Strength]:
    strengths = {criterion.code: criterion.strength for criterion in FILTERS}
    changeable = sorted(criterion.code for criterion in FILTERS if criterion.overridable)
    for code, strength in policy.strengths.items():
        if code not in changeable:
            known = "always holds" if code in strengths else "does not exist"
            raise PlacementError(
                f"the placement configuration changes {code!r}, which {known}: choose among {', '.join(changeable)}"
            )
        strengths[code] = strength
    return strengths


def _terms(request: Request, weights: Weights) -> tuple[tuple[str, Value, float, float], ...]:
    """Name, value, weight and weight as a part of all weights, of each term."""
    given = weights.by_name()
    if unknown := given.keys() - {weigher.name for weigher in WEIGHERS}:
        names = ", ".join(weigher.name for weigher in WEIGHERS)
        raise PlacementError(f"no such term: {', '.join(sorted(unknown))}; the terms are {names}")
    weight = {weigher.name: given.get(weigher.name, weigher.default_weight) for weigher in WEIGHERS}
    total = sum(weight.values())
    return tuple((w.name, w.bind(request), weight[w.name], weight[w.name] / total) for w in WEIGHERS)


def _rate(candidate: Candidate, bound: _Bound) -> Rating:
    host = candidate.host
    zero_reasons = _unmet(bound.must, candidate)
    score, terms = _weigh(candidate, bound)
    return Rating(
        host.id,
        host.name,
        0.0 if zero_reasons else stars_of(score),
        score,
        terms,
        zero_reasons,
        _unmet(bound.should, candidate),
        None if zero_reasons else _volume(candidate, bound),
        len(_unmet(bound.favor, candidate)),
    )


def _unmet(checks: tuple[Check, ...], candidate: Candidate) -> tuple[Reason, ...]:
    reasons: tuple[Reason, ...] = ()
    for check in checks:
        reason = check(candidate)
        if reason is not None:
            reasons += (reason,)
    return reasons


def _weigh(candidate: Candidate, bound: _Bound) -> tuple[float, tuple[Term, ...]]:
    terms = []
    score = 0.0
    inverted = bound.inverted
    for name, value_of, weight, part in bound.terms:
        value = value_of(candidate)
        # Comparisons, since min(max()) costs three times as much; a counter that is no number gives 0.
        value = value if 0.0 <= value <= 1.0 else 1.0 if value > 1.0 else 0.0
        if inverted:
            value = 1.0 - value
        share = value * part
        score += share
        terms.append(Term(name, value, weight, share))
    return score, tuple(terms)


def _order(rating: Rating) -> float:
    """Less is better: stars, then what is missed (under 50 things), then the score.

    One number and not a tuple, because comparing tuples is half of the time of sorting 5,000 hosts.
    """
    missed = len(rating.zero_reasons) or len(rating.warnings) + rating.preferences_missed
    return missed - 100 * rating.stars - rating.score / 2


def stars_of(score: float) -> float:
    """A score of 0–1 in stars: half steps, halves of a half step upwards, at least ½."""
    return max(1, int(score * 10 + 0.5)) / 2


def _volume(candidate: Candidate, bound: _Bound) -> Volume | None:
    """The roomiest volume, or when filling hosts up the tightest that still holds the disks."""
    rooms = candidate.volumes
    if not bound.inverted:
        return rooms[0].volume if rooms else None
    return next((r.volume for r in reversed(rooms) if r.spare_mib >= bound.disk_needed_mib), None)
