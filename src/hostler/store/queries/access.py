"""What a user or token may do at this moment: asked at acceptance and before each attempt of a job."""

import msgspec
from sqlalchemy import Connection, select

from hostler.domain.access.rights import Rights
from hostler.store.tables import api_token, user

SYSTEM_USER = "hostler"
"""The service itself: its own jobs carry this id and may do everything."""

ROLES: dict[str, frozenset[str] | None] = {"administrator": None}
"""Privileges of each role; None is all of them."""


def rights_now(connection: Connection, user_id: str, token_id: str | None = None) -> Rights | None:
    """None when the user is gone or disabled, or the token, or one that made it, is revoked."""
    if user_id == SYSTEM_USER:
        return Rights(privileges=None)
    role = connection.execute(select(user.c.role).where(user.c.id == user_id, user.c.enabled)).scalar()
    if role is None:
        return None
    rights = Rights(privileges=ROLES[role])
    while token_id is not None:
        token = connection.execute(
            select(api_token.c.privileges, api_token.c.maker_token_id).where(
                api_token.c.id == token_id, api_token.c.user_id == user_id, api_token.c.revoked_at.is_(None)
            )
        ).one_or_none()
        if token is None:
            return None
        rights = rights.narrowed_to(msgspec.convert(token.privileges, frozenset[str] | None))
        token_id = token.maker_token_id
    return rights
