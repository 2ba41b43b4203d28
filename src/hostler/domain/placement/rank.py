"""Rates every host for a VM, in stars, with the reasons: one pure function over a snapshot."""

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
    Scale,
    Strength,
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
    scale: Scale
    terms: tuple[tuple[Value, float], ...]
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

    Equal stars: fewer warnings and missed preferences first, then the exact score; what is equal in all of
    these goes by id, from the host that `seed` points to onwards, so that seeds take turns. Raises
    PlacementError for a policy that names what cannot be changed.
    """
    bound = _bind(request, weights, goal, policy)
    candidates = snapshot.candidates
    first = seed % len(candidates) if candidates else 0
    ratings = [_rate(candidate, bound) for candidate in candidates[first:] + candidates[:first]]
    ratings.sort(key=_order)
    return Ranking(
        ratings=tuple(ratings),
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
    scale = _scale(weights)
    values = [weigher.bind(request) for weigher in WEIGHERS]
    return _Bound(
        must=tuple(checks[Strength.MUST_MEET]),
        should=tuple(checks[Strength.SHOULD_MEET]),
        favor=tuple(checks[Strength.FAVOR]),
        scale=scale,
        terms=tuple(zip(values, scale.parts, strict=True)),
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


def _scale(weights: Weights) -> Scale:
    given = weights.by_name()
    names = tuple(weigher.name for weigher in WEIGHERS)
    if unknown := sorted(given.keys() - set(names)):
        raise PlacementError(f"no such term: {', '.join(unknown)}; the terms are {', '.join(names)}")
    weight = tuple(given.get(weigher.name, weigher.default_weight) for weigher in WEIGHERS)
    return Scale(names=names, weights=weight, parts=tuple(each / sum(weight) for each in weight))


def _rate(candidate: Candidate, bound: _Bound) -> Rating:
    host = candidate.host
    zero_reasons = _unmet(bound.must, candidate)
    score, values = _weigh(candidate, bound)
    return Rating(
        host.id,
        host.name,
        0.0 if zero_reasons else stars_of(score),
        score,
        values,
        bound.scale,
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


def _weigh(candidate: Candidate, bound: _Bound) -> tuple[float, tuple[float, ...]]:
    values = []
    score = 0.0
    inverted = bound.inverted
    for value_of, part in bound.terms:
        value = value_of(candidate)
        # Comparisons, since min(max()) costs three times as much; a counter that is no number gives 0.
        value = value if 0.0 <= value <= 1.0 else 1.0 if value > 1.0 else 0.0
        if inverted:
            value = 1.0 - value
        score += value * part
        values.append(value)
    return score, tuple(values)


def _order(rating: Rating) -> float:
    """Less is better: stars, then what is missed (under 50 things), then the score.

    One number and not a tuple, because comparing tuples is half of the time of sorting 5,000 hosts.
    """
    missed = len(rating.zero_reasons) or len(rating.warnings) + rating.preferences_missed
    return missed - 100 * rating.stars - rating.score / 2


def stars_of(score: float) -> float:
    """A score of 0–1 in stars: half steps, halves of a half step upwards, at least ½."""
    return _STARS[int(score * 10 + 0.5)]


_STARS = (0.5, *(halves / 2 for halves in range(1, 11)))
"""By the tenth of the score; shared, since a number for each host would be memory to go through."""


def _volume(candidate: Candidate, bound: _Bound) -> Volume | None:
    """The roomiest volume, or when filling hosts up the tightest that still holds the disks."""
    rooms = candidate.volumes
    if not bound.inverted:
        return rooms[0].volume if rooms else None
    return next((r.volume for r in reversed(rooms) if r.spare_mib >= bound.disk_needed_mib), None)
