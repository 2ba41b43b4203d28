"""A call: an operation asked for, as data. Scripts are rendered from it and read back to it."""

from typing import Any

from msgspec import Struct


class Call(Struct, frozen=True, kw_only=True):
    """`subject` is the object acted on as `id:name` (None for create); `arguments` are JSON, objects as `id:name`.

    Arguments left at their defaults are absent, so that a script says what was asked and no more.
    """

    noun: str
    verb: str
    subject: str | None
    arguments: dict[str, Any]

    @property
    def operation(self) -> str:
        return f"{self.noun}.{self.verb}"
