"""The schema and how it came to be: Alembic migrations, run at each start."""

from pathlib import Path

from sqlalchemy import create_engine

from hostler.store.tables import metadata


def upgrade(path: Path) -> None:
    """Bring the database file to this version's schema; a new file gets all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()
