"""A real SQLite file with every table, and short ways to put hosts and VMs into it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import metadata


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    made = SqliteDatabase(tmp_path / "hostler.sqlite")
    metadata.create_all(made.engine)
    yield made
    made.close()


@pytest.fixture
def connection(database: SqliteDatabase) -> Iterator[Connection]:
    with database.engine.begin() as opened:
        yield opened


@pytest.fixture
def statements(database: SqliteDatabase) -> Callable[[], int]:
    """How many rows the writing connection has changed so far."""

    def total() -> int:
        with database.engine.connect() as opened:
            return int(opened.exec_driver_sql("SELECT total_changes()").scalar_one())

    return total
