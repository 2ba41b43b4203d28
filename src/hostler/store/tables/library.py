"""The library: shares, the disks in them, and the profiles and templates that VMs are made from."""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from hostler.store.tables.base import Json, id_column, metadata, time_column

library_share = Table(
    "library_share",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("path", Text, nullable=False),
    time_column("created_at", nullable=False),
)

library_object = Table(
    "library_object",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("share_id", String(36), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("path", Text, nullable=False),
    Column("format", String(16), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("virtual_size_bytes", BigInteger, nullable=False),
    Column("operating_system", Text, nullable=False, default=""),
    time_column("created_at", nullable=False),
)

hardware_profile = Table(
    "hardware_profile",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False, default=""),
    Column("hardware", Json, nullable=False),
    time_column("created_at", nullable=False),
)

guest_os_profile = Table(
    "guest_os_profile",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False, default=""),
    Column("guest", Json, nullable=False),
    time_column("created_at", nullable=False),
)

template = Table(
    "template",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False, default=""),
    Column("disk_id", String(36), nullable=False),
    Column("hardware", Json, nullable=False),
    Column("guest", Json, nullable=False),
    time_column("created_at", nullable=False),
)
"""A template holds copies of its profiles: changing a profile later changes no template, as in VMM."""
Index("ix_template_disk_id", template.c.disk_id)
