"""A job may wait for its children."""

import sqlalchemy as sa
from alembic import op

revision = "0003_9cdef708"
down_revision = "0002_114daacc"


def upgrade() -> None:
    _job()


def _job() -> None:
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.add_column(sa.Column("waits", sa.Boolean(), server_default=sa.text("0"), nullable=False))
