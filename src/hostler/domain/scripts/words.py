"""The words of an operation: what its scripts, its SDK method and its command need to know of it, and no more."""

import keyword
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Kind(StrEnum):
    """How a parameter is written: as one text, a number, a switch, a repeated text, or JSON."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    TEXTS = "texts"
    JSON = "json"


class Option(Struct, frozen=True, kw_only=True):
    """A parameter of an operation. `default` counts only when it is not required."""

    name: str
    kind: Kind
    required: bool = False
    nullable: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    refers_to: str | None = None
    help: str = ""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


class OperationWords(Struct, frozen=True, kw_only=True):
    """An operation in words. `plural` is its noun in addresses; `cmdlet` the VMM cmdlet it is equal to."""

    noun: str
    plural: str
    title: str
    verb: str
    cmdlet: str
    help: str
    makes_new: bool
    options: tuple[Option, ...]

    def kind(self, argument: str) -> Kind:
        """How this argument is written; one that is not known, as JSON."""
        return next((option.kind for option in self.options if option.name == argument), Kind.JSON)

    def refers(self, argument: str) -> bool:
        return any(option.refers_to for option in self.options if option.name == argument)


def python_name(word: str) -> str:
    """`enter-maintenance` → enter_maintenance, `import` → import_."""
    name = word.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name
