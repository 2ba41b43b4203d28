"""A call as the VMM cmdlet that it is equal to: PowerShell to read, not to run."""

from itertools import groupby
from typing import Any

from hostler.domain.references import parse_reference
from hostler.domain.scripts.call import Call
from hostler.domain.scripts.words import OperationWords

_NOTICE = "# not runnable here: the VMM cmdlet that this action is equal to\n"
_SINGLE_QUOTES = "'‘’‚‛"
_SPELLING = {"vm": "VM", "cpu": "CPU", "os": "OS", "id": "ID", "mib": "MB", "mac": "MAC", "iops": "IOPS"}
_SUBJECTS = {"vm": "VM", "host": "VMHost", "template": "VMTemplate"}


def render(call: Call, words: OperationWords) -> str:
    """The cmdlet with its parameters; user texts stand in single quotes only, never in the comment."""
    parts = [words.cmdlet]
    if call.subject is not None:
        parts.append(f"-{_SUBJECTS.get(call.noun, _pascal(call.noun))} {_text(_name(call.subject))}")
    for name, value in call.arguments.items():
        shown = _name(value) if words.refers(name) and isinstance(value, str) else value
        parts.append(f"-{_pascal(name)} {_value(shown)}")
    return _NOTICE + " ".join(parts) + "\n"


def _name(reference: str) -> str:
    parsed = parse_reference(reference)
    return parsed.name if parsed.name is not None else str(parsed.id)


def _pascal(word: str) -> str:
    parts = word.replace("-", "_").split("_")
    return "".join(_SPELLING.get(part, part.capitalize()) for part in parts)


def _value(value: Any) -> str:
    if value is None:
        return "$null"
    if isinstance(value, bool):
        return "$true" if value else "$false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return "@(" + ", ".join(_value(inner) for inner in value) + ")"
    if isinstance(value, dict):
        return "@{" + "; ".join(f"{_text(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def _text(text: str) -> str:
    """A PowerShell expression equal to the text: PowerShell takes five characters for a single quote."""
    if not text:
        return "''"
    runs = [(plain, "".join(run)) for plain, run in groupby(text, str.isprintable)]
    pieces = [_quoted(run) if plain else _codes(run) for plain, run in runs]
    # A string on the left of each + makes PowerShell join texts rather than add numbers.
    return pieces[0] if len(pieces) == 1 and runs[0][0] else "('' + " + " + ".join(pieces) + ")"


def _quoted(run: str) -> str:
    return "'" + "".join(character * 2 if character in _SINGLE_QUOTES else character for character in run) + "'"


def _codes(run: str) -> str:
    encoded = run.encode("utf-16-be")
    units = [encoded[i : i + 2].hex() for i in range(0, len(encoded), 2)]
    return " + ".join(f"[char]0x{unit}" for unit in units)
