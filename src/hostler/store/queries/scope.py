"""How much of the house a reader may see: every list query takes a scope and makes it a WHERE."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, false, true

from hostler.domain.access.rights import VIEW, Caller


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything, or only what belongs to the user `owner_id`. Scopes of host groups come with roles."""

    owner_id: str | None = None

    @property
    def is_narrow(self) -> bool:
        return self.owner_id is not None

    def condition(self, owned_by: ColumnElement[Any] | None) -> ColumnElement[bool]:
        """`owned_by` is the column with the owner's id; what has none is nobody's own. The value is in `values`."""
        if not self.is_narrow:
            return true()
        return false() if owned_by is None else owned_by == bindparam("scope_owner_id")

    @property
    def values(self) -> dict[str, Any]:
        return {"scope_owner_id": self.owner_id} if self.is_narrow else {}


EVERYTHING = Scope()


def scope_of(caller: Caller) -> Scope:
    """What the caller may read: everything, or what they did themselves."""
    return EVERYTHING if caller.rights.allow(VIEW) else Scope(owner_id=caller.user_id)
