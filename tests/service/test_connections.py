"""The service's connections to its hosts: one each, kept, and given up with the host."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from hostler.providers.errors import NotThere
from hostler.service.connections import Connections
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import host, metadata


class Line:
    """A provider of which only its end matters here."""

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True


async def test_one_a_host_until_the_host_is_gone(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "hostler.sqlite")
    metadata.create_all(database.engine)
    values = {"provider": "line", "address": "x", "vm_path": "/x", "state": "responding", "state_at": 1}
    rows = [values | {"id": name, "name": name, "created_at": 1} for name in ("removed", "never-added", "kept", "new")]
    await database.write(lambda c: c.execute(insert(host), rows))
    made: list[Line] = []

    def factory(_row: Any, _folder: Path) -> Any:
        made.append(Line())
        return made[-1]

    connections = Connections(database, tmp_path, {"line": factory})
    removed, _, kept = [await connections.provider(name) for name in ("removed", "never-added", "kept")]
    assert await connections.provider("kept") is kept
    await database.write(lambda c: c.execute(update(host).where(host.c.id == "removed").values(deleted_at=1)))
    await database.write(lambda c: c.execute(delete(host).where(host.c.id == "never-added")))
    await connections.provider("new")
    assert [line.closed for line in made] == [True, True, False, False]
    assert await connections.provider("kept") is kept
    assert await connections.provider("removed") is not removed
    with pytest.raises(NotThere):
        await connections.provider("never-added")
    await connections.close()
    assert all(line.closed for line in made)
    database.close()
