"""Which names a hypervisor can carry: asked before anything is made, so that no VM is half made for its name."""

import re
import unicodedata

from msgspec import Struct

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
