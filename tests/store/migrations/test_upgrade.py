"""Migrations make exactly the declared tables, whole or not at all, and an older database is copied first."""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from alembic.script import ScriptDirectory

from hostler.service import new_migration
from hostler.store.migrations import FOLDER, UnknownSchemaError, config, upgrade
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import metadata

HEAD = ScriptDirectory.from_config(config()).get_current_head()
NEXT = "9999_later"
Shape = dict[str, object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "hostler.sqlite"


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations of a later version, without one after ours as yet."""
    return Path(copytree(FOLDER, tmp_path / "later", ignore=ignore_patterns("__pycache__")))


def plan(later: Path, body: str) -> Path:
    text = f"""import sqlalchemy as sa
from alembic import op
revision = {NEXT!r}
down_revision = {HEAD!r}
def upgrade():
{body}
"""
    (later / "versions" / "later.py").write_text(text)
    return later


ADD_COLUMN = "    op.add_column('user', sa.Column('mail', sa.Text()))"
FAIL_HALF_WAY = ADD_COLUMN + "\n    op.execute('INSERT INTO nowhere VALUES (1)')"
DIE_HALF_WAY = ADD_COLUMN + "\n    import os\n    os._exit(9)"
BREAK_REFERENCES = "    op.execute('DELETE FROM job')"
MAKE_JOBS_ANEW = """    with op.batch_alter_table('job') as batch:
        batch.alter_column('title', existing_type=sa.Text(), type_=sa.String(200))"""


def shape(path: Path) -> Shape:
    """All that the schema says, as SQLite itself understood it."""
    with closing(sqlite3.connect(path)) as opened:
        tables = [row[0] for row in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: _table(opened, table) for table in tables if table != "alembic_version" and table[:7] != "sqlite_"
        }


def _table(opened: sqlite3.Connection, table: str) -> Shape:
    def all_of(pragma: str, of: str = table) -> list[tuple[object, ...]]:
        return list(opened.execute(f"PRAGMA {pragma}({of!r})"))

    made = opened.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchone()[0]
    where = dict(opened.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ?", [table]))
    return {
        "columns": all_of("table_xinfo"),
        "references": all_of("foreign_key_list"),
        "flags": [row[3:] for row in all_of("table_list")],
        "autoincrement": "AUTOINCREMENT" in made,
        "constraints": sorted(re.findall(r"CONSTRAINT \"?(\w+)", made)),
        "indexes": sorted(
            (row[1:], tuple(all_of("index_xinfo", str(row[1]))), _condition(where.get(row[1])))
            for row in all_of("index_list")
            if not str(row[1]).startswith("sqlite_autoindex")
        ),
    }


def _condition(sql: str | None) -> str:
    return (sql or "").partition(" WHERE ")[2]


@pytest.fixture
def old(path: Path) -> Path:
    """A database of today's version, with a user and a job with a step in it."""
    upgrade(path)
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("INSERT INTO user (id, name, role, enabled, created_at) VALUES ('u', 'ann', 'r', 1, 1)")
        columns = [row[1:4] for row in opened.execute("PRAGMA table_info(job)") if row[3] and row[1] != "seq"]
        values = {name: 1 if kind in ("INTEGER", "BIGINT", "BOOLEAN") else "j" for name, kind, _ in columns}
        names, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
        opened.execute(f"INSERT INTO job ({names}) VALUES ({marks})", list(values.values()))
        opened.execute(
            "INSERT INTO job_step (job_id, n, name, title, state, attempt, percent) "
            "VALUES ('j', 0, 's', 's', 'x', 0, 0)"
        )
    return path


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as opened:
        return list(opened.iterdump())


def copies(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir() if "before" in file.name)


def test_a_new_database_has_the_declared_tables(path: Path, tmp_path: Path) -> None:
    declared = SqliteDatabase(tmp_path / "declared.sqlite")
    metadata.create_all(declared.engine)
    declared.close()
    upgrade(path)
    assert shape(path) == shape(declared.path)
    assert len(shape(path)) == len(metadata.tables)
    assert copies(path) == []


def test_no_migration_was_forgotten() -> None:
    assert new_migration.changes() is None, "run `hostler dev new-migration TEXT`"


def test_a_forgotten_migration_is_seen(later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_migration, "upgrade", lambda path: upgrade(path, plan(later, ADD_COLUMN)))
    assert "drop_column('mail')" in str(new_migration.changes())


def test_a_second_start_changes_nothing(old: Path) -> None:
    before = content(old)
    upgrade(old)
    assert content(old) == before
    assert copies(old) == []


def test_an_older_database_is_copied_and_upgraded(old: Path, later: Path) -> None:
    old.chmod(0o600)
    before = content(old)
    upgrade(old, plan(later, ADD_COLUMN))
    kept = old.with_name(f"hostler.sqlite.before-{NEXT}")
    assert "mail" in "".join(content(old))
    assert copies(old) == [kept.name]
    assert content(kept) == before
    assert kept.stat().st_mode & 0o777 == 0o600
    upgrade(kept)


def test_a_table_made_anew_keeps_the_rows_that_refer_to_it(old: Path, later: Path) -> None:
    upgrade(old, plan(later, MAKE_JOBS_ANEW))
    with closing(sqlite3.connect(old)) as opened:
        assert opened.execute("SELECT job_id FROM job_step").fetchall() == [("j",)]


def test_a_newer_database_is_refused_and_untouched(old: Path, later: Path) -> None:
    upgrade(old, plan(later, ADD_COLUMN))
    before = content(old)
    with pytest.raises(UnknownSchemaError, match=f"newer Hostler.*{NEXT}.*left as it is.*before-{NEXT}"):
        upgrade(old)
    assert content(old) == before


def test_tables_of_nobody_knows_whom_are_refused_and_untouched(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("CREATE TABLE mine (x)")
    before = content(path)
    with pytest.raises(UnknownSchemaError, match="left as it is"):
        upgrade(path)
    assert content(path) == before


@pytest.mark.parametrize("body", [FAIL_HALF_WAY, BREAK_REFERENCES], ids=["raises", "breaks references"])
def test_a_failed_migration_leaves_the_database_as_it_was(old: Path, later: Path, body: str) -> None:
    before = content(old)
    with pytest.raises(Exception, match=r"nowhere|refer to nothing"):
        upgrade(old, plan(later, body))
    assert content(old) == before
    upgrade(old)
    upgrade(old, plan(later, ADD_COLUMN))
    assert copies(old) == [f"hostler.sqlite.before-{NEXT}"]


def test_a_killed_migration_leaves_the_database_as_it_was(old: Path, later: Path) -> None:
    before = content(old)
    plan(later, DIE_HALF_WAY)
    program = "import sys; from pathlib import Path; from hostler.store.migrations import upgrade; "
    program += "upgrade(*map(Path, sys.argv[1:]))"
    assert subprocess.run([sys.executable, "-c", program, old, later], check=False).returncode == 9
    assert content(old) == before
    upgrade(old)


@pytest.fixture
def opened(path: Path) -> Iterator[SqliteDatabase]:
    upgrade(path)
    made = SqliteDatabase(path)
    yield made
    made.close()


@pytest.mark.parametrize(("pragma", "value"), [("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1)])
def test_what_was_committed_survives_a_power_cut(opened: SqliteDatabase, pragma: str, value: object) -> None:
    with opened.engine.connect() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
