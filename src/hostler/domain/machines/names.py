"""Which names a hypervisor can carry: asked before anything is made, so that no VM is half made for its name."""

import re
import unicodedata
from collections.abc import Collection
from itertools import count as numbers
from itertools import islice

from msgspec import Struct

_COUNTER = re.compile(r"#+")
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class NameRules(Struct, frozen=True, kw_only=True):
    """The names that one hypervisor takes: at most so many bytes of UTF-8, and none of these characters."""

    max_bytes: int = 255
    forbidden: str = ""

    def why_not(self, name: str) -> str | None:
        """Why the name cannot be used; None when it can."""
        if not name.strip():
            return "it is empty"
        if name in {".", ".."}:
            return "it means a folder"
        control = next((c for c in name if unicodedata.category(c) in {"Cc", "Cs"}), None)
        if control is not None:
            return f"it contains the control character U+{ord(control):04X}"
        if _NOT_IN_XML.search(name):
            return "it contains a character that XML cannot carry"
        bad = next((c for c in name if c in self.forbidden), None)
        if bad is not None:
            return f"it contains {bad!r}, which the hypervisor does not take"
        size = len(name.encode())
        if size > self.max_bytes:
            return f"it has {size} bytes in UTF-8; the hypervisor takes {self.max_bytes}"
        return None


def numbered(pattern: str, count: int, taken: Collection[str]) -> list[str]:
    """The first `count` names of the pattern that are not taken, whatever their case.

    The last run of `#` becomes a number from 1, as wide as the run; without one, `-` and a number are added. Raises
    ValueError when the run is too narrow for that many.
    """
    runs = list(_COUNTER.finditer(pattern))
    width = len(runs[-1].group()) if runs else 0
    before = pattern[: runs[-1].start()] if runs else f"{pattern}-"
    after = pattern[runs[-1].end() :] if runs else ""
    used = {name.casefold() for name in taken}
    all_numbers = range(1, 10**width) if width else numbers(1)
    free = (f"{before}{number:0{width}}{after}" for number in all_numbers)
    names = list(islice((name for name in free if name.casefold() not in used), count))
    if len(names) < count:
        raise ValueError(f"the pattern {pattern!r} has {len(names)} names left, and {count} are wanted")
    return names
