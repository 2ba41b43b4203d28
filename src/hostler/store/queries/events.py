"""News for those who follow live: a row for each thing that changed, in the transaction that changed it."""

from typing import Any

from sqlalchemy import Connection, insert

from hostler.store.tables import event


def notify(connection: Connection, now: int, kind: str, object_id: str, body: dict[str, Any]) -> None:
    """Tell that an object of this kind changed; `body` is small, the rest is read by id."""
    connection.execute(insert(event).values(at=now, kind=kind, object_id=object_id, body=body))
