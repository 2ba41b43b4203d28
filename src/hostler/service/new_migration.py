"""`hostler dev new-migration`: what the tables changed since the newest migration, as a file to correct by hand."""

import hashlib
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations.ops import MigrateOperation, UpgradeOps
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from hostler.store.migrations import FOLDER, config, engine_of, upgrade
from hostler.store.tables import metadata
from hostler.store.tables.base import Json

INITIAL = "initial"

_FILE = '''\
"""{text}."""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down_revision!r}


{body}
'''
_FUNCTION = """\
def {name}() -> None:
{body}
"""


def make(text: str) -> int:
    """Write the migration that brings the newest schema to what the tables say now; 1 when they are the same."""
    versions = FOLDER / "versions"
    if text == INITIAL:
        for earlier in versions.glob("r0001_*.py"):
            earlier.unlink()
    directory = ScriptDirectory.from_config(config())
    body = changes()
    if body is None:
        sys.stderr.write("The newest migration already makes the tables as they are declared.\n")
        return 1
    number = len(list(directory.walk_revisions())) + 1
    # The digest tells databases apart that were made by drafts of one migration before its release.
    revision = f"{number:04}_{hashlib.sha256(body.encode()).hexdigest()[:8]}"
    word = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    path = versions / f"r{number:04}_{word}.py"
    down = directory.get_current_head()
    title = "Everything that the first version keeps" if text == INITIAL else text.strip().rstrip(".").capitalize()
    path.write_text(_FILE.format(text=title, revision=revision, down_revision=down, body=body), encoding="utf-8")
    sys.stdout.write(f"wrote {path}: read it, correct it, run `ruff format` on it\n")
    return 0


def changes() -> str | None:
    """The body of a migration from the newest schema to the declared tables; None when nothing differs."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hostler.sqlite"
        upgrade(path)
        engine = engine_of(path)
        with engine.connect() as connection:
            options = {"render_as_batch": True, "render_item": _render, "compare_type": True}
            context = MigrationContext.configure(connection, opts=options | {"target_metadata": metadata})
            made = produce_migrations(context, metadata).upgrade_ops
        engine.dispose()
    if made is None or made.is_empty():
        return None
    return _rendered(made)


def _rendered(operations: UpgradeOps) -> str:
    """A function a table, called in turn by `upgrade`."""
    tables: defaultdict[str, list[MigrateOperation]] = defaultdict(list)
    for operation in operations.ops:
        tables[str(getattr(operation, "table_name", "tables"))].append(operation)
    calls = "\n".join(f"    _{table}()" for table in tables)
    functions = [_FUNCTION.format(name="upgrade", body=calls)]
    functions += [_FUNCTION.format(name=f"_{table}", body=_code(made)) for table, made in tables.items()]
    return "\n\n".join(functions)


def _code(operations: Sequence[MigrateOperation]) -> str:
    code = render_python_code(UpgradeOps(operations), render_as_batch=True, render_item=_render)
    return "\n".join(line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def _render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Our JSON columns as what they are in the file: a migration must not change when our code does."""
    return "sa.Text()" if kind == "type" and isinstance(item, Json) else False
