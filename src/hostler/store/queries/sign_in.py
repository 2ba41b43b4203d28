"""Who comes in and how: one-time links, sessions, API tokens. Only hashes of secrets are stored."""

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from hostler.domain.access.rights import Caller
from hostler.store.database import AnyRow
from hostler.store.queries.access import rights_now
from hostler.store.tables import api_token, session, sign_in_link, user

SECOND = 1_000_000
LINK_SECONDS = 3600
SESSION_SECONDS = 12 * 3600
TOKEN_PREFIX = "hostler_"  # noqa: S105 - the mark by which people and scanners know a token, not a secret
ADMINISTRATOR = "administrator"


class Known(Struct, frozen=True, kw_only=True):
    """Somebody who proved who they are. `csrf_hash` is set for sessions, whose browser sends the cookie unasked."""

    caller: Caller
    expires_at: int | None
    csrf_hash: str | None = None


class NewSession(Struct, frozen=True, kw_only=True):
    """The secrets of a session: told once."""

    secret: str
    csrf: str


def hash_of(secret: str) -> str:
    """What is stored of a secret; secrets have 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def ensure_administrator(connection: Connection, now: int) -> str:
    """The id of the local administrator, made at the first start."""
    known = connection.execute(select(user.c.id).where(user.c.name == ADMINISTRATOR)).scalar()
    if known is not None:
        return str(known)
    made = str(uuid.uuid4())
    row = {"id": made, "name": ADMINISTRATOR, "role": "administrator", "enabled": True, "created_at": now}
    connection.execute(insert(user).values(row))
    return made


def new_link(connection: Connection, user_id: str, now: int, lifetime_seconds: int = LINK_SECONDS) -> str:
    """The secret of a link that signs this user in once, within its lifetime (an hour at most)."""
    secret = secrets.token_urlsafe(32)
    expires_at = now + min(lifetime_seconds, LINK_SECONDS) * SECOND
    connection.execute(delete(sign_in_link).where(sign_in_link.c.expires_at <= now))
    connection.execute(insert(sign_in_link).values(secret_hash=hash_of(secret), user_id=user_id, expires_at=expires_at))
    return secret


def link_is_good(connection: Connection, secret: str, now: int) -> bool:
    """Whether the link would still sign somebody in; using it decides."""
    return bool(connection.execute(select(sign_in_link.c.user_id).where(*_usable(secret, now))).scalar())


def use_link(connection: Connection, secret: str, now: int) -> str | None:
    """The user's id, once: of many at the same time one gets it. None for unknown, used and expired links alike."""
    used = connection.execute(update(sign_in_link).where(*_usable(secret, now)).values(used_at=now))
    if used.rowcount != 1:
        return None
    row = connection.execute(select(sign_in_link.c.user_id).where(sign_in_link.c.secret_hash == hash_of(secret)))
    user_id = str(row.scalar_one())
    return user_id if rights_now(connection, user_id) is not None else None


def _usable(secret: str, now: int) -> tuple[ColumnElement[bool], ...]:
    link = sign_in_link.c
    return (link.secret_hash == hash_of(secret), link.used_at.is_(None), link.expires_at > now)


def new_session(connection: Connection, user_id: str, now: int) -> NewSession:
    """Open a session; those that expired are forgotten."""
    made = NewSession(secret=secrets.token_urlsafe(32), csrf=secrets.token_urlsafe(32))
    connection.execute(delete(session).where(session.c.expires_at <= now))
    connection.execute(
        insert(session).values(
            secret_hash=hash_of(made.secret),
            user_id=user_id,
            csrf_hash=hash_of(made.csrf),
            created_at=now,
            expires_at=now + SESSION_SECONDS * SECOND,
        )
    )
    return made


def end_session(connection: Connection, secret: str) -> None:
    connection.execute(delete(session).where(session.c.secret_hash == hash_of(secret)))


def known_by_session(connection: Connection, secret: str, now: int) -> Known | None:
    """Who holds this session's secret, with the rights of this moment."""
    hashed = hash_of(secret)
    row = connection.execute(
        select(session, user.c.name)
        .join(user, user.c.id == session.c.user_id)
        .where(session.c.secret_hash == hashed, session.c.expires_at > now)
    ).one_or_none()
    if row is None or not hmac.compare_digest(row.secret_hash, hashed):
        return None
    rights = rights_now(connection, row.user_id)
    if rights is None:
        return None
    caller = Caller(user_id=row.user_id, user_name=row.name, rights=rights)
    return Known(caller=caller, expires_at=row.expires_at, csrf_hash=row.csrf_hash)


def known_by_token(connection: Connection, secret: str, now: int) -> Known | None:
    """Who holds this API token, with the token's part of its maker's rights of this moment."""
    hashed = hash_of(secret)
    row = connection.execute(
        select(api_token, user.c.name.label("user_name"))
        .join(user, user.c.id == api_token.c.user_id)
        .where(api_token.c.secret_hash == hashed)
    ).one_or_none()
    if row is None or not hmac.compare_digest(row.secret_hash, hashed):
        return None
    if row.expires_at is not None and row.expires_at <= now:
        return None
    rights = rights_now(connection, row.user_id, row.id)
    if rights is None:
        return None
    caller = Caller(user_id=row.user_id, user_name=row.user_name, rights=rights, token_id=row.id)
    return Known(caller=caller, expires_at=row.expires_at)


def new_token(
    connection: Connection,
    caller: Caller,
    now: int,
    *,
    name: str,
    privileges: Sequence[str] | None,
    expires_at: int | None,
) -> tuple[str, str]:
    """Make a token of the caller's; its id and its secret, which is told only now.

    A token made by a token ends with its maker, and no later.
    """
    if caller.token_id is not None:
        ends = connection.execute(select(api_token.c.expires_at).where(api_token.c.id == caller.token_id)).scalar_one()
        expires_at = min((at for at in (ends, expires_at) if at is not None), default=None)
    token_id, secret = str(uuid.uuid4()), TOKEN_PREFIX + secrets.token_urlsafe(32)
    connection.execute(
        insert(api_token).values(
            id=token_id,
            name=name,
            secret_hash=hash_of(secret),
            user_id=caller.user_id,
            maker_token_id=caller.token_id,
            privileges=None if privileges is None else sorted(set(privileges)),
            created_at=now,
            expires_at=expires_at,
        )
    )
    return token_id, secret


def tokens_of(connection: Connection, user_id: str) -> Sequence[AnyRow]:
    """A user's tokens that are not revoked, oldest first."""
    wanted = select(api_token).where(api_token.c.user_id == user_id, api_token.c.revoked_at.is_(None))
    return connection.execute(wanted.order_by(api_token.c.created_at, api_token.c.id)).all()


def revoke_token(connection: Connection, caller: Caller, token_id: str, now: int) -> bool:
    """End a token of the caller's; False when there is none such, or none that the caller may end.

    A token with fewer rights than its user may end itself and what it made, and no other.
    """
    if not _may_end(connection, caller, token_id):
        return False
    mine = (api_token.c.id == token_id, api_token.c.user_id == caller.user_id, api_token.c.revoked_at.is_(None))
    return connection.execute(update(api_token).where(*mine).values(revoked_at=now)).rowcount == 1


def _may_end(connection: Connection, caller: Caller, token_id: str) -> bool:
    if rights_now(connection, caller.user_id, caller.token_id) == rights_now(connection, caller.user_id):
        return True
    maker: str | None = token_id
    while maker is not None and maker != caller.token_id:
        maker = connection.execute(select(api_token.c.maker_token_id).where(api_token.c.id == maker)).scalar()
    return maker is not None
