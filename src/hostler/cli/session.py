"""What a command works with: a client when it needs one, and where it writes."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from rich.console import Console

if TYPE_CHECKING:
    from hostler.sdk import Client

_WIDE = 240

Output = Literal["table", "json", "yaml"]


def _connect() -> "Client":
    import hostler

    return hostler.connect()


def _errors() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _results() -> Console:
    # Where nobody looks at a screen, a table may be as wide as it needs.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
    return Console(highlight=False, markup=False, emoji=False, width=width)


@dataclass
class Session:
    """One run of the command line. `out` is for results, `err` for progress and errors."""

    connect: Callable[[], "Client"] = _connect
    out: Console = field(default_factory=_results)
    err: Console = field(default_factory=_errors)

    @cached_property
    def client(self) -> "Client":
        return self.connect()
