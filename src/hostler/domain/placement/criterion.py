"""What a file in `filters/` or `weighers/` holds: a name, and a function that binds it to one request."""

from collections.abc import Callable

import msgspec

from hostler.domain.placement.model import Reason, Request, Strength
from hostler.domain.placement.snapshot import Candidate

Check = Callable[[Candidate], Reason | None]
Value = Callable[[Candidate], float]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """A criterion that a host meets or not.

    `bind` reads the request once and gives the check of a host, or None when the request does not ask for
    it. `overridable`: an administrator may place the VM in spite of it, and a Policy may change `strength`.
    """

    code: str
    bind: Callable[[Request], Check | None]
    strength: Strength = Strength.MUST_MEET
    overridable: bool = False


class Weigher(msgspec.Struct, frozen=True, kw_only=True):
    """A term of the rating: 1 for an idle host, 0 for one at its reserve, with the VM's load added.

    `name` finds its weight in Weights; `default_weight` holds where Weights names none. Values outside 0–1
    are clamped by `rank`.
    """

    name: str
    bind: Callable[[Request], Value]
    default_weight: float = 0
