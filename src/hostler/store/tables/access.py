"""Who may come in: users, their sessions, tokens and one-time links. Secrets are kept as hashes only."""

from sqlalchemy import Boolean, Column, Index, String, Table, Text

from hostler.store.tables.base import Json, id_column, metadata, time_column

user = Table(
    "user",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("role", String(32), nullable=False),
    Column("enabled", Boolean, nullable=False, default=True),
    time_column("created_at", nullable=False),
)

session = Table(
    "session",
    metadata,
    Column("secret_hash", String(64), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("csrf_hash", String(64), nullable=False),
    time_column("created_at", nullable=False),
    time_column("expires_at", nullable=False),
)

api_token = Table(
    "api_token",
    metadata,
    id_column(),
    Column("name", Text, nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("user_id", String(36), nullable=False),
    Column("maker_token_id", String(36)),
    Column("privileges", Json),
    time_column("created_at", nullable=False),
    time_column("expires_at"),
    time_column("revoked_at"),
)
"""`privileges` narrows what the maker may at the moment of each call; null means as much.

The maker is the user, or another token of the user (`maker_token_id`): revoking that one ends this one too.
"""
Index("ix_api_token_user_id", api_token.c.user_id)

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("secret_hash", String(64), primary_key=True),
    Column("user_id", String(36), nullable=False),
    time_column("expires_at", nullable=False),
    time_column("used_at"),
)
