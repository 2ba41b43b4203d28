"""Locks are looked up by who holds them alone."""

from alembic import op

revision = "0002_114daacc"
down_revision = "0001_c37bf546"


def upgrade() -> None:
    _job_object()


def _job_object() -> None:
    with op.batch_alter_table("job_object", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_object_object_hold"))
        batch_op.create_index("ix_job_object_object_hold", ["object", "hold", "exclusive"], unique=False)
