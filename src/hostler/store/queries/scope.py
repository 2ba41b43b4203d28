"""How much of the house a reader may see: every list query takes a scope and makes it a WHERE."""

from enum import StrEnum

from sqlalchemy import ColumnElement, true


class Scope(StrEnum):
    """`all`: everything. Scopes of host groups and owners come with roles."""

    ALL = "all"

    def condition(self) -> ColumnElement[bool]:
        return true()
