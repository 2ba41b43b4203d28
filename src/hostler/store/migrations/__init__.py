"""The schema and how it came to be: Alembic migrations, run at each start, whole or not at all."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect

FOLDER = Path(__file__).parent


class UnknownSchemaError(Exception):
    """The database was made by a version that this one does not know; nothing was changed."""


def upgrade(path: Path, scripts: Path = FOLDER) -> None:
    """Bring the database file to this version's schema; a new file gets all of it.

    An older one is copied first, to `<name>.before-<revision>`, and the copy stays. UnknownSchemaError, with nothing
    changed, when the schema is newer than this code. Whatever else goes wrong leaves the database as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _keep_private(path)
    engine = engine_of(path)
    try:
        with engine.connect() as connection:
            _upgrade(connection, path, scripts)
    finally:
        engine.dispose()


def _keep_private(path: Path) -> None:
    """The database is for its owner alone; SQLite gives its other files the same rights."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)


def engine_of(path: Path) -> Engine:
    """Transactions that hold changes of the schema too, and that nobody else writes beside."""
    made = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 30})

    @event.listens_for(made, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 would commit before each change of the schema
        # Tables are changed by making them anew: a cascade must not empty what refers to the old one.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return made


def config(connection: Connection | None = None, scripts: Path = FOLDER) -> Config:
    """Alembic's settings: our folder of migrations, and the connection that they run on."""
    made = Config()
    made.set_main_option("script_location", str(scripts).replace("%", "%%"))
    made.set_main_option("path_separator", "newline")
    made.attributes["connection"] = connection
    return made


def current(connection: Connection) -> str | None:
    """The revision that the database is at; None when it has none."""
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection, path: Path, scripts: Path) -> None:
    directory = ScriptDirectory.from_config(config(scripts=scripts))
    with connection.begin():
        at, head = current(connection), directory.get_current_head()
        _refuse_unknown(connection, path, directory, at)
        if at == head or head is None:
            return
        if at is not None:
            _copy(path, path.with_name(f"{path.name}.before-{head}"))
        command.upgrade(config(connection, scripts), "head")
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise RuntimeError(f"the migration to {head} leaves {len(broken)} rows that refer to nothing")


def _refuse_unknown(connection: Connection, path: Path, directory: ScriptDirectory, at: str | None) -> None:
    if at is None and inspect(connection).get_table_names():
        raise UnknownSchemaError(
            f"{path} holds tables, but says no version of Hostler's schema: it was not made by a released Hostler. "
            "It was left as it is. Name another data folder, or move this file away to begin with an empty one."
        )
    known = {script.revision for script in directory.walk_revisions()}
    if at is not None and at not in known:
        raise UnknownSchemaError(
            f"{path} was written by a newer Hostler than this one: its schema is {at}, and this version knows "
            f"{directory.get_current_head()} as the newest. It was left as it is. Start the newer version, or put back "
            f"the copy that it made before it changed the schema ({path.name}.before-{at})."
        )


def _copy(source: Path, target: Path) -> None:
    """A whole copy, durable before anything is changed; an earlier one of the same upgrade is replaced at the end."""
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, source.stat().st_mode & 0o777))
    with closing(sqlite3.connect(source)) as opened, closing(sqlite3.connect(unfinished)) as copy:
        opened.backup(copy)
    for written in (unfinished, unfinished.parent):
        descriptor = os.open(written, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    unfinished.replace(target)
