"""What a caller may do: a set of privileges, or all of them. A token's are a part of its maker's."""

from msgspec import Struct

VIEW = "View"
"""The privilege to read what others own and did. Whoever lacks it still reads their own jobs and tokens."""


class Rights(Struct, frozen=True, kw_only=True):
    """Privileges by name; `None` means every one (an administrator)."""

    privileges: frozenset[str] | None

    def allow(self, privilege: str) -> bool:
        return self.privileges is None or privilege in self.privileges

    def narrowed_to(self, privileges: frozenset[str] | None) -> "Rights":
        """These rights cut down to `privileges`: never wider, whatever is asked."""
        if privileges is None:
            return self
        if self.privileges is None:
            return Rights(privileges=privileges)
        return Rights(privileges=self.privileges & privileges)


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks, from where, and why: kept with each job and each audit record."""

    user_id: str
    user_name: str
    rights: Rights
    token_id: str | None = None
    source: str = ""
    reason: str = ""
