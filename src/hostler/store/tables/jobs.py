"""Jobs, their steps, what they hold, the audit trail and the events that others follow."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false

from hostler.store.tables.base import Json, id_column, metadata, time_column

job = Table(
    "job",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("operation", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("state", String(24), nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("round", Integer, nullable=False, default=0),
    Column("undoing", Boolean, nullable=False, default=False),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("resolution", String(16)),
    Column("replica", String(36)),
    Column("limit_key", String(64)),
    Column("parent_id", String(36)),
    Column("root_id", String(36), nullable=False),
    Column("subject_kind", String(32), nullable=False),
    Column("subject_id", String(36), nullable=False),
    Column("subject_name", Text, nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("user", Text, nullable=False),
    Column("token_id", String(36)),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("call", Json, nullable=False),
    Column("plan", Json, nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("changes", Json, nullable=False),
    Column("percent", Integer, nullable=False, default=0),
    Column("info", Json),
    Column("error", Json),
    time_column("created_at", nullable=False),
    time_column("started_at"),
    time_column("ended_at"),
    Column("waits", Boolean, nullable=False, default=False, server_default=false()),
    sqlite_autoincrement=True,
)
"""A job that `waits` is claimed by nobody: a parent until its children have ended, a child until it is called."""
Index("ix_job_state_seq", job.c.state, job.c.seq)
Index("ix_job_subject_id_seq", job.c.subject_id, job.c.seq)
Index("ix_job_parent_id", job.c.parent_id)
Index("ix_job_ended_at", job.c.ended_at)

job_step = Table(
    "job_step",
    metadata,
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("percent", Integer, nullable=False, default=0),
    Column("handle", Text),
    Column("result", Json),
    Column("error", Text),
    time_column("started_at"),
    time_column("ended_at"),
)

job_object = Table(
    "job_object",
    metadata,
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("object", Text, primary_key=True),
    Column("exclusive", Boolean, nullable=False),
    Column("hold", String(8), nullable=False),
)
"""What a job locks (`hold` = lock), or blocks because it failed and waits for a decision (block), or had (none)."""
Index("ix_job_object_object_hold", job_object.c.object, job_object.c.hold, job_object.c.exclusive)

job_limit = Table(
    "job_limit",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("at_most", Integer, nullable=False),
    Column("running", Integer, nullable=False, default=0),
)
"""How many jobs may run at once for a key (a host), and how many do."""

replica = Table(
    "replica",
    metadata,
    id_column(),
    time_column("lease_until", nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    time_column("at", nullable=False),
    Column("user", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("object", Text, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("job_id", String(36)),
    Column("reason", Text, nullable=False, default=""),
    Column("detail", Json),
    sqlite_autoincrement=True,
)
Index("ix_audit_job_id", audit.c.job_id)

event = Table(
    "event",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    time_column("at", nullable=False),
    Column("kind", String(32), nullable=False),
    Column("object_id", String(36), nullable=False),
    Column("body", Json, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_event_at", event.c.at)
