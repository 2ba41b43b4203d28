"""Computer names by pattern, as guest OS profiles give them."""

import re
from collections.abc import Collection

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9-]+")
_COUNTER = re.compile(r"#+")


def expand(pattern: str, vm_name: str, taken: Collection[str], random_letters: str) -> str:
    """The computer name that `pattern` stands for; an empty pattern is the VM's name, made fit for a host name.

    `*` becomes `random_letters`; a run of `#` becomes the lowest number, as wide as the run, that is not taken.
    Raises ValueError when the result is no host name (RFC 1123: letters, digits, hyphens, at most 63).
    """
    text = (pattern or _FORBIDDEN.sub("-", vm_name).strip("-")[:63].strip("-") or "*").replace("*", random_letters)
    run = _COUNTER.search(text)
    if run is not None:
        text = _numbered(text, run, taken)
    if not _HOST_NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is no computer name: letters, digits and hyphens, at most 63, no hyphen at either end"
        )
    return text


def _numbered(text: str, run: re.Match[str], taken: Collection[str]) -> str:
    width, used = len(run.group()), {name.lower() for name in taken}
    for number in range(1, 10**width):
        name = f"{text[: run.start()]}{number:0{width}}{text[run.end() :]}"
        if name.lower() not in used:
            return name
    raise ValueError(f"all {10**width - 1} numbers of the pattern {text!r} are taken")
