"""Hosts: what was declared of them, what was observed, and when."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, String, Table, Text

from hostler.store.tables.base import Json, id_column, metadata, time_column

host = Table(
    "host",
    metadata,
    id_column(),
    Column("name", Text, nullable=False),
    Column("group_path", Text, nullable=False, default="/"),
    Column("provider", String(32), nullable=False),
    Column("address", Text, nullable=False),
    Column("vm_path", Text, nullable=False),
    Column("state", String(24), nullable=False),
    Column("state_note", Text, nullable=False, default=""),
    time_column("state_at", nullable=False),
    Column("available_for_placement", Boolean, nullable=False, default=True),
    Column("maintenance", Boolean, nullable=False, default=False),
    Column("reserve", Json),
    Column("facts", Json),
    time_column("facts_at"),
    Column("load", Json),
    time_column("load_at"),
    time_column("created_at", nullable=False),
    time_column("deleted_at"),
)
Index("uq_host_name", host.c.name, unique=True, sqlite_where=host.c.deleted_at.is_(None))

freshness = Table(
    "freshness",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("fact_class", String(32), primary_key=True),
    Column("sequence", Integer, nullable=False),
    time_column("read_started_at", nullable=False),
    time_column("read_ended_at", nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("problems", Json, nullable=False),
)
"""When each source was last read, by class of fact: one row a pass writes even when nothing changed."""

lease = Table(
    "lease",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(36), nullable=False),
    time_column("until", nullable=False),
)
"""Work that one replica at a time does: whose it is, until when."""

load_average = Table(
    "load_average",
    metadata,
    Column("object_id", String(36), primary_key=True),
    Column("span_seconds", Integer, primary_key=True),
    Column("slot_at", BigInteger, primary_key=True),
    Column("covered_seconds", Double, nullable=False),
    Column("cpu_percent", Double),
    Column("memory_used_mib", Double),
    Column("disk_iops", Double),
    Column("disk_bytes_per_second", Double),
    Column("net_bytes_per_second", Double),
    sqlite_with_rowid=False,
)
"""Averages of hosts and VMs over spans; `covered_seconds` is how much of its slot was measured. Null: not known."""
Index("ix_load_average_span_seconds_slot_at", load_average.c.span_seconds, load_average.c.slot_at)
