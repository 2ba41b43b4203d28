"""Custom placement rules that a host should meet: a property equal, or not equal, to the VM's."""

from hostler.domain.placement.criterion import Check, Filter
from hostler.domain.placement.model import Reason, Relation, Request, Strength
from hostler.domain.placement.snapshot import Candidate


def _bind(request: Request) -> Check | None:
    rules = tuple(r for r in request.rules if r.relation in (Relation.SHOULD_MATCH, Relation.SHOULD_NOT_MATCH))
    if not rules:
        return None

    def check(candidate: Candidate) -> Reason | None:
        properties = candidate.host.properties
        broken = [rule for rule in rules if not rule.is_met_by(properties)]
        if not broken:
            return None
        return Reason(
            "property_should",
            "; ".join(rule.difference(properties) for rule in broken),
            "change the property of the host or of the VM, or the placement rule",
            overridable=True,
        )

    return check


FILTER = Filter(code="property_should", bind=_bind, strength=Strength.SHOULD_MEET, overridable=True)
