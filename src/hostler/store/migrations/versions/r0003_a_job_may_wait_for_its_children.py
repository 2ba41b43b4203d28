"""A job may wait for its children."""

import sqlalchemy as sa
from alembic import op

revision = "0003_9cdef708"
down_revision = "0002_114daacc"


def upgrade() -> None:
    _job()


def _job() -> None:
    # Not in a batch, which makes the table anew on SQLite and loses its AUTOINCREMENT: numbers would be given twice.
    op.add_column("job", sa.Column("waits", sa.Boolean(), server_default=sa.text("0"), nullable=False))
