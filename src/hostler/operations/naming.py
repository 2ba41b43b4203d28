"""Names that people give: what is refused, and why, before anything is made."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from hostler.jobs.errors import ConflictError
from hostler.jobs.operation import Acceptance
from hostler.store.queries.nouns import NOUNS, named


def _printable(name: str) -> str:
    if name != name.strip():
        raise ValueError("a name neither begins nor ends with a space")
    bad = next((character for character in name if not character.isprintable()), None)
    if bad is not None:
        raise ValueError(f"a name has no control characters; this one has U+{ord(bad):04X}")
    return name


Name = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_printable)]
"""Any printable text of 1 to 255 characters."""


def refuse_taken(at: Acceptance, noun: str, name: str) -> None:
    """ConflictError when an object of this noun has the name already."""
    holder = named(at.connection, noun, name)
    if holder is not None:
        raise ConflictError(
            f"There is already a {NOUNS[noun].title} called {name!r} ({holder}).", "Choose another name."
        )


def name_lock(noun: str, name: str) -> str:
    """The lock that keeps two jobs from taking one name."""
    return f"{noun}-name/{name}"
