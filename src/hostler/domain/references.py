"""How a text names an object: by id, by exact name, or by id with the name beside it as a check."""

import re

from msgspec import Struct

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ID_LENGTH = 36


class Reference(Struct, frozen=True):
    """What a text refers to. At least one is set; with both, the name must be the object's or the call is refused."""

    id: str | None
    name: str | None

    def __str__(self) -> str:
        return ":".join(part for part in (self.id, self.name) if part is not None)


def parse_reference(text: str) -> Reference:
    """Read `id`, `name` or `id:name`. A name that itself looks like `id:…` can only be given as `id:name`."""
    head, tail = text[:_ID_LENGTH], text[_ID_LENGTH:]
    if not _ID.fullmatch(head):
        return Reference(None, text)
    if not tail:
        return Reference(head, None)
    if tail.startswith(":"):
        return Reference(head, tail[1:])
    return Reference(None, text)


class RefersTo(Struct, frozen=True):
    """Marks a parameter whose text names an object of this noun."""

    noun: str
