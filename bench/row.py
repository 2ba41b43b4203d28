"""One figure of the benchmark beside its yardstick."""

from typing import NamedTuple


class Row(NamedTuple):
    """`ratio` is ours / yardstick_value; it is well at or under `reach`, or over it if higher_is_better."""

    what: str
    ours: float
    unit: str
    yardstick: str
    yardstick_value: float
    ratio: float
    reach: float
    higher_is_better: bool


class YardstickMissingError(RuntimeError):
    """What a figure is measured against is not on this machine; the text says what to install."""
