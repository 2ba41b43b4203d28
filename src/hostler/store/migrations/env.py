"""What Alembic runs a migration in: the connection and the transaction are those of `upgrade`."""

from typing import Any

from alembic import context

from hostler.store.tables import metadata

_opened: Any = context.config.attributes["connection"]
context.configure(connection=_opened, target_metadata=metadata, render_as_batch=True, compare_type=True)
context.run_migrations()
